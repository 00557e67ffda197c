"""What a build that ends early keeps, and that the program around it ends."""

import signal
import sys

import pytest
from support.images import photo, write
from support.program import run

import imgmem
from imgmem.core.forecast import BuildDemand
from imgmem.core.specs import BuildSpec, ImageSpec, RunSpec

COUNT = 120
SIDE = 200
RUN = RunSpec(
    workers=2,
    memory=BuildDemand.of(rows=COUNT, values=3 * SIDE**2, itemsize=1, workers=2, cpus=2).floor,
)
"""At the floor a chunk is one row, so that a commit comes every few images."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(COUNT):
        write(folder / f"{number:03}.jpg", photo(40, 40, number))
    return folder


PROGRAM = """
import os, signal, sys
import imgmem
from imgmem.core.errors import Interrupted
from imgmem.core.specs import BuildSpec, ImageSpec, RunSpec

def stop(progress):
    if progress.phase == "build" and progress.done >= 100:
        os.kill(os.getpid(), int(sys.argv[4]))

try:
    imgmem.build(
        sys.argv[1], sys.argv[2], spec=BuildSpec(image=ImageSpec(size=(200, 200))),
        run=RunSpec(workers=2, memory=int(sys.argv[3])), progress=stop,
    )
except Interrupted as error:
    print(error.message)
"""


def stopped(photos, out, number):
    return run([sys.executable, "-c", PROGRAM, photos, out, RUN.memory, int(number)], timeout=60)


def resumed(photos, out):
    return imgmem.build(photos, out, spec=BuildSpec(image=ImageSpec(size=(SIDE, SIDE))), run=RUN)


def test_a_killed_build_has_kept_all_but_the_last_images(photos, tmp_path):
    done = stopped(photos, tmp_path / "out", signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    assert 80 <= resumed(photos, tmp_path / "out").resumed_at <= 100


def test_a_program_ends_after_its_build_was_interrupted(photos, tmp_path):
    done = stopped(photos, tmp_path / "out", signal.SIGINT)
    assert (done.returncode, done.stdout) == (
        0,
        "interrupted; 100 of 120 images are done and kept\n",
    )


def test_an_interrupted_build_has_kept_all_that_was_done(photos, tmp_path):
    stopped(photos, tmp_path / "out", signal.SIGINT)
    assert resumed(photos, tmp_path / "out").resumed_at == 100
