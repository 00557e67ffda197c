"""Run contestants as processes, one at a time, and watch their memory from outside."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

from benchmarks.job import Contestant, Job, Results, Run, Runs
from imgmem.core.machine.memory import anonymous_bytes

SCRIPTS = Path(__file__).parents[1]
LOOK_SECONDS = 0.01


class Failed(Exception):
    """A contestant that could not do its work; the message is the end of what it said."""


def run_job(
    job: Job, *, repeats: int, peers: Path | None, say: Callable[[str], None]
) -> tuple[Results, dict[str, str]]:
    """All contestants in turn, `repeats` times after one round to warm up.

    Gives the results, and why others did not take part. One that fails is out for the rest.
    """
    absent = {each.name: why for each in job.contestants if (why := _absence(each, peers))}
    runs: dict[str, list[Run]] = {each.name: [] for each in job.contestants}
    with ExitStack() as stack:
        children: dict[str, Child] = {}
        for turn in range(repeats + 1):
            for each in job.contestants:
                if each.name in absent:
                    continue
                say(f"{job.name}: {each.name} ({turn or 'warm-up'})")
                try:
                    if job.stays and each.name not in children:
                        children[each.name] = stack.enter_context(Child(each, peers))
                    run = children[each.name].run() if job.stays else run_once(each, peers)
                    runs[each.name].append(run)
                except Failed as failure:
                    absent[each.name] = f"failed: {failure}"
    measured = {
        each.name: Runs(each, runs[each.name][1:])
        for each in job.contestants
        if each.name not in absent
    }
    return measured, absent


def _absence(contestant: Contestant, peers: Path | None) -> str:
    """Why a contestant cannot take part, or ""."""
    if contestant.peer:
        python = _python(contestant, peers)
        return "" if python.exists() else "no environment; see --peers"
    if contestant.needs and find_spec(contestant.needs) is None:
        return f"{contestant.needs} is not installed"
    return ""


def _python(contestant: Contestant, peers: Path | None) -> Path:
    if contestant.peer:
        return (peers or Path("peers")) / contestant.peer / "bin" / "python"
    return Path(sys.executable)


def run_once(contestant: Contestant, peers: Path | None) -> Run:
    """One run in a fresh process."""
    if contestant.command:
        return _run_command(contestant)
    with Child(contestant, peers) as child:
        return child.run()


class Child:
    """A process of a contestant, prepared once, that does its work whenever it is asked to."""

    def __init__(self, contestant: Contestant, peers: Path | None) -> None:
        module, function = contestant.call.split(":")
        command = [
            str(_python(contestant, peers)), "-m", "benchmarks.child",
            f"benchmarks.{module}", function, json.dumps(contestant.arguments),
        ]  # fmt: skip
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._err, bufsize=0,
            env=_environment(),
        )  # fmt: skip

    def run(self) -> Run:
        """Do the work once. Raises Failed if it cannot."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        peak = 0
        with suppress(BrokenPipeError):  # it ended; why is known below
            stdin.write(b"\n")
        while not select.select([stdout], [], [], LOOK_SECONDS)[0]:
            peak = max(peak, anonymous_bytes(self._process.pid))
        answer = stdout.readline()
        if not answer:
            raise Failed(_last_words(self._err, self._process.wait()))
        peak = max(peak, anonymous_bytes(self._process.pid))  # a short piece of work has no other
        told = json.loads(answer)
        return Run(told["wall"], told["cpu"], told["units"], peak)

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        """No line will follow: it ends."""
        self._process.communicate()
        self._err.close()


def _run_command(contestant: Contestant) -> Run:
    with tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            contestant.command, stdout=subprocess.DEVNULL, stderr=err, env=_environment()
        )
        peak, status, cpu = _watch(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if process.returncode:
            raise Failed(_last_words(err, process.returncode))
    return Run(wall, cpu, contestant.units, peak)


def _environment() -> dict[str, str]:
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # to import is not to compile
    return environment


def _watch(pid: int) -> tuple[int, int, float]:
    """Wait for a process; its peak of anonymous bytes, exit status, and CPU seconds."""
    peak = 0
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return peak, status, usage.ru_utime + usage.ru_stime
        peak = max(peak, anonymous_bytes(pid))
        time.sleep(LOOK_SECONDS)


def _last_words(err: "tempfile._TemporaryFileWrapper[bytes]", code: int) -> str:
    err.seek(0)
    lines = err.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {code}"
