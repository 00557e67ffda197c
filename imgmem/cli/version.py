"""`imgmem --version`."""

import platform

import click

from imgmem._version import __version__


def show_version(*, as_json: bool) -> None:
    """Print the version; as JSON with those of everything that decides the bytes of a dataset."""
    if not as_json:
        click.echo(f"imgmem, version {__version__}")
        return
    from imgmem.cli.render import print_json
    from imgmem.core.decode.images import decoder_versions

    body = {"version": __version__, "python": platform.python_version()}
    print_json("version", body | {"decoders": decoder_versions()})
