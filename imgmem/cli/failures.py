"""Errors to exit codes, standard error and JSON: the one place where they are translated."""

import errno
import os
import re
from itertools import takewhile

import click

from imgmem.cli import render
from imgmem.core.errors import (
    CheckFailed,
    ImgmemError,
    InputError,
    Interrupted,
    ResourceError,
    UsageError,
)

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
        case ImportError() if library := _MISSING_LIBRARY.search(str(error)):
            return _missing_library(error.name or "a package", library[1])
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
        "out of memory", hint="Lower --memory or --workers, or run where there is more."
    )


def _missing_library(package: str, library: str) -> ResourceError:
    """A system library that a package needs and that minimal machines and containers lack."""
    if package != "cv2":
        return ResourceError(
            f"{package} cannot be loaded: the system library {library} is missing",
            hint="Install the system package that contains it.",
        )
    return ResourceError(
        f"OpenCV cannot be loaded: the system library {library} is missing",
        hint="Install it (Debian, Ubuntu: apt-get install libgl1 libglib2.0-0), or use the "
        "OpenCV that needs none: pip uninstall opencv-python, "
        "then pip install opencv-python-headless.",
        library=library,
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
        hint="This is a fault of imgmem: please report it with the lines above.",
    )


def report(error: ImgmemError, arguments: list[str]) -> int:
    """Tell an error on stderr in one or two lines, and with --json on stdout too."""
    hint = render.printable(error.hint)
    render.print_error(
        f"imgmem: {render.printable(error.message)}" + (hint and f"\n        {hint}")
    )
    command = next((word for word in arguments if not word.startswith("-")), "")
    if _wants_json(command, arguments) and not isinstance(error, CheckFailed):
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
