"""The command line: the only user of Click, tqdm and rich."""

import click

from imgmem._version import __version__
from imgmem.cli.program import Program

COMMANDS = {
    "build": "Stream the images of SOURCE into a dataset, in bounded memory.",
    "stats": "Describe DATASET and flag likely problems.",
    "normalize": "Normalize the features of DATASET in place, in bounded memory.",
    "sample": "Preview rows of DATASET, or export them with --out.",
    "estimate": "Predict the memory needed to convert PATH, naively and with imgmem.",
}
"""In the order of use; the first line of each one's help. Their modules load when needed."""


@click.group(
    cls=Program,
    summaries=COMMANDS,
    name="imgmem",
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog="""\b
Examples:
  imgmem estimate photos            memory a naive conversion would need
  imgmem build photos flowers       photos/CLASS/*.jpg become flowers/X.npy
  imgmem normalize flowers          in place, in bounded memory""",
)
@click.version_option(__version__, prog_name="imgmem")
@click.pass_context
def main(context: click.Context) -> None:
    """Turn folders of images into memory-mapped NumPy datasets, in bounded memory."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)
