"""Ctrl-C ends a command at once, whatever request it waits for."""

import signal
import subprocess
import sys
import threading

import pytest
from support.stores import BUCKET
from support.trees import plant


@pytest.mark.parametrize(
    ("waits_for", "arguments"),
    [
        ("list-type", ("build", f"s3://{BUCKET}/set", "OUT")),
        ("x.zip", ("build", f"s3://{BUCKET}/x.zip", "OUT")),
        ("x.csv", ("build", "images", "OUT", "--labels", f"s3://{BUCKET}/x.csv")),
    ],
)
def test_it_ends_at_once(proxy, tmp_path, waits_for, arguments):
    held, asked = threading.Event(), threading.Event()

    def hold(path):
        if waits_for in path:
            asked.set()
            held.wait(60)

    proxy.before = hold
    command = [sys.executable, "-m", "imgmem", *arguments]
    plant(tmp_path, "images/a.png")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as going:
        try:
            assert asked.wait(30)
            going.send_signal(signal.SIGINT)
            said = going.stderr.read()
        finally:
            held.set()
            going.kill()
    assert going.returncode == 130
    assert b"interrupted" in said
