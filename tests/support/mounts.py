"""Python with mounts of its own, where this process may make them."""

import subprocess
import sys

import pytest

from support import program

_NAMESPACE = ["unshare", "-rm"]
_MOUNT = """
import subprocess
def mount(*arguments): subprocess.run(["mount", *arguments], check=True)
"""


def run_with_mounts(code, *arguments, **options):
    """What a new interpreter that runs `code`, which may call mount(...), ended with.

    Skips the test where nobody may mount here. options: those of `program.run`.
    """
    try:
        trial = [*_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]
        subprocess.run(trial, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mounts of one's own here")
    command = [*_NAMESPACE, sys.executable, "-c", _MOUNT + code, *map(str, arguments)]
    return program.run(command, **{"timeout": 120} | options)
