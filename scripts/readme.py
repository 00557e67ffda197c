"""The generated parts of README.md and the guide, for cog.

`scripts/readme` writes them, a test checks them. All pages are one run: they share the datasets
that the examples of the README build.
"""

import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from tempfile import TemporaryDirectory

import cog
import draw_images
from click import Context
from json_reference import reference

from imgmem.cli import main
from imgmem.core import errors
from imgmem.core.stats import kinds
from imgmem.core.thresholds import Thresholds

WIDTH = 80
"""Columns of a help page; Click uses no more on any terminal."""


def help_of(*names: str) -> None:
    """The `--help` page of imgmem, or of one of its commands."""
    context = Context(main, info_name="imgmem", terminal_width=WIDTH - 2, **main.context_settings)
    for name in names:
        context = Context(main.get_command(context, name), info_name=name, parent=context)
    page = context.command.get_help(context)
    cog.outl(f"```console\n$ imgmem {' '.join([*names, '--help'])}\n{page}\n```")


_described: set[type] = set()


def json_keys(title: str, place: str) -> None:
    """What a JSON object holds, folded up; `place` is the module and name of its dataclass.

    A dataclass that several objects hold is described once, at the first.
    """
    module, name = place.split(":")
    cog.outl(f"<details><summary>{title}</summary>\n\n```text")
    for line in reference(getattr(import_module(module), name), _described):
        cog.outl(line)
    cog.outl("```\n\n</details>")


def exit_codes() -> None:
    """The table of exit codes, from the errors that carry them."""
    meanings = {kind.exit_code: kind.__doc__ for kind in errors.ImgmemError.__subclasses__()}
    meanings |= {0: "Done.", 70: "A bug in imgmem; only then is a traceback printed."}
    cog.outl("| code | meaning |\n|---|---|")
    for code in sorted(meanings):
        cog.outl(f"| {code} | {meanings[code]} |")


def findings() -> None:
    """The table of findings, with the default of each threshold."""
    defaults = Thresholds()
    cog.outl("| finding | what it is | threshold |\n|---|---|---|")
    for kind in kinds.FINDINGS:
        name = kind.threshold
        limit = f"`{name}={getattr(defaults, name):g}`" if name else ""
        cog.outl(f"| `{kind.name}` | {kind.title} | {limit} |")


_folder = TemporaryDirectory()
draw_images.main(os.path.join(_folder.name, "images"))


def example(*lines: str, only: tuple[str, ...] = ()) -> None:
    """Commands with what they print, run on the images that quickstart draws.

    What is there stays if it differs in the machine's own figures only. only: show no lines of
    output but those that begin with one of these.
    """
    shown = "\n".join(f"$ {line}\n{_cut(_output(line), only)}" for line in lines)
    block = f"```console\n{shown}```\n"
    cog.out(cog.previous if _without_figures(cog.previous) == _without_figures(block) else block)


def _output(line: str) -> str:
    """What a command prints where stdout is no terminal."""
    program, *arguments = shlex.split(line)
    module = ["-m", "imgmem"] if program == "imgmem" else []
    done = subprocess.run(
        [sys.executable, *module, *arguments],
        cwd=_folder.name,
        env=os.environ | {"PYTHONUTF8": "1", "FORCE_COLOR": ""},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = done.stdout.replace(_folder.name, "~/try").splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


def _cut(output: str, only: tuple[str, ...]) -> str:
    """The lines that begin with one of `only`, with … for what is left out; all if it is empty."""
    if not only:
        return output
    kept: list[str] = []
    for line in output.splitlines():
        shown = line if line.startswith(only) and line not in kept else "…"
        if shown != "…" or kept[-1:] != ["…"]:
            kept.append(shown)
    return "".join(f"{line}\n" for line in kept)


def _without_figures(block: str) -> str:
    """`block` without what differs between machines: sizes, rates, limits, and the spacing."""
    figures = r"[\d.]+ ?([KMGT]iB|B|s|ms|%|/s)\b|\d+(,\d{3})+|\(limit: .*?\)"
    return re.sub(r"\s+", " ", re.sub(figures, "#", block))
