"""The arithmetic of the naive conversion, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgmem.core.estimate.naive import BASE_BYTES, conversion, loading
from imgmem.core.estimate.verdicts import Available, judge_naive, judge_required
from imgmem.core.machine.memory import MemoryLimit
from imgmem.core.specs import NAIVE_DTYPES

MIB = 2**20


def here(memory_bytes, bound="cgroup", disk_bytes=0):
    return Available(
        memory_bytes=memory_bytes,
        limit=bound,
        limits=(MemoryLimit(bound, memory_bytes, memory_bytes),),
        disk_bytes=disk_bytes,
        directory="/",
    )


def stages(rows=1000, values=100 * MIB, largest=0, stackable=True, dtype="float64"):
    return conversion(rows=rows, values=values, largest=largest, stackable=stackable, dtype=dtype)


def judged(memory_bytes, bound="cgroup", error=0.0, dtype="float64"):
    available = here(memory_bytes, bound)
    return judge_naive(stages(dtype=dtype), rows=1000, error=error, sizes=1, available=available)


@pytest.mark.parametrize(
    ("memory_mib", "doing"),
    [
        (100, "reading the images into a list"),
        (200, "copying the list with np.array"),
        (300, "dividing by 255.0 (float64)"),
        (1500, "standardizing in float64"),
    ],
)
def test_the_verdict_names_the_first_stage_that_does_not_fit(memory_mib, doing):
    """100 MiB of images: 164 listed, 264 copied, 1064 as float64, 2564 while standardizing."""
    assert judged(memory_mib * MIB).verdict.startswith(f"would be killed while {doing}: ")


def test_address_space_limits_end_in_a_memory_error():
    assert judged(100 * MIB, "RLIMIT_AS").verdict.startswith("would get a MemoryError while")
    assert judged(100 * MIB, "host").verdict.startswith("would be killed while")


def test_a_sample_that_could_go_either_way_says_may():
    """Peak 2564 MiB: certain at 1500, open at 2500 with 10 % of doubt, fine at 3000."""
    assert judged(1500 * MIB, error=0.1).verdict.startswith("would be killed")
    assert judged(2500 * MIB, error=0.1).verdict.startswith("may be killed")
    assert judged(2600 * MIB, error=0.1).verdict.startswith("may be killed")
    assert judged(3000 * MIB, error=0.1).fits


@given(
    rows=st.integers(1, 10**6),
    row=st.integers(1, 10**6),
    available=st.integers(0, 2**40),
    dtype=st.sampled_from(NAIVE_DTYPES),
)
def test_it_fits_exactly_where_the_peak_does(rows, row, available, dtype):
    each = stages(rows=rows, values=rows * row, dtype=dtype)
    result = judge_naive(each, rows=rows, error=0.0, sizes=1, available=here(available))
    assert result.fits == (result.peak_bytes <= available)
    assert result.fits == result.verdict.startswith("fits")
    assert result.fits == (result.largest_batch >= rows) or available < BASE_BYTES


@given(rows=st.integers(1, 1000), row=st.integers(1, 10**6), largest=st.integers(0, 10**8))
def test_wider_floats_never_take_less(rows, row, largest):
    peaks = [
        max(stage.bytes for stage in stages(rows, rows * row, largest, dtype=dtype))
        for dtype in NAIVE_DTYPES
    ]
    assert peaks == sorted(peaks)


def test_loading_a_dataset_makes_no_list():
    each = loading(100 * MIB, "uint8", 1, "float32")
    assert [stage.bytes - BASE_BYTES for stage in each] == [100 * MIB, 500 * MIB, 1200 * MIB]


def test_a_need_says_what_is_lacking():
    available = here(100 * MIB, disk_bytes=50 * MIB)
    assert judge_required(100 * MIB, 50 * MIB, available=available).fits
    assert judge_required(101 * MIB, 0, available=available).verdict == "lacks 1.0 MiB of memory"
    assert (
        judge_required(1, 20 * MIB, available=available, before=40 * MIB).verdict
        == "lacks 10.0 MiB of disk"
    )
    both = judge_required(110 * MIB, 60 * MIB, available=available)
    assert both.verdict == "lacks 10.0 MiB of memory and 10.0 MiB of disk"
