"""imgmem, and Python, as processes."""

import json
import os
import pty
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from typing import Any

from imgmem.core.machine.memory import anonymous_bytes

IMGMEM = [sys.executable, "-m", "imgmem"]
LOOK_SECONDS = 0.003
NOT_PASSED_ON = ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")


def run(command, *, env=None, **options):
    """What a command ended with: returncode, stdout and stderr as text.

    env: variables in addition to this process's. options: those of `subprocess.run`.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(
        [str(word) for word in command],
        env=os.environ | (env or {}),
        encoding="utf-8",
        errors="surrogateescape",
        **options,
    )


def imgmem(*arguments, **options):
    """What `imgmem ARGUMENTS` ended with; options as those of `run`."""
    return run([*IMGMEM, *arguments], **options)


def python(code, *arguments, **options):
    """What a new interpreter that runs `code` ended with, which must be well; options of `run`."""
    done = run([sys.executable, "-c", code, *arguments], **options)
    assert done.returncode == 0, done.stderr
    return done


def on_terminal(command, *, stream="stdout", columns=80, **environment):
    """What a command writes to a terminal that `stream` is; 0 columns are ones not known."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (50, columns))
    others = {"stdout": subprocess.DEVNULL, "stderr": None} | {stream: end}
    plain = {k: v for k, v in os.environ.items() if k not in NOT_PASSED_ON}
    env = plain | {"TERM": "xterm-256color"} | environment
    with subprocess.Popen([str(word) for word in command], env=env, **others):
        os.close(end)
        shown = b"".join(iter(lambda: _read(terminal), b""))
    os.close(terminal)
    return shown.decode()


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""


@dataclass(frozen=True)
class Watched:
    """What a run ended with: its JSON, and the most anonymous bytes that its tree held."""

    code: int
    document: dict[str, Any]
    peak: int
    stderr: str


def watch(*arguments, **options):
    """Run `imgmem ARGUMENTS --json` to its end; options are those of Popen."""
    command = [*IMGMEM, *map(str, arguments), "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, **options)
        peak = 0
        while process.poll() is None:
            peak = max(peak, anonymous_bytes(process.pid))
            time.sleep(LOOK_SECONDS)
        out.seek(0)
        err.seek(0)
        printed = out.read()
        document = json.loads(printed) if printed else {}
        return Watched(process.returncode, document, peak, err.read().decode(errors="replace"))
