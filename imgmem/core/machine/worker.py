"""A worker process of `ProcessExecutor`: calls what it is sent, until there is nothing left.

A program that uses imgmem is not imported again, as multiprocessing would do, so it needs no
`if __name__ == "__main__"`. Calls come on stdin and results go to stdout.
"""

import importlib
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import IO, Any

from imgmem.core.machine.process import keep

LENGTH = struct.Struct("<Q")
_results: list[IO[bytes]] = []
"""Where results go, in a worker process."""


def main() -> None:
    """Serve until the other end of stdin is closed, however that process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    keep()
    calls = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb", buffering=0)
    _results.append(results)
    os.dup2(2, 1)  # whatever a library prints must not come between results
    sys.path[:] = _received(calls)
    while (call := _received(calls, default=None)) is not None:
        try:
            send(results, _called(*call))
        except BrokenPipeError:
            return


def load(module: str) -> None:
    """Import a module, for the calls to come."""
    importlib.import_module(module)


def serving() -> bool:
    """Whether this is such a process."""
    return bool(_results)


def give_up(error: Exception) -> None:
    """Fail the call in work with `error` and end this process, which is a worker."""
    send(_results[0], (False, error))
    os._exit(1)


def _called(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    """(True, result), or (False, exception)."""
    try:
        return True, work(*arguments)
    except Exception as error:
        return False, error


def send(stream: IO[bytes], value: Any) -> None:
    """Write a value; its arrays go as they are, without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
    head = LENGTH.pack(len(parts)) + b"".join(LENGTH.pack(part.nbytes) for part in parts)
    for part in (memoryview(head), *parts):
        _write(stream, part)


def _write(stream: IO[bytes], data: memoryview) -> None:
    while data.nbytes:
        data = data[stream.write(data) :]


def receive(stream: IO[bytes]) -> Any:
    """The next value. Raises EOFError where the stream ends, even in the middle of one."""
    (count,) = LENGTH.unpack(_read(stream, LENGTH.size))
    lengths = [LENGTH.unpack(_read(stream, LENGTH.size))[0] for _ in range(count)]
    body, *buffers = [_read(stream, length) for length in lengths]
    return pickle.loads(body, buffers=buffers)


def _read(stream: IO[bytes], length: int) -> bytearray:
    data = bytearray(length)
    view, done = memoryview(data), 0
    while done < length:
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return data


def _received(stream: IO[bytes], **default: Any) -> Any:
    try:
        return receive(stream)
    except EOFError:
        if default:
            return default["default"]
        raise
