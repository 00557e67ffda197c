"""The command line: the only user of Click, tqdm and rich."""

import click

from imgmem import __version__
from imgmem.cli import build, estimate, normalize, sample, stats
from imgmem.cli.failures import Program


@click.group(
    cls=Program,
    name="imgmem",
    context_settings={"auto_envvar_prefix": "IMGMEM", "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="imgmem")
def main() -> None:
    """Turn folders of images into memory-mapped NumPy datasets, in bounded memory."""


for _module in (build, stats, normalize, sample, estimate):
    main.add_command(_module.command)
