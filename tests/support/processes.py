"""imgmem as a process whose memory is watched from outside."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from imgmem.core.machine.memory import anonymous_bytes

LOOK_SECONDS = 0.003


@dataclass(frozen=True)
class Watched:
    """What a run ended with: its JSON, and the most anonymous bytes that its tree held."""

    code: int
    document: dict[str, Any]
    peak: int
    stderr: str


def watch(*arguments, **options):
    """Run `imgmem ARGUMENTS --json` to its end; options are those of Popen."""
    command = [sys.executable, "-m", "imgmem", *map(str, arguments), "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, **options)
        peak = 0
        while process.poll() is None:
            peak = max(peak, anonymous_bytes(process.pid))
            time.sleep(LOOK_SECONDS)
        out.seek(0)
        err.seek(0)
        said = out.read()
        document = json.loads(said) if said else {}
        return Watched(process.returncode, document, peak, err.read().decode(errors="replace"))


def hard_links(folder, files, count):
    """`count` names in class folders a and b for the files given, in turn."""
    for label in "ab":
        (folder / label).mkdir(parents=True)
    for number in range(count):
        source = files[number % len(files)]
        os.link(source, folder / "ab"[number % 2] / f"{number:07}{source.suffix}")
    return folder
