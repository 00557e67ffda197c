"""The planner: what `--memory` promises, for every budget, size of image and number of workers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgmem.core import forecast
from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.forecast import BuildDemand
from imgmem.core.machine.pipeline import MemoryGate
from imgmem.core.units import parse_bytes

MIB = 2**20

demands = st.builds(
    BuildDemand,
    rows=st.integers(1, 10**8),
    row_bytes=st.integers(1025, 300 * MIB),
    workers=st.none() | st.integers(1, 64),
    cpus=st.integers(1, 64),
    processes=st.booleans(),
)
extra = st.integers(0, 100 * MIB) | st.integers(0, 100 * 2**30)
photos = BuildDemand(rows=10**4, row_bytes=1024 + 224 * 224 * 3, workers=4, cpus=4)
"""224 × 224: between 110 and 111 MiB a chunk gets one more row."""


@given(demands, extra)
def test_a_plan_stays_within_the_budget(demand, more):
    assert demand.divide(demand.floor + more).total <= demand.floor + more


@given(demands, extra)
def test_every_worker_has_a_buffer_of_whole_rows_and_a_share_to_decode_with(demand, more):
    plan = demand.divide(demand.floor + more)
    assert plan.rows_per_chunk >= 1
    assert plan.chunk_bytes == plan.rows_per_chunk * demand.row_bytes
    assert plan.decode_bytes >= plan.workers * forecast.DECODE_BYTES


@given(demands, extra)
def test_as_many_workers_as_asked_for_and_never_more_than_cpus_otherwise(demand, more):
    plan = demand.divide(demand.floor + more)
    assert plan.workers == demand.workers or (
        demand.workers is None and plan.workers <= demand.cpus
    )


@given(demands, extra)
def test_chunks_get_at_most_half_of_what_the_floor_leaves(demand, more):
    plan = demand.divide(demand.floor + more)
    least = plan.slots * demand.row_bytes
    assert plan.slots * plan.chunk_bytes <= least + more // 2


@given(demands)
def test_the_floor_is_the_least_budget_that_passes(demand):
    demand.divide(demand.floor)
    with pytest.raises(UsageError, match="below the floor") as caught:
        demand.divide(demand.floor - 1)
    assert caught.value.facts["floor_bytes"] == demand.floor


@given(demands)
def test_the_hint_of_a_budget_below_the_floor_is_enough(demand):
    with pytest.raises(UsageError) as caught:
        demand.divide(demand.floor - 1)
    demand.divide(hinted(str(caught.value.hint)))


@given(demands, extra, extra)
@example(photos, 0, 8 * MIB)
def test_more_memory_never_gives_fewer_workers_fewer_rows_or_less_to_decode_with(
    demand, more, still_more
):
    less = demand.divide(demand.floor + more)
    plan = demand.divide(demand.floor + more + still_more)
    assert plan.workers >= less.workers
    assert plan.rows_per_chunk >= less.rows_per_chunk
    assert plan.image_bytes >= less.image_bytes


@given(demands, st.integers(0, 10 * 2**30))
def test_the_budget_for_an_image_is_the_least_that_decodes_it(demand, cost):
    budget = demand.budget_for(cost)
    assert demand.divide(budget).image_bytes >= cost
    assert budget == demand.floor or demand.divide(budget - 1).image_bytes < cost


@given(demands, extra, st.integers(1, 10 * 2**30))
@example(photos, 10 * MIB, int(52.8 * MIB))
def test_the_hint_for_an_image_that_needs_more_is_enough(demand, more, beyond):
    plan = demand.divide(demand.floor + more)
    cost = plan.image_bytes + beyond
    gate = MemoryGate(plan.image_bytes, demand.budget_for)
    with pytest.raises(ResourceError) as caught, gate.reserved(cost, "large.jpg"):
        pass
    assert demand.divide(hinted(str(caught.value.hint))).image_bytes >= cost


@given(st.integers(1, 2**40), st.sampled_from([1, 2, 4]), st.sampled_from([2, 4]))
def test_the_floor_of_normalize_is_the_least_budget_that_passes(values, stored, wanted):
    def takes(budget):
        return forecast.rewrite_memory(values=values, stored=stored, wanted=wanted, budget=budget)

    with pytest.raises(UsageError) as caught:
        takes(0)
    floor = caught.value.facts["floor_bytes"]
    assert takes(floor) <= floor
    with pytest.raises(UsageError):
        takes(floor - 1)


@given(
    needs=st.fixed_dictionaries(
        {
            "rows": st.integers(0, 10**8),
            "row_bytes": st.integers(1, 2**30),
            "floats": st.booleans(),
            "histogram_bytes": st.integers(0, 2**20),
            "parts": st.integers(1, 12),
        }
    ),
    workers=st.none() | st.integers(1, 64),
    cpus=st.integers(1, 64),
)
def test_the_floor_of_stats_is_the_least_budget_that_passes(needs, workers, cpus):
    def given_workers(budget):
        return forecast.scan_workers(**needs, workers=workers, cpus=cpus, budget=budget)

    with pytest.raises(UsageError) as caught:
        given_workers(0)
    assert given_workers(caught.value.facts["floor_bytes"]) == (workers or 1)
    with pytest.raises(UsageError):
        given_workers(caught.value.facts["floor_bytes"] - 1)


def hinted(hint):
    """The size in bytes that a hint names."""
    return parse_bytes(hint.split("'")[1])
