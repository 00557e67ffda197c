"""Settings of the whole process that imgmem's work needs; nothing else may change any.

The command line owns its process: `keep` makes the settings for good. A program that calls
imgmem owns its own: operations make them within `settings`, which restores what was there.
Readers and iterators of batches live between the program's own calls and never change them.
"""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

Restore = Callable[[], None]

KEPT_BYTES = 4 * 2**20
"""Freed blocks from this size on go back to the system; a photograph of ImageNet's size stays."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt, from malloc.h
_SILENT = 0  # cv::utils::logging::LOG_LEVEL_SILENT
_VARIABLES = {
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Variables that libraries read as they are loaded. Threads of theirs would only spin, which costs
0.2 s of CPU at the start of every command; an allocator of its own keeps what pyarrow has freed."""


class _State:
    """What has been made. kept: for good. users: of `settings`, at the moment."""

    lock = threading.Lock()
    kept = False
    users = 0
    restores: ClassVar[dict[str, Restore]] = {}


def keep() -> None:
    """Make the settings for the rest of the process: before NumPy and OpenCV are loaded."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    _State.kept = True


@contextmanager
def settings() -> Iterator[None]:
    """Make the settings; the last of all threads that are within restores what was there."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    with _State.lock:
        _State.users += 1
        try:
            for name, make in _SETTINGS.items():
                if name not in _State.restores and (restore := make()) is not None:
                    _State.restores[name] = restore
        except BaseException:  # whoever is interrupted here does not get within
            _let_go()
            raise


def _leave() -> None:
    with _State.lock:
        let_go = _let_go()
    if let_go:
        return_freed_memory()


def _let_go() -> bool:
    """One user less; whether it was the last, and what was there is restored."""
    _State.users -= 1
    if _State.users or _State.kept:
        return False
    while _State.restores:
        _State.restores.popitem()[1]()
    return True


def return_freed_memory() -> None:
    """Let the C library return freed memory to the system, unless it does so anyway.

    An arena of glibc keeps what its thread has freed: four decoding threads kept 60 MB more
    than they used. `settings` cannot make it return blocks at once, as `keep` does: there is
    no way to find out, and to restore, what was set before.
    """
    if not _State.kept:
        import ctypes

        with suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)


def _allocator() -> Restore | None:
    """Fixed thresholds for returning freed blocks (glibc; mallopt(3)), in a process of our own.

    Its own thresholds grow with what is freed. Fixed ones also spare page faults: a build of
    photographs takes 6 % less CPU. Other C libraries are left as they are.
    """
    if not _State.kept:
        return None
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for threshold in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(threshold, KEPT_BYTES)
    return _nothing


def _opencv() -> Restore | None:
    """One thread a call: the workers are ours."""
    cv2 = sys.modules.get("cv2")
    if cv2 is None:
        return None
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    return lambda: cv2.setNumThreads(before)


def _opencv_log() -> Restore | None:
    """No printing of errors: they are raised too."""
    cv2 = sys.modules.get("cv2")
    if cv2 is None:
        return None
    set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
    before = set_level(_SILENT)  # the name until OpenCV 4.12, and since
    return lambda: set_level(before)


def _pillow_limit() -> Restore | None:
    """No limit on pixels: `ImageSpec.max_pixels` is checked before an image is decoded."""
    return _attribute("PIL.Image", "MAX_IMAGE_PIXELS", None)


def _avif_threads() -> Restore | None:
    return _attribute("PIL.AvifImagePlugin", "DEFAULT_MAX_THREADS", 1)


def _heif_threads() -> Restore | None:
    return _attribute("pillow_heif.options", "DECODE_THREADS", 1)


def _pillow_warnings() -> Restore:
    """Odd metadata does not matter: the pixels are judged here."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    entry = warnings.filters[0]

    def restore() -> None:
        with suppress(ValueError):  # the program has put all filters back itself
            warnings.filters.remove(entry)  # type: ignore[attr-defined]

    return restore


def _pillow_log() -> Restore:
    """A handler, for without any the errors that Pillow logs are printed."""
    import logging  # not before it is needed: commands start fast

    handler = logging.NullHandler()
    logger = logging.getLogger("PIL")
    logger.addHandler(handler)
    return lambda: logger.removeHandler(handler)


def _libtiff() -> Restore | None:
    """No printing of errors: they are raised too."""
    imaging = sys.modules.get("PIL._imaging")
    if imaging is None or imaging.__file__ is None:
        return None
    import ctypes

    try:
        set_handler = ctypes.CDLL(imaging.__file__).TIFFSetErrorHandler
    except (OSError, AttributeError):
        return None
    set_handler.restype = ctypes.c_void_p
    set_handler.argtypes = [ctypes.c_void_p]
    before = set_handler(None)
    return lambda: set_handler(before)


def _attribute(module: str, name: str, value: Any) -> Restore | None:
    """Set an attribute of a module, if it is loaded."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return None
    before = getattr(loaded, name)
    setattr(loaded, name, value)
    return lambda: setattr(loaded, name, before)


def _nothing() -> None:
    """What needs no restoring."""


_SETTINGS: dict[str, Callable[[], Restore | None]] = {
    "allocator": _allocator,
    "opencv": _opencv,
    "opencv log": _opencv_log,
    "pillow limit": _pillow_limit,
    "avif threads": _avif_threads,
    "heif threads": _heif_threads,
    "pillow warnings": _pillow_warnings,
    "pillow log": _pillow_log,
    "libtiff": _libtiff,
}
