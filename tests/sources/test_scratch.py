"""Scratch space that runs out is an error of the machine, wherever it is found."""

import resource
import tarfile

import pytest
from support.mounts import run_with_mounts
from support.program import python
from support.trees import class_folders, hard_links

SCRIPT = """
import resource, signal
from imgmem.core.errors import ResourceError
from imgmem.core.sources.scratch import scratch_database

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = scratch_database("CREATE TABLE t (a BLOB)", cache_kib=64)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
rows = ((bytes(1000),) for _ in range(1000))
try:
    {statement}
except ResourceError as error:
    print(error.exit_code, "scratch data" in error.message)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits on file sizes")
@pytest.mark.parametrize(
    "statement",
    [
        'database.executemany("INSERT INTO t VALUES (?)", rows)',
        '[database.execute("INSERT INTO t VALUES (?)", row) for row in rows]',
        'list(database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n'
        ' LIMIT 99999) SELECT randomblob(500) AS b FROM n ORDER BY b"))',
    ],
)
def test_a_full_scratch_disk_is_a_resource_error(statement):
    assert python(SCRIPT.format(statement=statement)).stdout.strip() == "5 True"


SMALL = """
import os, sys
source, base = sys.argv[1:]
os.chdir(base)
import imgmem
from imgmem.core.build import plan
from imgmem.core.sources import catalog, scratch
plan._CACHE_KIB = scratch._CACHE_KIB = 16
scratch.scratch_database.__kwdefaults__["cache_kib"] = 16
build = lambda out="out": imgmem.build(source, out, size=4, shuffle=True, workers=1)
estimate = lambda: imgmem.estimate(source, size=4)
def fails(work, *words):
    try:
        work()
    except imgmem.ResourceError as error:
        assert all(word in str(error) for word in ("scratch data", *words)), error
    else:
        raise AssertionError("went well")
"""
TMPDIRS = {
    "small": """
mount("-t", "tmpfs", "-o", "size=64k", "none", os.environ["TMPDIR"])
build(); estimate()
""",
    "small, and so is the disk of the result": """
mount("-t", "tmpfs", "-o", "size=16k", "none", os.environ["TMPDIR"])
os.mkdir("full"); mount("-t", "tmpfs", "-o", "size=8k", "none", "full"); os.chdir("full")
fails(estimate, f"written in {os.environ['TMPDIR']}", "or set TMPDIR to")
fails(build, *["written in " + base] if "tar" in source else ["set TMPDIR to"])
assert os.listdir() == [], os.listdir()
""",
    "missing, and all others are read-only": """
mount("--bind", os.path.dirname(base), "/mnt")
source = source.replace(os.path.dirname(base), "/mnt"); os.chdir("/mnt/base")
os.environ["TMPDIR"] = "/missing"
for path in ("/tmp", "/var/tmp", "/usr/tmp"):
    if os.path.isdir(path): mount("--rbind", path, path); mount("-o", "remount,bind,ro", path)
build(); estimate()
mount("-t", "tmpfs", "-o", "size=32k", "none", "/mnt/base"); os.chdir("/mnt/base")
mount("-o", "remount,ro", "/mnt/base"); fails(estimate, "/missing", "set TMPDIR to")
""",
}


@pytest.mark.parametrize("kind", ["folder", "tar.gz"])
@pytest.mark.parametrize("trial", TMPDIRS)
def test_scratch_goes_next_to_the_result_where_temporary_space_is_small(tmp_path, trial, kind):
    images = class_folders(tmp_path / "two", {"a": 1, "b": 1}, size=(8, 8))
    source = hard_links(tmp_path / "src", [images / "a/00.png", images / "b/00.png"], 800)
    if kind == "tar.gz":
        with tarfile.open(tmp_path / "src.tar.gz", "w:gz", dereference=True) as archive:
            archive.add(source, "src")
        source = tmp_path / "src.tar.gz"
    for name in ("base", "tmp"):
        (tmp_path / name).mkdir()
    env = {"TMPDIR": str(tmp_path / "tmp")}
    done = run_with_mounts(SMALL + TMPDIRS[trial], source, tmp_path / "base", env=env)
    assert done.returncode == 0, done.stderr
