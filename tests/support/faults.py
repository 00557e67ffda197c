"""System calls of this process that fail on request: which there are, and one of them at a time.

The calls are those that Python makes; a call is known by its kind, its path below a directory,
and which one of that kind and path it is. Calls elsewhere are left alone.
"""

import builtins
import contextlib
import fcntl
import io
import os
import sys
import threading
from dataclasses import dataclass, field
from unittest import mock

import imgmem
from imgmem.core.storage import system

BY_PATH = {
    "open": "open", "stat": "stat", "lstat": "stat", "scandir": "scandir", "listdir": "scandir",
    "statvfs": "statvfs", "mkdir": "mkdir", "rmdir": "rmdir", "unlink": "unlink",
    "remove": "unlink", "rename": "rename", "replace": "rename",
}  # fmt: skip
"""Functions of `os` with a path as their first argument, with the kind of the call."""
BY_FILE = {
    "read": "read", "pread": "read", "preadv": "read", "readv": "read", "fstat": "stat",
    "write": "pwrite", "pwrite": "pwrite", "fsync": "fsync", "ftruncate": "truncate",
}  # fmt: skip
"""Functions of `os` with a descriptor as their first argument."""
ALLOCATE = "allocate"
LOCKS = ("flock", "fcntl", "lockf")

Call = tuple[str, str, int]
"""Kind, path, and how many of both came before."""
Site = tuple[str, ...]
"""Kind, and the lines of imgmem that led to a call: where they agree, only the files differ."""


@dataclass
class Faults:
    """Watches the calls below `root`; the one `at` fails with `code`, for good if `sticky`: so
    does every later call of its kind."""

    root: str
    at: Call | None = None
    code: int = 0
    sticky: bool = False
    calls: dict[Call, Site] = field(default_factory=dict)
    begun: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, kind, where, dir_fd=None):
        """Note a call on a path or descriptor; OSError where it is to fail."""
        path = _path(where, dir_fd)
        if path is None or not (path + "/").startswith(self.root + "/"):
            return
        with self._lock:
            call = self._next(kind, os.path.relpath(path, self.root))
            self.calls[call] = () if self.at else _site(kind)
            self.begun |= call == self.at
            fails = call == self.at or (self.begun and self.sticky and kind == self.at[0])
        if fails:
            raise OSError(self.code, os.strerror(self.code), None if type(where) is int else where)

    def _next(self, kind, path):
        number = 0
        while (kind, path, number) in self.calls:
            number += 1
        return kind, path, number


def _path(where, dir_fd=None):
    if type(where) is not int:
        top = os.getcwd() if dir_fd is None else _path(dir_fd)
        return os.path.normpath(os.path.join(top, os.fsdecode(where)))
    try:
        return _readlink(f"/proc/self/fd/{where}").removesuffix(" (deleted)")
    except OSError:
        return None


def _site(kind):
    frame, lines = sys._getframe(), []
    while frame:
        if frame.f_code.co_filename.startswith(_IMGMEM):
            lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        frame = frame.f_back
    return (kind, *lines)


_IMGMEM = os.path.dirname(imgmem.__file__)
_readlink, _scandir = os.readlink, os.scandir


class _Items:
    """What `os.scandir` returns; asking for the facts of an item is a call."""

    def __init__(self, items, faults):
        self._items, self._faults = items, faults

    def __iter__(self):
        return self

    def __next__(self):
        return _Item(next(self._items), self._faults)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._items.close()


class _Item:
    def __init__(self, item, faults):
        self._item, self._faults = item, faults

    def __getattr__(self, name):
        return getattr(self._item, name)

    def __fspath__(self):
        return self._item.path

    def stat(self, **options):
        self._faults.check("stat", self._item.path)
        return self._item.stat(**options)


class _Raw(io.FileIO):
    """A file whose reads and writes are watched too."""

    faults: Faults

    def readinto(self, buffer):
        self.faults.check("read", self.fileno())
        return super().readinto(buffer)

    def readall(self):
        self.faults.check("read", self.fileno())
        return super().readall()

    def write(self, data):
        self.faults.check("pwrite", self.fileno())
        return super().write(data)


@contextlib.contextmanager
def injected(faults):
    """Within, the calls of this process go by way of `faults`."""
    with contextlib.ExitStack() as stack:

        def replace(owner, name, new):
            stack.enter_context(mock.patch.object(owner, name, new))

        for name, kind in (BY_PATH | BY_FILE).items():
            replace(os, name, _checked(getattr(os, name), kind, faults))
        for name in LOCKS:
            replace(fcntl, name, _checked(getattr(fcntl, name), "flock", faults))
        replace(system, "_renameat2", _checked(system._renameat2, "rename", faults))
        replace(os, "posix_fallocate", _checked(os.posix_fallocate, ALLOCATE, faults))
        raw = type("Raw", (_Raw,), {"faults": faults})
        for owner in (builtins, io):
            replace(owner, "open", _open_with(raw, faults, io.open))
        yield faults


def _checked(call, kind, faults):
    def checked(where=".", *arguments, **options):
        faults.check(kind, where, options.get("dir_fd"))
        found = call(where, *arguments, **options)
        return _Items(found, faults) if call is _scandir else found

    return checked


def _open_with(raw_type, faults, real):
    """`open` for files below the root whose reads and writes may fail."""

    def open_(
        file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
        opener=None,
    ):  # fmt: skip
        path = _path(file) if isinstance(file, str | bytes | int | os.PathLike) else None
        if path is None or not path.startswith(faults.root + "/"):
            return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if opener is None and type(file) is not int:
            faults.check("open", file)
        raw = raw_type(file, mode.replace("t", "").replace("b", ""), closefd, opener)
        if buffering == 0:
            return raw
        if "+" in mode:
            buffered = io.BufferedRandom(raw)
        else:
            buffered = io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    return open_
