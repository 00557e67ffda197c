"""imgmem with one command more, that ends in the ways that tests ask for. Run as a program."""

import os
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np

from imgmem.cli import main, options, progress
from imgmem.cli.program import with_environment
from imgmem.core import errors
from imgmem.core.options.option import Option
from imgmem.core.options.tables import OUTPUT
from imgmem.core.progress import Progress


@dataclass(frozen=True)
class Result:
    name: str = "[bold]red[/bold] :smile: \x1b[31m\u202e.jpg"
    mean: float = float("nan")
    count: object = np.int64(3)


class FailOptions(TypedDict, total=False):
    some_number: Annotated[int, Option("A number.", OUTPUT)]
    overwrite: Annotated[bool, Option("Never by a variable.", OUTPUT, variable=False)]


@options.command("fail", FailOptions, (), examples=["imgmem fail memory"])
@options.path_argument("how")
def command(how, output, some_number=1, overwrite=False):
    """Fail."""
    if how == "succeed":
        show(output)
    elif how == "check":
        show(output, check=errors.CheckFailed("too large", hint="Buy memory.", bytes=5))
    elif how == "options":
        print(some_number, overwrite)
    elif how == "wait":
        wait_while_threads_run(output.quiet)
    elif how == "warn":
        warnings.warn("the disk is slow", RuntimeWarning, stacklevel=1)
    elif how == "report":
        report_progress(output.quiet)
    else:
        raise EXCEPTIONS[how]


EXCEPTIONS = {
    "memory": MemoryError(),
    "thread": RuntimeError("can't start new thread"),
    "library": ImportError("libGL.so.1: cannot open shared object file: No such file", name="cv2"),
    "denied": PermissionError(13, "Permission denied", "/a\nb"),
    "full": OSError(28, "No space left on device", "/disk/X.npy"),
    "nameless": OSError(5, "Input/output error"),
    "evicted": OSError(108, "Cannot send after transport endpoint shutdown"),
    "pipe": BrokenPipeError(32, "Broken pipe"),
    "bug": ZeroDivisionError("division by zero"),
    "end": EOFError("end of archive"),
    "surrogates": errors.InputError(
        "cannot read \udcff\x1b[31m", hint="Look at it.", path="\udcff"
    ),
    "dataset": errors.DatasetError("damaged"),
}


def show(output, check=None):
    def draw(console):
        console.print(Result.name)
        for _ in range(10_000):
            console.print("a long table")

    output.emit(Result(), draw, check)


def wait_while_threads_run(quiet):
    for _ in range(4):
        threading.Thread(target=time.sleep, args=(600,)).start()
    try:
        print("waiting", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        raise errors.Interrupted("interrupted at row 3", hint="Run it again to go on.") from None


def report_progress(quiet):
    progress.LINE_SECONDS = float(os.environ["LINE_SECONDS"])
    with progress.progress_display(quiet) as report:
        for done in range(0, 600, 10):
            report(Progress("decode", done, 1000, "images"))
            time.sleep(0.02)


main.add_command(with_environment(command))
sys.argv[0] = "imgmem"
main()
