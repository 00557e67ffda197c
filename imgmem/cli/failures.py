"""Errors to exit codes, standard error and JSON: the one place where they are translated."""

import errno
import os
import re
from contextlib import suppress
from itertools import takewhile

import click

from imgmem.cli import remedies, render
from imgmem.cli.spelling import for_terminal
from imgmem.core import text
from imgmem.core.errors import (
    ImgmemError,
    InputError,
    Interrupted,
    ResourceError,
    UsageError,
)
from imgmem.core.messages import Message

_ABOUT_A_PATH = {
    errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT,
    errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip
"""What the system answers where the path is wrong; anything else is the machine's fault."""
_CV_NO_MEMORY = -4  # cv::Error::StsNoMem
_MISSING_LIBRARY = re.compile(r"(\S+\.(?:so|dylib)[\w.]*): cannot open shared object file")


def translated(error: BaseException) -> ImgmemError:
    """What went wrong, as an error with an exit code; a traceback if it is a fault of ours."""
    match error:
        case click.ClickException():
            return _usage(error)
        case click.Abort() | KeyboardInterrupt():
            return Interrupted("interrupted", hint="Run the same command again.")
        case Exception() if _lacks_memory(error):
            return _out_of_memory()
        case ImportError() | AttributeError() if lacking := _lacking_package(error):
            return lacking
        case OSError():
            return _failed_file(error)
    return error if isinstance(error, ImgmemError) else _internal(error)


def _usage(error: click.ClickException) -> UsageError:
    """Click's complaint in the form of ours."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "imgmem"
    return UsageError(error.format_message(), hint=f"See `{command} --help`.")


def _lacks_memory(error: Exception) -> bool:
    """MemoryError, and what OpenCV and Python's threads raise in its place."""
    from_opencv = type(error).__module__ == "cv2" and getattr(error, "code", 0) == _CV_NO_MEMORY
    return isinstance(error, MemoryError) or from_opencv or "start new thread" in str(error)


def _out_of_memory() -> ResourceError:
    return ResourceError(
        "out of memory", hint="Lower --memory or --workers, or use a machine with more memory."
    )


def _lacking_package(error: ImportError | AttributeError) -> ResourceError | None:
    """The answer to a package that cannot be loaded here, if that is what went wrong."""
    if _opencv_is_broken(error):
        return _broken_opencv(error)
    library = _MISSING_LIBRARY.search(str(error))
    if library is None:
        return None
    return ResourceError(
        f"{error.name or 'a package'} cannot be loaded: the system library {library[1]} is missing",
        hint="Install the system package that contains it.",
        library=library[1],
    )


_REPAIR = (
    "pip uninstall -y opencv-python opencv-contrib-python opencv-python-headless "
    "opencv-contrib-python-headless && pip install opencv-python-headless"
)
"""Tried in fresh environments. One uninstall alone is not enough: all these packages own the
folder cv2, so removing one of two leaves a cv2 without its parts."""


def _opencv_is_broken(error: Exception) -> bool:
    """Whether `cv2` cannot be imported, or is a rest of a package without its functions."""
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] == "cv2" or _in_opencv(error)
    return "'cv2'" in str(error) or "cv2." in str(error)


def _in_opencv(error: BaseException) -> bool:
    """Whether the error came out of the import of OpenCV: of NumPy for another one, say."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "cv2":
            return True
        trace = trace.tb_next
    return False


def _broken_opencv(error: BaseException) -> ResourceError:
    """OpenCV that is missing, half removed, or built for another NumPy, with its repair."""
    library = _MISSING_LIBRARY.search(str(error))
    said = f"the system library {library[1]} is missing" if library else str(error).splitlines()[0]
    system = "Install it (Debian, Ubuntu: apt-get install libgl1 libglib2.0-0), or use the "
    hint = f"{system}OpenCV that needs none: {_REPAIR}" if library else f"Repair it: {_REPAIR}"
    return ResourceError(
        f"OpenCV cannot be loaded: {said}",
        hint=f"{hint} (then `pip check` reports packages that want another OpenCV).",
        **({"library": library[1]} if library else {}),
    )


def _failed_file(error: OSError) -> ImgmemError:
    """What the system said about a file that no module has a better answer for."""
    path = os.fsdecode(error.filename or "")
    said = error.strerror or str(error) or type(error).__name__
    if path and error.errno in _ABOUT_A_PATH:
        return InputError(f"{path}: {said}", hint="Check the path and its permissions.", path=path)
    return ResourceError(
        f"{path or 'a system call failed'}: {said}",
        hint="Check free disk space, the disk and resource limits, then retry.",
    )


def _internal(error: BaseException) -> ImgmemError:
    import traceback

    traceback.print_exception(error)
    return ImgmemError(
        f"internal error: {type(error).__name__}: {error}",
        hint="This is a bug in imgmem; please report it with the traceback above.",
    )


def report(error: ImgmemError, arguments: list[str]) -> int:
    """Tell an error on stderr in one or two lines, and with --json on stdout too."""
    if doubts := error.facts.get("doubts"):
        error.facts["doubts"] = remedies.with_commands(doubts, arguments)
        error.hint = Message(remedies.as_text(error.facts["doubts"]))
    hint = "\n        ".join(map(text.printable, for_terminal(error.hint).split("\n")))
    render.print_error(
        f"imgmem: {render.printable(error.message)}" + (hint and f"\n        {hint}")
    )
    command = next((word for word in arguments if not word.startswith("-")), "")
    if _wants_json(command, arguments) and not error.in_result:
        with suppress(OSError):  # it may be standard output that failed
            render.print_json(command, {"error": render.error_facts(error)})
    return error.exit_code


def _wants_json(command: str, arguments: list[str]) -> bool:
    """Whether --json was given, here or by environment; the options may not have been parsed."""
    if "--json" in takewhile(lambda word: word != "--", arguments):
        return True
    try:
        return click.BOOL.convert(os.environ.get(f"IMGMEM_{command.upper()}_JSON", ""), None, None)
    except click.BadParameter:
        return False
