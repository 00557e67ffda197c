"""The forecast of the naive conversion against the naive conversion itself."""

import json
import os
import resource
import sys
from pathlib import Path

import pytest
from support.cgroups import limited_to, needs_cgroup
from support.images import encode, photo
from support.program import imgmem, run

from imgmem.core.estimate.operation import estimate
from imgmem.core.specs import EstimateSpec, ImageSpec

NAIVE = Path(__file__).parents[2] / "scripts" / "naive.py"
MIB = 2**20


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """120 JPEGs of two classes and three sizes."""
    folder = tmp_path_factory.mktemp("photos")
    encoded = [encode(photo(*size), "JPEG") for size in ((375, 500), (500, 375), (600, 600))]
    for number in range(120):
        label = folder / "ab"[number % 2]
        label.mkdir(exist_ok=True)
        (label / f"{number:03}.jpg").write_bytes(encoded[number % 3])
    return folder


def naive(folder, size, dtype, **options):
    """The naive program as a process of its own."""
    command = [sys.executable, NAIVE, folder, "--size", size, "--dtype", dtype]
    return run(command, **options)


def forecast(folder, size, dtype):
    image = ImageSpec(size=size)
    return estimate(folder, spec=EstimateSpec(image=image)).naive[dtype]


USUAL_FILES = 40 * MIB
"""Pages of program files in the forecast's BASE_BYTES: as mapped some time after installing."""


def without_surplus(measured):
    """The measured peaks as with the usual pages of program files.

    Just after an installation the page cache has the libraries in larger pieces, and 44 MiB
    more of them were mapped; the kernel takes them back before it kills.
    """
    surplus = max(0, measured["files"] - USUAL_FILES)
    stages = {"read", "array", "float", "standardize", "peak"} & measured.keys()
    return measured | {stage: measured[stage] - surplus for stage in stages}


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        ((224, 224), "float64"),
        ((224, 224), "float32"),
        ((256, 384), "float64"),
        ((512, 512), "uint8"),
    ],
)
def test_the_forecast_is_within_five_per_cent_of_the_measured(photos, size, dtype):
    """The peak, and that of every stage: what the kernel says that the naive program held."""
    done = naive(photos, f"{size[0]}x{size[1]}", dtype)
    assert done.returncode == 0, done.stderr
    measured = without_surplus(json.loads(done.stdout))
    expected = forecast(photos, size, dtype)
    assert measured["images"] == 120
    assert expected.peak_bytes == pytest.approx(measured["peak"], rel=0.05)
    so_far = 0
    for stage in expected.stages:
        so_far = max(so_far, stage.bytes)
        assert so_far == pytest.approx(measured[stage.name], rel=0.05), stage.name


def test_unequal_native_sizes_really_fail_where_the_forecast_says_so(photos):
    expected = forecast(photos, None, "uint8")
    done = naive(photos, "native", "uint8")
    assert not expected.fits
    assert "np.array would fail: the images have 3 different sizes" in expected.verdict
    assert "ValueError" in done.stderr and "np.array(images)" in done.stderr


def estimate_in(photos, **options):
    """The verdict on float64 at 224 from a process that runs under the given limits."""
    done = imgmem("estimate", photos, "--json", **options)
    return json.loads(done.stdout)["naive"]["float64"]


@needs_cgroup
@pytest.mark.parametrize(("limit", "survives"), [(300 * MIB, False), (700 * MIB, True)])
def test_the_verdict_in_a_cgroup_comes_true(photos, limit, survives):
    """Where it says "would be killed", the kernel kills; where it says "fits", it does not."""
    with limited_to(limit) as join:
        verdict = estimate_in(photos, preexec_fn=join)
        done = naive(photos, "224", "float64", preexec_fn=join)
    assert verdict["fits"] == survives
    assert done.returncode == (0 if survives else -9)
    if not survives:
        assert verdict["verdict"].startswith("would be killed while ")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux enforces this limit")
@pytest.mark.parametrize(("limit", "survives"), [(600 * MIB, False), (800 * MIB, True)])
def test_the_verdict_under_an_rlimit_comes_true(photos, limit, survives):
    def lower():
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    verdict = estimate_in(photos, preexec_fn=lower)
    done = naive(photos, "224", "float64", preexec_fn=lower)
    assert verdict["fits"] == survives
    assert (done.returncode == 0) == survives
    if not survives:
        assert verdict["verdict"].startswith("would get a MemoryError while ")
        assert "MemoryError" in done.stderr


def test_the_largest_batch_really_is_the_largest(photos):
    """As many images as are said to fit do fit, and one in twenty more do not."""
    expected = estimate(photos)
    for dtype, here in expected.naive.items():
        per_image = (here.peak_bytes - 64 * MIB) / 120
        batch = here.largest_batch
        assert 64 * MIB + batch * per_image <= expected.available.memory_bytes, dtype
        assert 64 * MIB + 1.05 * batch * per_image > expected.available.memory_bytes, dtype


def test_the_naive_program_saves_what_it_made(photos, tmp_path):
    out = tmp_path / "X.npy"
    command = [sys.executable, NAIVE, photos, "--size", "16", "--dtype", "float32", "--out", out]
    assert run(command).returncode == 0
    assert os.path.getsize(out) == 128 + 120 * 16 * 16 * 3 * 4
