"""Results as a table for people and as JSON for programs."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.job import Job, Results, Runs
from imgmem.core.machine.memory import allowed_cpus
from imgmem.core.units import format_bytes

PACKAGES = ("imgmem", "numpy", "opencv-python", "simplejpeg", "pillow", "numba", "torch")


def show(job: Job, results: Results, absent: dict[str, str]) -> None:
    """Print one job: a line for each contestant and each goal."""
    print(f"\n{job.title}")
    head = ("", "", "wall", "CPU", "rate", "CPU a unit", "anonymous", "speed")
    _print_row(head)
    for name, runs in results.items():
        _print_row((name, runs.contestant.kind, *_figures(job, runs), _speed(results, name)))
    for why in dict.fromkeys(absent.values()):
        names = ", ".join(name for name, reason in absent.items() if reason == why)
        print(f"  absent: {names} ({why})")
    for text, value, reach, met in _goals(job, results):
        print(f"  {'reached' if met else 'MISSED':<8} {text}: {value:.2f} (to reach: {reach})")


def as_json(job: Job, results: Results, absent: dict[str, str]) -> dict[str, Any]:
    """One job with every single run, in seconds and bytes."""
    return {
        "job": job.name,
        "title": job.title,
        "unit": job.unit,
        "contestants": {
            name: {
                "kind": runs.contestant.kind,
                "wall": runs.wall,
                "cpu": runs.cpu,
                "units": runs.units,
                "peak_anonymous_bytes": runs.peak,
                "runs": [vars(run) for run in runs.runs],
            }
            for name, runs in results.items()
        },
        "absent": absent,
        "goals": [
            {"text": text, "value": value, "reach": reach, "met": met}
            for text, value, reach, met in _goals(job, results)
        ],
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": allowed_cpus(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def write(path: str, jobs: list[dict[str, Any]]) -> None:
    with open(path, "w") as file:
        json.dump(machine() | {"jobs": jobs}, file, indent=1)
        file.write("\n")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _print_row(cells: tuple[str, ...]) -> None:
    name, kind, *figures = cells
    print(f"  {name:<40} {kind:<9}" + "".join(f"{figure:>14}" for figure in figures))


def _figures(job: Job, runs: Runs) -> tuple[str, ...]:
    rate = runs.units / runs.wall
    if job.unit == "byte":
        each = f"{runs.cpu / runs.units * 2**30:.2f} s/GiB"
        speed = f"{format_bytes(rate)}/s"
    else:
        each = f"{runs.cpu / runs.units * 1000:.3f} ms"
        speed = f"{rate:.0f}/s"
    return f"{runs.wall:.2f} s", f"{runs.cpu:.2f} s", speed, each, format_bytes(runs.peak)


def _speed(results: Results, name: str) -> str:
    """How many times as fast as the first contestant, which is imgmem."""
    first, this = next(iter(results.values())), results[name]
    return f"{(this.units / this.wall) / (first.units / first.wall):.2f} ×"


def _goals(job: Job, results: Results) -> list[tuple[str, float, float, bool]]:
    there = [goal for goal in job.goals if all(name in results for name in goal.needs)]
    values = [(goal, goal.figure(results)) for goal in there]
    return [(goal.text, value, round(goal.reach, 2), goal.met(value)) for goal, value in values]
