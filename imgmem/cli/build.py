"""`imgmem build`."""

import click


@click.command("build")
def command() -> None:
    """To come."""
