"""The command line: the only user of Click, tqdm and rich."""

import click

from imgmem.cli.program import Program
from imgmem.cli.version import show_version
from imgmem.core.errors import UsageError

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
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="With --version: print JSON, with the versions of decoders.",
)
@click.pass_context
def main(context: click.Context, version: bool, as_json: bool) -> None:
    """Turn folders of images into memory-mapped NumPy datasets, in bounded memory."""
    if version:
        show_version(as_json=as_json)
        context.exit()
    if as_json:
        raise UsageError(
            "--json before a command is only for --version", hint="Write it after the command."
        )
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)
