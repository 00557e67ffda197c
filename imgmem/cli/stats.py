"""`imgmem stats`."""

import click


@click.command("stats")
def command() -> None:
    """To come."""
