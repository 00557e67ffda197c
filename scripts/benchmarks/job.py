"""What a benchmark is made of, and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Kind = Literal["imgmem", "limit", "baseline", "peer"]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One way to do a job.

    call: "module:function" below `benchmarks`, with `arguments`, for `child.py`; or command:
    a whole command line that is timed from its start to its end.
    needs: a module without which it cannot take part. peer: the environment that it runs in.
    """

    name: str
    kind: Kind
    call: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    units: int = 1
    needs: str = ""
    peer: str = ""


@dataclass(frozen=True)
class Run:
    """One measured run: seconds of wall clock and CPU, units done, peak anonymous bytes."""

    wall: float
    cpu: float
    units: int
    peak: int


@dataclass(frozen=True)
class Runs:
    """All measured runs of one contestant."""

    contestant: Contestant
    runs: list[Run]

    @property
    def wall(self) -> float:
        return median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        return median(run.cpu for run in self.runs)

    @property
    def units(self) -> int:
        return self.runs[0].units

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)


Results = dict[str, Runs]


@dataclass(frozen=True)
class Goal:
    """A figure that imgmem is to reach: `figure` of the results, at least or at most `reach`.

    needs: the contestants without which there is no such figure.
    """

    text: str
    reach: float
    figure: Callable[[Results], float]
    at_least: bool = True
    needs: tuple[str, ...] = ()

    def met(self, value: float) -> bool:
        return value >= self.reach if self.at_least else value <= self.reach


@dataclass(frozen=True, kw_only=True)
class Job:
    """Contestants for the same work; `title` says what.

    stays: each prepares once, in a process that then does its work in every round.
    """

    name: str
    title: str
    unit: str
    contestants: list[Contestant]
    goals: list[Goal]
    stays: bool = False


def faster(one: str, other: str) -> Callable[[Results], float]:
    """How many times as fast as `other` `one` is: the median over the rounds, pairwise."""

    def ratio(results: Results) -> float:
        pairs = zip(results[one].runs, results[other].runs, strict=True)
        return median((b.wall / b.units) / (a.wall / a.units) for a, b in pairs)

    return ratio


def speed_goal(one: str, other: str, reach: float) -> Goal:
    """`one` is to be `reach` times as fast as `other`."""
    return Goal(f"{one} ÷ {other}, in speed", reach, faster(one, other), needs=(one, other))


def cpu_goal(name: str, unit: str, reach_ms: float) -> Goal:
    """At most so many milliseconds of CPU a unit."""

    def per_unit(results: Results) -> float:
        return results[name].cpu / results[name].units * 1000

    return Goal(f"{name}: ms of CPU a{'n' * (unit[0] in 'aeiou')} {unit}", reach_ms, per_unit,
                at_least=False, needs=(name,))  # fmt: skip


def memory_goal(name: str, reach_mb: float) -> Goal:
    """At most so many megabytes (10**6 bytes) of anonymous memory."""
    return Goal(
        f"{name}: MB of anonymous memory",
        reach_mb,
        lambda results: results[name].peak / 1e6,
        at_least=False,
        needs=(name,),
    )
