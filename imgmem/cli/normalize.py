"""`imgmem normalize`."""

import click


@click.command("normalize")
def command() -> None:
    """To come."""
