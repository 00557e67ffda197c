"""The options that several commands share, and the form of their examples."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from imgmem.cli.types import BYTES, COLOR, IMAGE_SIZE, Channels
from imgmem.core import specs

F = Callable[..., Any]


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used; Click leaves its lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def path_argument(name: str) -> Callable[[F], F]:
    """A positional path; existence is checked by the core, with its own message and exit code."""
    return click.argument(name, type=click.Path(path_type=str))


def output_options(command: F) -> F:
    """--json and --quiet, on every command."""
    command = click.option("-q", "--quiet", is_flag=True, help="Show errors only.")(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else."
    )(command)


def _gathered(name: str, spec: Callable[..., Any], *options: Callable[[F], F]) -> Callable[[F], F]:
    """A decorator that adds `options`, and hands their values to the command as one `spec`."""

    def decorate(command: F) -> F:
        @wraps(command)
        def gathering(**values: Any) -> Any:
            fields = {field: values.pop(field) for field in own}
            return command(**{name: spec(**fields)}, **values)

        before = _parameters(command)
        decorated: F = gathering
        for option in reversed(options):
            decorated = option(decorated)
        own = _parameters(decorated) - before
        return decorated

    return decorate


def _parameters(function: F) -> set[str]:
    """The names of the Click parameters that decorators have hung on a function so far."""
    return {parameter.name for parameter in getattr(function, "__click_params__", ())}


run_options = _gathered(
    "run",
    specs.RunSpec,
    click.option(
        "--workers", type=click.IntRange(1), help="Threads.  [default: the CPUs allowed here]"
    ),
    click.option(
        "--memory",
        type=BYTES,
        help="Memory to stay under, such as 512MiB.  "
        "[default: 1GiB or a quarter of what is available]",
    ),
)
"""--workers and --memory, on every command that streams; the command gets `run: RunSpec`."""

_BUILD = specs.BuildSpec()

dtype_option = click.option(
    "--dtype",
    type=click.Choice(specs.BUILD_DTYPES),
    default=_BUILD.dtype,
    show_default=True,
    help="Of X.npy as build makes it; values are 0-255 in either.",
)
labels_option = click.option(
    "--labels",
    default=_BUILD.labels,
    show_default=True,
    metavar="folder|none|FILE",
    help="Where labels come from; FILE is a label table (.csv, .tsv, .txt, .jsonl ...).",
)
columns_option = click.option(
    "--columns",
    multiple=True,
    metavar="ROLE=NAME,...",
    help="Columns of the label table, e.g. path=id,label=breed,split=Usage,group=patient.",
)
target_option = click.option(
    "--target",
    type=click.Choice(specs.TARGETS),
    help="class: every distinct value of the label column is a class.",
)

_IMAGE = specs.ImageSpec()

image_options = _gathered(
    "image",
    specs.ImageSpec,
    click.option(
        "--size",
        type=IMAGE_SIZE,
        default="x".join(map(str, _IMAGE.size or ["native"])),
        show_default=True,
        help="Height × width of a row, or native where all images agree.",
    ),
    click.option(
        "--fit",
        type=click.Choice(specs.FITS),
        default=_IMAGE.fit,
        show_default=True,
        help="Change the shape, cut the edges off, or fill up.",
    ),
    click.option(
        "--channels",
        type=Channels(specs.CHANNELS),
        default=_IMAGE.channels,
        show_default=True,
        help="Color or gray rows.",
    ),
    click.option(
        "--resize",
        type=click.Choice(specs.RESIZES),
        default=_IMAGE.resize,
        show_default=True,
        help="Fast and close to an area filter, or that filter itself.",
    ),
    click.option(
        "--background",
        type=COLOR,
        default=",".join(map(str, _IMAGE.background)),
        show_default=True,
        help="Color under transparent pixels and around --fit pad.",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        default=_IMAGE.max_pixels,
        show_default=True,
        help="Reject images with more, unread.",
    ),
)
"""How an image becomes a row, for `build` and `estimate`; the command gets `image: ImageSpec`."""
