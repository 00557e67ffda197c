"""What this process may use: made-up trees for the parser, real cgroups and RLIMITs."""

import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cgroups import limited_to, needs_cgroup
from support.program import python

from imgmem.core.machine import memory

MIB = 2**20
MEMINFO = "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n"


def tree(root, *, cgroup, mountinfo, files):
    """A made-up /proc and /sys below `root`."""
    contents = {
        "proc/self/cgroup": cgroup,
        "proc/self/mountinfo": mountinfo,
        "proc/meminfo": MEMINFO,
    }
    for name, text in (contents | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))
    return str(root)


V2 = "34 31 0:29 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


def test_v2_available_is_limit_less_usage_plus_cache(tmp_path):
    """Page cache and slab that the kernel can drop count as available."""
    group = "sys/fs/cgroup/job"
    stat = f"anon {40 * MIB}\nactive_file {10 * MIB}\ninactive_file {20 * MIB}\n"
    files = {
        f"{group}/memory.max": 256 * MIB,
        f"{group}/memory.current": 100 * MIB,
        f"{group}/memory.stat": stat + f"slab_reclaimable {2 * MIB}\n",
    }
    root = tree(tmp_path, cgroup="0::/job\n", mountinfo=V2.format(root="/"), files=files)
    bound = memory.available(root).binding
    assert (bound.kind, bound.limit, bound.available) == ("cgroup", 256 * MIB, 188 * MIB)


def test_v1_counts_the_cache_of_the_whole_subtree(tmp_path):
    """cgroup v1 reports hierarchical figures under total_… names."""
    group = "sys/fs/cgroup/memory/job"
    files = {
        f"{group}/memory.limit_in_bytes": 256 * MIB,
        f"{group}/memory.usage_in_bytes": 100 * MIB,
        f"{group}/memory.stat": f"inactive_file 0\ntotal_inactive_file {30 * MIB}\n",
    }
    root = tree(tmp_path, cgroup="4:memory:/job\n", mountinfo=V1.format(root="/"), files=files)
    assert memory.available(root).available == 186 * MIB


@pytest.mark.parametrize(("outer", "inner"), [(64, 256), (256, 64)])
def test_the_tightest_cgroup_on_the_way_up_binds(tmp_path, outer, inner):
    files = {
        "sys/fs/cgroup/a/memory.max": outer * MIB,
        "sys/fs/cgroup/a/memory.current": 0,
        "sys/fs/cgroup/a/b/memory.max": inner * MIB,
        "sys/fs/cgroup/a/b/memory.current": 0,
        "sys/fs/cgroup/a/b/c/memory.max": "max",
        "sys/fs/cgroup/a/b/c/memory.current": 0,
    }
    root = tree(tmp_path, cgroup="0::/a/b/c\n", mountinfo=V2.format(root="/"), files=files)
    assert memory.available(root).available == 64 * MIB


def test_a_container_that_sees_host_paths_finds_its_own_mount(tmp_path):
    """Docker on cgroup v1: the path is the host's, and only its tail is mounted."""
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": 300 * MIB,
        "sys/fs/cgroup/memory/memory.usage_in_bytes": 0,
    }
    root = tree(
        tmp_path,
        cgroup="4:memory:/docker/4f2a\n",
        mountinfo=V1.format(root="/docker/4f2a"),
        files=files,
    )
    assert memory.available(root).available == 300 * MIB


def test_without_limits_the_host_binds(tmp_path):
    """v1 says "unlimited" with a huge number, v2 with "max"."""
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
        "sys/fs/cgroup/memory/memory.usage_in_bytes": 5,
    }
    root = tree(tmp_path, cgroup="4:memory:/\n", mountinfo=V1.format(root="/"), files=files)
    bound = memory.available(root).binding
    assert (bound.kind, bound.available) == ("host", 6 * 2**30)


def test_usage_over_the_limit_leaves_nothing(tmp_path):
    files = {"sys/fs/cgroup/memory.max": MIB, "sys/fs/cgroup/memory.current": 2 * MIB}
    root = tree(tmp_path, cgroup="0::/\n", mountinfo=V2.format(root="/"), files=files)
    assert memory.available(root).available == 0


@given(junk=st.text(max_size=80))
def test_garbage_in_proc_is_not_a_failure(tmp_path_factory, junk):
    """Whatever a strange kernel writes, the host's figure remains."""
    root = tree(tmp_path_factory.mktemp("odd"), cgroup=junk, mountinfo=junk, files={})
    assert memory.available(root).available >= 0
    assert memory.allowed_cpus(root) >= 1


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", 2), ("100000 100000", 1), ("150000 100000", 2)]
)
def test_the_cpu_quota_of_v2_limits_the_workers(tmp_path, monkeypatch, quota, cpus):
    """A quota of one and a half CPUs is worth two workers."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    files = {"sys/fs/cgroup/cpu.max": quota}
    root = tree(tmp_path, cgroup="0::/\n", mountinfo=V2.format(root="/"), files=files)
    assert memory.allowed_cpus(root) == cpus


def test_the_cpu_quota_of_v1_limits_the_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    files = {
        "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": 250000,
        "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": 100000,
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": -1,
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": 100000,
    }
    mount = "36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    root = tree(tmp_path, cgroup="3:cpu,cpuacct:/job\n", mountinfo=mount, files=files)
    assert memory.allowed_cpus(root) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_affinity_limits_the_workers():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from imgmem.core.machine import memory; print(memory.allowed_cpus())"
    )
    assert printed_by(code) == "1"


def test_the_default_budget_is_a_gibibyte_or_a_quarter(monkeypatch):
    """But 96 MiB in a small container, or three quarters of a very small one."""
    monkeypatch.setattr(memory, "anonymous_bytes", lambda: 20 * MIB)

    def there_are(count):
        limits = memory.MemoryLimits((memory.MemoryLimit("host", count, count),))
        monkeypatch.setattr(memory, "available", lambda: limits)

    there_are(100 * 2**30)
    assert memory.budget(None) == 2**30
    there_are(1000 * MIB)
    assert memory.budget(None) == 250 * MIB
    there_are(200 * MIB)
    assert memory.budget(None) == 96 * MIB
    there_are(80 * MIB)
    assert memory.budget(None) == 75 * MIB
    assert memory.budget(77) == 77


def test_a_requested_budget_is_no_more_than_a_container_has(monkeypatch):
    monkeypatch.setattr(memory, "anonymous_bytes", lambda: 20 * MIB)
    limits = (memory.MemoryLimit("host", 2**40, 10 * MIB),
              memory.MemoryLimit("cgroup", 256 * MIB, 180 * MIB))  # fmt: skip
    monkeypatch.setattr(memory, "available", lambda: memory.MemoryLimits(limits))
    assert memory.budget(376 * MIB) == 180 * MIB
    assert memory.budget(100 * MIB) == 100 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_goes_back_to_the_system():
    """Four threads free blocks of 3 to 12 MB; by default they would keep 60 MB of them."""
    code = """
import threading
from imgmem.core.machine import memory, process
process.keep()
with process.settings():
    pass
together = threading.Barrier(4)
def work():
    for size in (3_000_000, 12_000_000, 9_000_000) * 5:
        held = bytearray(size)
        held[::4096] = bytes(len(held[::4096]))
        together.wait()
        del held
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(memory.anonymous_bytes() >> 20)"""
    assert int(printed_by(code)) < 35


def printed_by(code, **options):
    """What a new interpreter prints for `code`."""
    return python(code, **options).stdout.strip()


REPORT = (
    "import json; from imgmem.core.machine import memory; bound = memory.available().binding; "
    "print(json.dumps([bound.kind, bound.limit, bound.available]))"
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux enforces these limits")
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_real_rlimit_binds_and_the_forecast_holds(kind):
    """Nine tenths of what is said to be available can be had, and a tenth more cannot."""
    limit = f"import resource; resource.setrlimit(resource.{kind}, (400 << 20, 400 << 20)); "
    kind_found, size, there = json.loads(printed_by(limit + REPORT))
    assert (kind_found, size) == (kind, 400 * MIB)
    take = (
        limit
        + f"""
def fits(count):
    try:
        return bool(bytearray(count))
    except MemoryError:
        return False
print(fits({int(there * 0.9)}), fits({int(there * 1.1)}))"""
    )
    assert printed_by(take) == "True False"


@needs_cgroup
def test_a_real_cgroup_binds():
    with limited_to(200 * MIB) as join:
        kind, limit, there = json.loads(printed_by(REPORT, preexec_fn=join))
    assert (kind, limit) == ("cgroup", 200 * MIB)
    assert 150 * MIB < there < 200 * MIB


@needs_cgroup
def test_files_that_were_read_do_not_lower_what_is_available(tmp_path):
    """A container's page cache looks like usage, but gives way."""
    file = tmp_path / "big"
    file.write_bytes(bytes(120 * MIB))
    os.sync()
    with open(file, "rb") as handle:
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with limited_to(200 * MIB) as join:
        read = f"f = open({str(file)!r}, 'rb', buffering=0)\nwhile f.read(1 << 20): pass\n"
        _, _, there = json.loads(printed_by(read + REPORT, preexec_fn=join))
    assert there > 150 * MIB


def test_anonymous_memory_counts_arrays_but_not_mapped_files(tmp_path):
    file = tmp_path / "mapped"
    file.write_bytes(bytes(64 * MIB))
    code = f"""
import mmap
from imgmem.core.machine import memory
start = memory.anonymous_bytes()
file = open({str(file)!r}, "rb")
pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
sum(pages[::4096])
mapped = memory.anonymous_bytes()
heap = bytearray(b"x") * (32 << 20)
print((mapped - start) >> 20, (memory.anonymous_bytes() - mapped) >> 20)"""
    mapped, heap = (int(number) for number in printed_by(code).split())
    assert mapped <= 1
    assert 31 <= heap <= 33


def test_anonymous_memory_counts_children():
    code = """
import subprocess, sys
from imgmem.core.machine import memory
before = memory.anonymous_bytes()
hold = "heap = bytearray(b'x') * (64 << 20); print(flush=True); input()"
with subprocess.Popen([sys.executable, "-c", hold], stdin=-1, stdout=-1) as child:
    child.stdout.readline()
    during = memory.anonymous_bytes()
    child.communicate(b"\\n")
print((during - before) >> 20)"""
    assert 64 <= int(printed_by(code)) < 80


def test_the_peak_outlives_what_caused_it():
    """An array that lived for five looks and is gone shows in the peak."""
    code = """
import time
from imgmem.core.machine import memory
with memory.PeakMemory() as watch:
    start = watch.sample()
    heap = bytearray(b"x") * (48 << 20)
    time.sleep(5 * memory.SAMPLE_SECONDS)
    del heap
print((watch.peak - start) >> 20, (watch.sample() - start) >> 20)"""
    peak, after = (int(number) for number in printed_by(code).split())
    assert 47 <= peak <= 50
    assert after <= 2
