"""`imgmem estimate`."""

import click


@click.command("estimate")
def command() -> None:
    """To come."""
