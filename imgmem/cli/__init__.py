"""The command line: the only user of Click, tqdm and rich."""

import click

from imgmem import __version__
from imgmem.cli import build, estimate, normalize, options, sample, stats
from imgmem.cli.failures import Program


@click.group(
    cls=Program,
    name="imgmem",
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=options.examples(
        "imgmem estimate photos            what the usual way would cost",
        "imgmem build photos flowers       photos/CLASS/*.jpg become flowers/X.npy",
        "imgmem normalize flowers          in place, in bounded memory",
    ),
)
@click.version_option(__version__, prog_name="imgmem")
@click.pass_context
def main(context: click.Context) -> None:
    """Turn folders of images into memory-mapped NumPy datasets, in bounded memory."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(2)


for _module in (build, stats, normalize, sample, estimate):
    main.add_command(options.with_environment(_module.command))
