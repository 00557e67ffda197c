"""What memory and CPUs this process may use, and what memory it does use.

"Anonymous" memory is what a process made itself (heap, arrays): it cannot be dropped and
read again as pages of files can, so it is what limits act on and what imgmem promises.
"""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Self

from imgmem.core.specs import DEFAULT_MEMORY, DEFAULT_MEMORY_SHARE, MIN_DEFAULT_MEMORY

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SAMPLE_SECONDS = 0.02
"""How often `PeakMemory` looks; a look costs 10 µs of CPU, so 0.05 % of one."""

_RECLAIMABLE = {
    1: ("total_active_file", "total_inactive_file"),
    2: ("active_file", "inactive_file", "slab_reclaimable"),
}
"""Lines of `memory.stat` (cgroup v1, v2) that the kernel drops before it kills anybody."""
_LIMIT_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    2: ("memory.max", "memory.current"),
}
_CGROUP_MOUNT = re.compile(
    r"^\S+ \S+ \S+ (?P<root>/\S*) (?P<point>/\S*) .*- (?P<kind>cgroup2?) .*?(?P<options>\S+)$", re.M
)
"""A line of /proc/self/mountinfo (man 5 proc)."""
_OWN_CGROUP = re.compile(r"^\d+:(?P<names>[^:\n]*):(?P<path>/.*)$", re.M)
_UNLIMITED = 1 << 60
"""cgroup v1 says "no limit" as the largest multiple of a page below 2**63."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """One limit: `kind` ("cgroup", "RLIMIT_AS", "RLIMIT_DATA" or "host") and its bytes.

    available: bytes that may be taken beyond what is in use now, at least 0.
    """

    kind: str
    limit: int
    available: int


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """Every limit on this process; `binding` is the one that is met first."""

    limits: tuple[MemoryLimit, ...]

    @property
    def binding(self) -> MemoryLimit:
        return min(self.limits, key=lambda limit: limit.available)

    @property
    def available(self) -> int:
        """Bytes that this process may take beyond what it uses now."""
        return self.binding.available


def available(root: str = "/") -> MemoryLimits:
    """The memory that this process may still take: cgroup v1 and v2, RLIMITs, host.

    root: where `/proc` and `/sys` are looked for (tests give a made-up tree).
    Swap is not counted: work that needs it is as good as stuck.
    """
    return MemoryLimits((*_cgroup_limits(root), *_rlimit_limits(root), _host_limit(root)))


def budget(requested: int | None) -> int:
    """The memory to stay under, in bytes: as requested, else a quarter of what is available.

    That is at most 1 GiB, and in small containers 96 MiB, or three quarters of all there is. What
    is requested beyond what a container has is not there: it would be killed.
    """
    if requested is not None:
        own = anonymous_bytes()
        pods = (limit for limit in available().limits if limit.kind == "cgroup")
        return min([requested, *((pod.available + own) * 9 // 10 for pod in pods)])
    there = available().available
    small = min(MIN_DEFAULT_MEMORY, (there + anonymous_bytes()) * 3 // 4)
    return min(DEFAULT_MEMORY, max(there // DEFAULT_MEMORY_SHARE, small))


def most() -> int:
    """The largest budget that there is memory for, in bytes."""
    return available().available + anonymous_bytes()


def allowed_cpus(root: str = "/") -> int:
    """How many CPUs' worth of time this process gets: its affinity and every cgroup's quota."""
    if hasattr(os, "sched_getaffinity"):
        present = len(os.sched_getaffinity(0))
    else:
        present = os.cpu_count() or 1
    return max(1, min((present, *(ceil(quota) for quota in _cpu_quotas(root)))))


def anonymous_bytes(pid: int | None = None) -> int:
    """Anonymous memory of a process (this one for None) and all its descendants, in bytes.

    Pages that a forked child still shares are counted twice. Where there is no /proc
    (macOS), the peak of this process's resident memory, which is an upper bound.
    """
    return sum(_own_anonymous_bytes(each) for each in _process_tree(pid or os.getpid()))


class PeakMemory:
    """Within `with`, watches this process's anonymous memory; `peak` is the most it has seen.

    The kernel's own peak (VmHWM) counts the pages of mapped files too, so a thread samples.
    It sees any allocation that lives longer than SAMPLE_SECONDS. `processes` says which other
    processes count.
    """

    def __init__(self) -> None:
        self.peak = 0
        self.processes: Callable[[], Iterable[int]] = tuple
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="imgmem-memory", daemon=True)

    def sample(self) -> int:
        """Look now; returns what it saw, in bytes."""
        pids = (os.getpid(), *self.processes())
        now = sum(_own_anonymous_bytes(pid) for pid in pids)
        self.peak = max(self.peak, now)
        return now

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.sample()

    def __enter__(self) -> Self:
        self.sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.sample()


def _own_anonymous_bytes(pid: int) -> int:
    """Resident minus file and shared pages of /proc/PID/statm (man 5 proc); 0 if it has gone.

    The same figure as RssAnon of /proc/PID/status, at a fraction of the price.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            fields = file.read(256).split()
    except OSError:
        return 0 if os.path.isdir("/proc/self") else _peak_resident_bytes()
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES if len(fields) > 2 else 0


def _process_tree(pid: int) -> Iterator[int]:
    """`pid` and the processes below it, as the threads' lists of children have them."""
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for thread in threads:
        for child in _read(f"/proc/{pid}/task/{thread}/children").split():
            yield from _process_tree(int(child))


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def _peak_resident_bytes() -> int:
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _host_limit(root: str) -> MemoryLimit:
    """MemAvailable of /proc/meminfo; elsewhere (macOS) all physical memory."""
    facts = _table(os.path.join(root, "proc/meminfo"))
    if "MemAvailable" in facts:
        return MemoryLimit("host", facts["MemTotal"] * 1024, facts["MemAvailable"] * 1024)
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return MemoryLimit("host", _UNLIMITED, _UNLIMITED)
    total = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
    return MemoryLimit("host", total, total)


def _rlimit_limits(root: str) -> Iterator[MemoryLimit]:
    """The soft limits on address space and on data; use as /proc/self/status reports."""
    used = _table(os.path.join(root, "proc/self/status"))
    for kind, field in (("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")):
        number = getattr(resource, kind, None)
        if number is None:
            continue
        limit = resource.getrlimit(number)[0]
        if limit != resource.RLIM_INFINITY:
            yield MemoryLimit(kind, limit, max(0, limit - used.get(field, 0) * 1024))


def _cgroup_limits(root: str) -> Iterator[MemoryLimit]:
    """The limit of every cgroup from this process's own up to the root of the hierarchy."""
    for version, directory in _cgroup_directories(root, "memory"):
        limit_file, usage_file = (os.path.join(directory, name) for name in _LIMIT_FILES[version])
        limit, usage = _number(limit_file), _number(usage_file)
        if limit is None or usage is None or limit >= _UNLIMITED:
            continue
        stat = _table(os.path.join(directory, "memory.stat"))
        cache = sum(stat.get(line, 0) for line in _RECLAIMABLE[version])
        yield MemoryLimit("cgroup", limit, max(0, limit - max(0, usage - cache)))


def _cpu_quotas(root: str) -> Iterator[float]:
    """CPUs' worth of time that each cgroup above this process grants, where it limits it."""
    for version, directory in _cgroup_directories(root, "cpu"):
        if version == 2:
            fields = _read(os.path.join(directory, "cpu.max")).split()
        else:
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            fields = [_read(os.path.join(directory, name)).strip() for name in files]
        if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
            yield int(fields[0]) / max(1, int(fields[1]))


def _cgroup_directories(root: str, controller: str) -> Iterator[tuple[int, str]]:
    """(cgroup version, directory) of this process's own cgroup and each one above it."""
    own = _own_cgroups(_read(os.path.join(root, "proc/self/cgroup")))
    for mount in _CGROUP_MOUNT.finditer(_read(os.path.join(root, "proc/self/mountinfo"))):
        directory = root + mount["point"]
        if mount["kind"] == "cgroup2" and "" in own:
            yield from _upwards(2, directory, mount["root"], own[""])
        elif controller in mount["options"].split(",") and controller in own:
            yield from _upwards(1, directory, mount["root"], own[controller])


def _own_cgroups(text: str) -> dict[str, str]:
    """Controller → path in /proc/self/cgroup; "" is the unified (v2) hierarchy."""
    lines = _OWN_CGROUP.finditer(text)
    return {name: line["path"] for line in lines for name in line["names"].split(",")}


def _upwards(
    version: int, mount_point: str, mount_root: str, path: str
) -> Iterator[tuple[int, str]]:
    """Directories from the cgroup `path` up to the mount point.

    A container without a cgroup namespace sees the host's paths, of which only the part
    below `mount_root` is mounted; one outside of it has the mount point itself.
    """
    relative = os.path.relpath(path, mount_root)
    parts = [] if relative == "." or relative.startswith("..") else relative.split("/")
    for depth in range(len(parts), -1, -1):
        yield version, os.path.join(mount_point, *parts[:depth])


def _table(path: str) -> dict[str, int]:
    """`name: number …` or `name number` lines as a dict; lines of another kind are left out."""
    rows = (line.replace(":", " ").split() for line in _read(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number(path: str) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: str) -> str:
    """A small file's text, or "" if there is none or it cannot be read."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
