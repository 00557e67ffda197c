"""`imgmem sample`."""

import click


@click.command("sample")
def command() -> None:
    """To come."""
