"""A file that says who writes to a directory, for file systems that refuse all locks.

It is made with O_EXCL and holds host, process, boot and a counter that rises every few seconds.
Whoever finds it takes over when the process is known to have ended, or when the counter has
not moved for STILL_SECONDS: a container that was killed has another host name afterwards.
"""

import json
import os
import secrets
import socket
import threading
import time
import warnings
from contextlib import suppress
from typing import Any

from imgmem.core.errors import InputError
from imgmem.core.storage.system import naming

HOLDER = ".lock.holder"
BEAT_SECONDS = 5.0
STILL_SECONDS = 30.0
"""Six beats: a busy machine or a slow share may miss a few."""
_POLL_SECONDS = 0.5
_own_tokens: set[str] = set()
"""Of the files that this process holds."""


class Holder:
    """The file in `directory`, kept alive by a thread until `release`."""

    def __init__(self, directory: str) -> None:
        """Make the file. InputError where that cannot be done."""
        self._directory = directory
        self._facts = _own_facts()
        self._done = threading.Event()
        try:
            fd = os.open(_path(directory), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except OSError as error:
            raise InputError(
                f"{_path(directory)} cannot be created: {error.strerror}",
                hint="Another process may have just started here; otherwise check permissions.",
                path=directory,
            ) from None
        with naming(_path(directory)), open(fd, "w", encoding="utf-8") as file:
            json.dump(self._facts, file)
        _own_tokens.add(self._facts["token"])
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def holds(self) -> bool:
        """True while the file still is this one."""
        found = _read(self._directory) or {}
        return bool(found.get("token") == self._facts["token"])

    def moved(self, directory: str) -> None:
        self._directory = directory

    def release(self) -> None:
        self._done.set()
        self._thread.join()
        _own_tokens.discard(self._facts["token"])
        with suppress(OSError):
            if self.holds():
                os.unlink(_path(self._directory))

    def _beat(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            self._facts["beat"] += 1
            with suppress(OSError):  # the next beat may arrive
                if self.holds():
                    _replace(self._directory, self._facts)


def living_holder(directory: str) -> str:
    """Who holds `directory` by a file; "" if nobody, or whoever did has ended.

    Takes STILL_SECONDS to tell where that cannot be known at once. Removes the file of a
    holder that is gone, where that may be done.
    """
    found = _read(directory)
    if found is None:
        return ""
    name = f"process {found.get('pid', '?')} on {found.get('host', '?')}"
    if not _has_ended(found) and _beats(directory, found, name):
        return name
    with suppress(OSError):
        if (_read(directory) or {}).get("token") == found.get("token"):
            os.unlink(_path(directory))
    return ""


def _beats(directory: str, found: dict[str, Any], name: str) -> bool:
    """Whether the file changes while it is watched."""
    if found.get("token") in _own_tokens:
        return True
    warnings.warn(
        f"{directory}: waiting up to {STILL_SECONDS:.0f} s to see whether {name} is still running",
        RuntimeWarning,
        stacklevel=4,
    )
    end = time.monotonic() + STILL_SECONDS
    while time.monotonic() < end:
        time.sleep(min(_POLL_SECONDS, STILL_SECONDS / 10))
        if (now := _read(directory)) != found:
            return now is not None
    return False


def _has_ended(found: dict[str, Any]) -> bool:
    """True where the holder was a process of this machine (and container) that has ended."""
    own = _own_facts()
    here = all(found.get(key) == own[key] for key in ("boot_id", "pid_namespace"))
    if not here or (not own["boot_id"] and found.get("host") != own["host"]):
        return False
    pid = found.get("pid")
    return type(pid) is int and 0 < pid < 2**31 and not _runs(pid)


def _runs(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _own_facts() -> dict[str, Any]:
    return {
        "token": secrets.token_hex(8),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "boot_id": _boot_id(),
        "pid_namespace": _pid_namespace(),
        "beat": 0,
    }


def _boot_id() -> str:
    """What this boot of the machine is known by (Linux); "" elsewhere."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    """Which processes the numbers count (Linux: a container counts its own)."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _path(directory: str) -> str:
    return os.path.join(directory, HOLDER)


def _read(directory: str) -> dict[str, Any] | None:
    """The contents of the file; None where there is none, {} where they are damaged."""
    try:
        with open(_path(directory), encoding="utf-8") as file:
            found = json.loads(file.read(4096))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _replace(directory: str, facts: dict[str, Any]) -> None:
    """Write the facts over the file, so that other hosts see them at their next look."""
    fd = os.open(_path(directory), os.O_WRONLY)
    try:
        data = json.dumps(facts).encode()
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
