"""Worker processes of our own, as a `concurrent.futures.Executor`.

They are started by `exec`, never by fork, and hold no state: whoever is done with them, or is
interrupted, kills them. They end by themselves when this process does, however it ends.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any, NamedTuple

from imgmem.core.machine.worker import load, receive, send

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PIPE_BYTES = 2**20
_PROGRAM = "from imgmem.core.machine.worker import main; main()"
CRASHES = tuple(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE")
    if hasattr(signal, name)
)
"""Signals by which a process ends that was led astray by its own code."""
_WINDOWS_CRASHES = range(0xC0000000, 2**32)
"""Exit codes by which Windows says the same (NTSTATUS of severity "error")."""


class WorkerDied(Exception):
    """A worker process ended while it worked; code: its exit code, -N for the signal N."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    @property
    def crashed(self) -> bool:
        """Whether its own code led it astray: nobody killed it."""
        return -self.code in CRASHES or self.code in _WINDOWS_CRASHES

    def __str__(self) -> str:
        if self.code >= 0:
            return f"exit code {self.code}"
        return signal.Signals(-self.code).name


class _Call(NamedTuple):
    future: Future[Any]
    work: Callable[..., Any]
    arguments: tuple[Any, ...]


def can_start() -> bool:
    """Whether this interpreter can be started again: not one that is built into a program."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


class ProcessExecutor(Executor):
    """Up to `workers` processes, started when there is work for them.

    A process that dies fails its call with `WorkerDied`; the next call gets a new one.
    """

    def __init__(self, workers: int) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def submit(  # type: ignore[override]
        self, work: Callable[..., Any], /, *arguments: Any
    ) -> Future[Any]:
        """`work(*arguments)` in a worker process; all of it must be picklable."""
        future: Future[Any] = Future()
        self._calls.put(_Call(future, work, arguments))
        if len(self._threads) < self._workers:
            self._add_thread(self._serve)
        return future

    def start(self, module: str, *, at_once: int) -> None:
        """Start all processes now, `at_once` of them together, and let each import what its work
        will need."""
        turns = threading.Semaphore(at_once)
        while len(self._threads) < self._workers:
            self._add_thread(self._load_and_serve, module, turns)

    def _add_thread(self, target: Callable[..., None], *arguments: Any) -> None:
        number = len(self._threads)
        name, arguments = f"imgmem-worker-{number}", (number, *arguments)
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def pids(self) -> list[int]:
        """The processes that are alive."""
        return [each.pid for each in list(self._processes.values())]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End; calls that have not begun are dropped if `cancel_futures`, and so is the rest."""
        if cancel_futures:
            self._cancel()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _cancel(self) -> None:
        with self._lock:
            self._closed = True
            for each in self._processes.values():
                each.kill()
        while not self._calls.empty():
            if (call := self._calls.get()) is not None:
                call.future.cancel()

    def _load_and_serve(self, number: int, module: str, turns: threading.Semaphore) -> None:
        """`_serve` with a process that has imported `module`."""
        with turns:
            process = self._done(_Call(Future(), load, (module,)), number, None)
        self._serve(number, process)

    def _serve(self, number: int, process: subprocess.Popen[bytes] | None = None) -> None:
        """Hand one call after the other to a process of this thread's."""
        while (call := self._calls.get()) is not None:
            if call.future.set_running_or_notify_cancel():
                process = self._done(call, number, process)
        self._end(number)

    def _done(
        self, call: _Call, number: int, process: subprocess.Popen[bytes] | None
    ) -> subprocess.Popen[bytes] | None:
        """Have a call done by a process, a new one if there is none; the process, if it lives."""
        try:
            process = process or self._start(number)
            done, value = _call(process, call)
        except BaseException as error:
            done, value = False, error
        if isinstance(value, WorkerDied):
            self._processes.pop(number, None)
            process = None
        if done:
            call.future.set_result(value)
        else:
            call.future.set_exception(value)
        return process

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-c", _PROGRAM]
        with self._lock:
            if self._closed:
                raise WorkerDied(-signal.SIGKILL)
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for this process, which then ends them
            )
            self._processes[number] = process
        assert process.stdin and process.stdout
        widen(process.stdout)
        send(process.stdin, sys.path)
        process.stdin.flush()
        return process

    def _end(self, number: int) -> None:
        with self._lock:
            process = self._processes.pop(number, None)
        if process is not None:
            process.kill()
            _reap(process)


def widen(stream: IO[bytes]) -> None:
    """Let a pipe hold more at once, where the system can (Linux): fewer turns for a chunk."""
    if fcntl is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _environment() -> dict[str, str]:
    """That of this process, with the modules that it finds."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _call(process: subprocess.Popen[bytes], call: _Call) -> tuple[bool, Any]:
    """(True, result) or (False, exception) of a call in `process`."""
    assert process.stdin and process.stdout
    try:
        send(process.stdin, (call.work, call.arguments))
        process.stdin.flush()
        done, value = receive(process.stdout)
        return done, value
    except (EOFError, OSError):
        return False, WorkerDied(_reap(process))


def _reap(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a process that has ended, its pipes closed."""
    code = process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(OSError):  # of what was still to be written to it
                stream.close()
    return code
