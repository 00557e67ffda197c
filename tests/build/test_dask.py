"""Builds on a Dask cluster of real processes: a scheduler and workers that are killed, stopped,
late, of another version, or without the source. The bytes are those of one process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
from support.images import encode, photo, write
from support.program import run
from support.stores import BUCKET, put, s3_server
from support.trees import snapshot

import imgmem

COUNT = 60
PATIENCE = 90
SITE = """
import os, time

def faulty(decode):
    def call(data, *arguments, **options):
        log = os.environ.get("DECODED")
        if log:
            open(os.path.join(log, f"{os.getpid()}"), "a").write("+")
        time.sleep(float(os.environ.get("SLOW", 0)))
        if b"crash me" in data and log:
            os.kill(os.getpid(), 11)
        pixels = decode(data, *arguments, **options)
        if log:
            open(os.path.join(log, f"{os.getpid()}"), "a").write("-")
        return pixels
    return call

try:
    import simplejpeg
    simplejpeg.decode_jpeg = faulty(simplejpeg.decode_jpeg)
    simplejpeg.__version__ += os.environ.get("OTHER", "")
except ImportError:
    pass
"""
"""In every interpreter of a cluster: decoding is slow, and says in a file that it has begun (+) and
ended (-)."""
PROGRAM = """
import sys, time
from imgmem.core.build import dask_cluster, execution, filling, unfinished
filling.TASK_BYTES = 4000
{changes}
from imgmem.__main__ import main
main()
"""


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number in range(COUNT):
        write(folder / f"{number % 3}" / f"{number:02}.jpg", photo(30, 40, number))
    (folder / "1" / "not.jpg").write_bytes(b"no image")
    (folder / "2" / 'a,\n"quoted".jpg').write_bytes(encode(photo(30, 40, 7), "JPEG"))
    return folder


class Cluster:
    """A scheduler on loopback, and workers of one thread each."""

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        self.decoded = folder / "decoded"
        self.decoded.mkdir()
        (folder / "site").mkdir()
        (folder / "site/sitecustomize.py").write_text(SITE)
        self.env = os.environ | {
            "PYTHONPATH": str(folder / "site"),
            "DECODED": str(self.decoded),
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s",
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "4s",
        }
        self.processes = []
        self.scheduler = self.start("scheduler", "--port", "0", "--scheduler-file", self.file)
        self._wait(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, kind, *options, before=(), **env):
        options = ("--no-dashboard", "--host", "127.0.0.1", *options)
        command = [*before, sys.executable, "-m", "dask", kind, *map(str, options)]
        process = subprocess.Popen(
            [*command], env=self.env | env, stderr=subprocess.PIPE, start_new_session=True
        )
        self.processes.append(process)
        return process

    def worker(self, *options, **settings):
        options = options or ("--no-nanny",)
        place = ("--local-directory", self.file.parent / "scratch")
        return self.start("worker", self.address, "--nthreads", 1, *place, *options, **settings)

    def workers(self, count, **settings):
        found = [self.worker(**settings) for _ in range(count)]
        for process in found:
            self._wait(lambda process=process: b"Registered" in process.stderr.readline())
        return found

    def busy(self, process):
        """Whether a worker is decoding an image."""
        with suppress(FileNotFoundError):
            return (self.decoded / str(process.pid)).read_text().endswith("+")
        return False

    def wait_until_busy(self, process):
        self._wait(lambda: self.busy(process))

    def _wait(self, reached):
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end
            time.sleep(0.01)

    def close(self):
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stderr.close()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    cluster.close()


def command(photos, out, executor, *options, changes=""):
    program = [sys.executable, "-c", PROGRAM.format(changes=changes)]
    given = ("--size", "16", "--on-error", "skip", "--split", "val=0.3", "--executor", executor)
    return [*program, "build", str(photos), str(out), *given, *options, "--json"]


def build(photos, out, executor, *options, changes="", **env):
    return run(command(photos, out, executor, *options, changes=changes), env=env)


def begin(photos, out, executor, **env):
    return subprocess.Popen(
        command(photos, out, executor), env=os.environ | env, stdout=subprocess.PIPE, text=True
    )


def expected(photos, tmp_path):
    imgmem.build(
        photos, tmp_path / "expected", size=16, on_error="skip", split={"val": 0.3},
        executor="threads",
    )  # fmt: skip
    return snapshot(tmp_path / "expected")


def error_of(done):
    return json.loads(done if isinstance(done, str) else done.stdout)["error"]


@pytest.mark.slow
def test_a_cluster_builds_the_bytes_of_one_process(photos, tmp_path, cluster):
    cluster.workers(3)
    wanted = expected(photos, tmp_path)
    for number, executor in enumerate((f"dask:{cluster.file}", f"dask:{cluster.address}")):
        done = build(photos, tmp_path / f"out{number}", executor)
        assert done.returncode == 0, done.stdout
        assert done.stderr == ""
        assert snapshot(tmp_path / f"out{number}") == wanted
    assert len(list(cluster.decoded.iterdir())) == 3  # all of them, and nobody else


@pytest.mark.slow
def test_a_cluster_decodes_what_an_update_does_not_copy(photos, tmp_path, cluster):
    cluster.workers(1)
    assert build(photos, tmp_path / "out", "threads").returncode == 0
    shutil.copytree(tmp_path / "out", tmp_path / "old")
    time.sleep(0.02)  # the clocks of file systems tick every few milliseconds
    for number in range(0, COUNT, 7):
        write(photos / "1" / f"{number:02}-new.jpg", photo(30, 40, 100 + number))
    decoded = cluster.decoded / str(cluster.processes[1].pid)
    assert build(photos, tmp_path / "out", f"dask:{cluster.address}", "--update").returncode == 0
    assert decoded.read_text().count("+") == 9
    options = {"size": 16, "on_error": "skip", "split": f"like:{tmp_path / 'old'}"}
    imgmem.build(photos, tmp_path / "new", **options)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


EXECUTOR = """
import sys, imgmem
from distributed import Client
with Client(sys.argv[1]) as client:
    for number, executor in enumerate((client.get_executor(), client)):
        imgmem.build(sys.argv[2], f"{sys.argv[3]}{number}", size=16, on_error="skip",
                     split={"val": 0.3}, executor=executor)
    assert client.submit(len, "still open").result() == 10
"""


@pytest.mark.full
def test_the_executor_of_a_client_may_be_given_and_stays_open(photos, tmp_path, cluster):
    cluster.workers(2)
    done = run([sys.executable, "-c", EXECUTOR, cluster.address, photos, tmp_path / "out"])
    assert done.returncode == 0, done.stderr
    wanted = expected(photos, tmp_path)
    assert snapshot(tmp_path / "out0") == snapshot(tmp_path / "out1") == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGKILL, id="killed"),
        pytest.param(signal.SIGSTOP, id="stopped", marks=pytest.mark.full),
    ],
)
def test_what_a_lost_worker_had_is_decoded_by_another(photos, tmp_path, cluster, how):
    first, *_ = cluster.workers(3, SLOW="0.2")
    going = begin(photos, tmp_path / "out", f"dask:{cluster.file}")
    cluster.wait_until_busy(first)
    first.send_signal(how)
    time.sleep(0.5)
    assert cluster.busy(first)  # it never ended what it had begun
    said, _ = going.communicate(timeout=PATIENCE)
    assert going.returncode == 0, said
    assert snapshot(tmp_path / "out") == expected(photos, tmp_path)


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_build_which_is_resumed(photos, tmp_path, cluster):
    first, *_ = cluster.workers(2, SLOW="0.2")
    going = begin(photos, tmp_path / "out", f"dask:{cluster.file}")
    cluster.wait_until_busy(first)
    time.sleep(2)
    cluster.scheduler.kill()
    said, _ = going.communicate(timeout=PATIENCE)
    assert going.returncode == 5
    assert "scheduler was lost" in error_of(said)["message"]
    assert build(photos, tmp_path / "out", "threads").returncode == 0
    assert snapshot(tmp_path / "out") == expected(photos, tmp_path)


@pytest.mark.slow
def test_a_worker_with_other_decoders_is_named(photos, tmp_path, cluster):
    cluster.workers(1)
    cluster.workers(1, OTHER="-other")
    done = build(photos, tmp_path / "out", f"dask:{cluster.file}")
    assert done.returncode == 5
    error = error_of(done)
    assert "-other, but the build started with" in error["message"]
    assert "the Dask worker tcp://127.0.0.1:" in error["message"]
    assert "Install the same versions" in error["hint"]


@pytest.mark.full
def test_a_worker_that_comes_late_takes_part(photos, tmp_path, cluster):
    first, *_ = cluster.workers(1, SLOW="1")  # alone, it would take longer than the other starts
    going = begin(photos, tmp_path / "out", f"dask:{cluster.file}")
    cluster.wait_until_busy(first)
    [late] = cluster.workers(1, SLOW="0.1")
    cluster.wait_until_busy(late)
    said, _ = going.communicate(timeout=PATIENCE)
    assert going.returncode == 0, said
    assert snapshot(tmp_path / "out") == expected(photos, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["empty", pytest.param("others", marks=pytest.mark.full)])
def test_a_worker_that_does_not_see_the_source_is_named(photos, tmp_path, cluster, hidden):
    """In a mount namespace of its own: its folder of that path is empty, or holds other images."""
    others = tmp_path / "others"
    others.mkdir()
    if hidden == "others":
        for path in photos.glob("*/*"):
            write(others / path.parent.name / path.name, photo(5, 5), "JPEG")
    mount = f'mount --bind "{others}" "{photos}" && exec "$@"'
    before = ("unshare", "-r", "-m", "sh", "-c", mount, "sh")
    if not shutil.which("unshare") or run([*before, "true"]).returncode:
        pytest.skip("needs mount namespaces")
    cluster.workers(1, SLOW="0.05")
    cluster.workers(1, before=before)
    done = build(photos, tmp_path / "out", f"dask:{cluster.file}")
    assert done.returncode == 5
    assert f"cannot read the source {photos}" in error_of(done)["message"]
    assert "the Dask worker tcp://127.0.0.1:" in error_of(done)["message"]


@pytest.mark.full
def test_workers_read_an_object_store_and_one_that_does_not_reach_it_is_named(
    photos, tmp_path, cluster, monkeypatch
):
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    next(photos.glob("2/*quoted*")).unlink()  # a key holds no line break
    wanted = expected(photos, tmp_path)
    store = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1"}
    with s3_server() as port:
        for path in photos.glob("*/*"):
            put(port, path.relative_to(photos.parent).as_posix(), path.read_bytes())
        store["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        address = f"s3://{BUCKET}/photos"
        cluster.workers(2, **store)
        assert build(address, tmp_path / "out", f"dask:{cluster.file}", **store).returncode == 0
        assert len(list(cluster.decoded.iterdir())) == 2
        assert snapshot(tmp_path / "out") == wanted
        cluster.workers(1, **store | {"AWS_ENDPOINT_URL": "nowhere"})
        for worker in cluster.processes[1:3]:
            worker.kill()
        done = build(address, tmp_path / "again", f"dask:{cluster.file}", **store)
    assert done.returncode == 5
    assert f"cannot read the source {address}" in error_of(done)["message"]
    assert "credentials of their own" in error_of(done)["hint"]


@pytest.mark.full
def test_an_image_that_crashes_its_decoder_is_rejected_by_name(photos, tmp_path, cluster):
    """It takes workers along, which their nannies start again; at last it is decoded alone."""
    bad = photos / "1" / "bad.jpg"
    bad.write_bytes(encode(photo(30, 40, 99), "JPEG") + b"crash me")
    for _ in range(2):
        cluster.worker("--nanny")
    done = build(photos, tmp_path / "out", f"dask:{cluster.file}", **cluster.env)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["rejected"] == {"crashes-decoder": 1, "not-an-image": 1}
    done = build(photos, tmp_path / "here", "processes", **cluster.env)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "here")


SLOW_WRITER = """
dask_cluster.WINDOW_BYTES = 16 * 2**20
append = unfinished.UnfinishedBuild.append
def slow(self, chunk):
    time.sleep(0.1)
    return append(self, chunk)
unfinished.UnfinishedBuild.append = slow
"""


@pytest.mark.full
def test_no_memory_grows_while_the_writer_is_slow(photos, tmp_path, cluster):
    """120 MiB of rows: neither the scheduler nor the writer nor a worker holds more than a few."""
    processes = [cluster.scheduler, *cluster.workers(2)]
    measured = [psutil.Process(process.pid) for process in processes]
    options = ("--size", "768", "--memory", "200MiB")
    going = subprocess.Popen(
        command(photos, tmp_path / "out", f"dask:{cluster.file}", *options, changes=SLOW_WRITER),
        stdout=subprocess.PIPE,
        text=True,
    )
    cluster.wait_until_busy(processes[1])
    time.sleep(0.5)
    before = [process.memory_info().rss for process in measured]
    most = list(before)
    while going.poll() is None:
        most = [
            max(a, process.memory_info().rss) for a, process in zip(most, measured, strict=True)
        ]
        time.sleep(0.02)
    said = json.loads(going.stdout.read())
    going.stdout.close()
    assert going.returncode == 0, said
    assert said["peak_memory"] < 200 * 2**20
    grown = [(a - b) / 2**20 for a, b in zip(most, before, strict=True)]
    assert grown[0] < 24
    assert max(grown[1:]) < 60


@pytest.mark.full
def test_a_cluster_without_workers_ends_the_build(photos, tmp_path, cluster):
    done = build(
        photos, tmp_path / "out", f"dask:{cluster.file}", changes="execution.PATIENCE_SECONDS = 1.0"
    )
    assert (done.returncode, error_of(done)["message"]) == (5, "the Dask cluster has no workers")


def test_no_scheduler_ends_the_build(photos, tmp_path):
    pytest.importorskip("distributed")
    changes = "dask_cluster.CONNECT_SECONDS = 1"
    done = build(photos, tmp_path / "out", "dask:tcp://127.0.0.1:1", changes=changes)
    assert done.returncode == 5
    assert "the Dask scheduler tcp://127.0.0.1:1 cannot be reached" in error_of(done)["message"]


def test_without_its_package_the_extra_is_named(photos, tmp_path):
    changes = "sys.modules['distributed'] = None"
    done = build(photos, tmp_path / "out", "dask:tcp://127.0.0.1:1", changes=changes)
    assert done.returncode == 2
    assert "extra `dask`" in error_of(done)["hint"]
