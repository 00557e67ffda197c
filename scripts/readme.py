"""The generated parts of README.md, for cog: `scripts/readme` writes them, a test checks them."""

import cog
from click import Context

from imgmem.cli import main
from imgmem.core import errors

WIDTH = 80
"""Columns of a help page; Click uses no more on any terminal."""


def help_of(*names: str) -> None:
    """The `--help` page of imgmem, or of one of its commands."""
    context = Context(main, info_name="imgmem", terminal_width=WIDTH - 2, **main.context_settings)
    for name in names:
        context = Context(main.commands[name], info_name=name, parent=context)
    page = context.command.get_help(context)
    cog.outl(f"```console\n$ imgmem {' '.join([*names, '--help'])}\n{page}\n```")


def exit_codes() -> None:
    """The table of exit codes, from the errors that carry them."""
    meanings = {kind.exit_code: kind.__doc__ for kind in errors.ImgmemError.__subclasses__()}
    meanings |= {0: "Done.", 70: "A fault of imgmem's own: then, and only then, a traceback."}
    cog.outl("| code | meaning |\n|---|---|")
    for code in sorted(meanings):
        cog.outl(f"| {code} | {meanings[code]} |")
