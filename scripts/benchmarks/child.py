"""Do a piece of work in a process of its own, and tell how long it took.

    python -m benchmarks.child MODULE FUNCTION JSON

FUNCTION(**JSON) prepares (imports, opens, warms up) and returns the work, a function that
gives how many units it did. It is done once for each line on standard input. Only the work is
timed: wall clock, and CPU of all threads and child processes. Needs nothing but the standard
library, so that peers can run it in environments of their own.
"""

import importlib
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable


def main() -> None:
    module, function, arguments = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is no answer
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    for _ in sys.stdin:
        print(json.dumps(timed(work)), file=answers, flush=True)
    os._exit(0)  # worker processes of peers may not want to end


def timed(work: Callable[[], int]) -> dict[str, float]:
    """Do it, and tell the units done and the seconds that it took."""
    cpu, wall = cpu_seconds(), time.perf_counter()
    units = work()
    wall = time.perf_counter() - wall
    for worker in multiprocessing.active_children():  # their CPU counts once they have ended
        worker.join(timeout=5)
    return {"units": units, "wall": wall, "cpu": cpu_seconds() - cpu}


def cpu_seconds() -> float:
    """Of all threads so far, and of the child processes that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
