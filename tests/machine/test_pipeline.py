"""Tasks through threads: their order, how many are under way, and whose turn it is."""

import threading
import time

import pytest

from imgmem.core.machine.pipeline import MemoryGate, in_order


def test_results_come_in_the_order_of_the_tasks():
    pauses = [0.02, 0.0, 0.01, 0.0, 0.0]
    tasks = list(enumerate(pauses))

    def work(task):
        time.sleep(task[1])
        return task[0]

    assert list(in_order(work, tasks, workers=3, window=4)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("window", [1, 2, 5])
def test_no_more_tasks_are_taken_than_the_window_holds(window):
    taken = []
    tasks = (taken.append(task) or task for task in range(20))
    for task in in_order(lambda task: task, tasks, workers=2, window=window):
        assert len(taken) <= task + window


def test_a_failure_comes_in_its_turn():
    def work(task):
        if task == 2:
            raise ValueError(task)
        return task

    results = in_order(work, range(5), workers=2, window=3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(results)


def test_a_large_image_is_served_before_smaller_ones_that_come_later():
    """Small ones that fit at once would keep it waiting for ever."""
    gate = MemoryGate(10, lambda cost: cost)
    served = []

    def reserve(cost, name):
        with gate.reserved(cost, name):
            served.append(name)

    large = threading.Thread(target=reserve, args=(10, "large"))
    small = threading.Thread(target=reserve, args=(1, "small"))
    with gate.reserved(5, "first"):
        large.start()
        wait_until(gate._turn.locked)  # its turn has come, its memory has not
        small.start()
        small.join(0.2)
        assert not served
    large.join()
    small.join()
    assert served == ["large", "small"]


def wait_until(happened):
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001)
