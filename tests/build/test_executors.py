"""Who decodes a build never shows in the result, and no worker outlives it."""

import gc
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from unittest import mock

import pytest
import simplejpeg
from support.images import encode, photo, write
from support.program import IMGMEM, run
from support.trees import snapshot

import imgmem
from imgmem.core import forecast
from imgmem.core.machine.processes import ProcessExecutor

COUNT = 60
FAULTS = """
import os, time
import simplejpeg
from ctypes import string_at

decode = simplejpeg.decode_jpeg

def faulty(data, *arguments, **options):
    if b"crash me" in data:
        string_at(0)
    if b"hang me" in data:
        time.sleep(1000)
    if b"slow me" in data:
        open(os.environ["BEGUN"], "w").close()
        time.sleep(0.2)
    return decode(data, *arguments, **options)

simplejpeg.decode_jpeg = faulty
"""
"""Decoders with bugs: at the start of every interpreter that finds it."""


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="reads /proc")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number in range(COUNT):
        write(folder / f"{number % 3}" / f"{number:02}.jpg", photo(30, 40, number))
    write(folder / "0" / "gray.png", photo(20, 20)[:, :, 0])
    (folder / "1" / "not.jpg").write_bytes(b"no image")
    (folder / "2" / 'a,\n"quoted".jpg').write_bytes(encode(photo(30, 40, 7), "JPEG"))
    return folder


@pytest.fixture
def faulty(tmp_path):
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults/sitecustomize.py").write_text(FAULTS)
    return {"PYTHONPATH": str(tmp_path / "faults"), "BEGUN": str(tmp_path / "begun")}


def plant(folder, name, fault):
    """A JPEG that a faulty decoder stumbles over: what follows the image is no part of it."""
    (folder / name).write_bytes(encode(photo(30, 40, 99), "JPEG") + fault)


def build(photos, out, *options, **keywords):
    return run(
        [*IMGMEM, "build", photos, out, "--size", "16", "--on-error", "skip", *options], **keywords
    )


def built(photos, out, **options):
    return imgmem.build(photos, out, size=16, on_error="skip", split={"val": 0.3}, **options)


def test_threads_processes_and_executors_give_the_same_bytes(photos, tmp_path):
    built(photos, tmp_path / "threads", executor="threads", workers=2)
    expected = snapshot(tmp_path / "threads")
    for workers in (1, 2, 3):
        built(photos, tmp_path / f"p{workers}", executor="processes", workers=workers)
        assert snapshot(tmp_path / f"p{workers}") == expected
    with ThreadPoolExecutor(2) as executor:
        built(photos, tmp_path / "given", executor=executor)
        assert executor.submit(len, "still open").result() == 10
    assert snapshot(tmp_path / "given") == expected


def test_the_process_pool_of_the_standard_library_gives_them_too(photos, tmp_path):
    built(photos, tmp_path / "threads", executor="threads")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        built(photos, tmp_path / "given", executor=executor)
    assert snapshot(tmp_path / "given") == snapshot(tmp_path / "threads")


@pytest.mark.parametrize("extension", ["tar", "tar.gz"])
def test_archives_are_read_by_processes_or_else_by_threads(photos, tmp_path, extension):
    path = tmp_path / f"photos.{extension}"
    with tarfile.open(path, "w:gz" if extension.endswith("gz") else "w") as archive:
        archive.add(photos, ".")
    built(path, tmp_path / "threads", executor="threads")
    done = built(path, tmp_path / "processes", executor="processes")
    assert snapshot(tmp_path / "threads") == snapshot(tmp_path / "processes")
    assert any("in threads" in note for note in done.notes) == extension.endswith("gz")


def test_a_budget_without_room_for_processes_is_kept_by_threads(photos, tmp_path):
    options = ("--executor", "processes", "--workers", 2, "--memory", "80MiB", "--json")
    done = build(photos, tmp_path / "out", *options)
    assert json.loads(done.stdout)["peak_memory"] < 2**20 * 80
    assert "worker processes need --memory " in json.loads(done.stdout)["notes"][0]


def test_the_memory_of_processes_counts_and_stays_below_the_budget(photos, tmp_path):
    done = build(photos, tmp_path / "out", "--executor", "processes", "--workers", 2, "--json")
    alone = build(photos, tmp_path / "alone", "--executor", "threads", "--workers", 2, "--json")
    peak = json.loads(done.stdout)["peak_memory"]
    assert json.loads(alone.stdout)["peak_memory"] + 20 * 2**20 < peak
    assert peak < forecast.BASE_BYTES + 2 * forecast.WORKER_BYTES


def test_an_unknown_executor_is_a_usage_error(photos, tmp_path):
    done = build(photos, tmp_path / "out", "--executor", "fibers")
    assert done.returncode == 2
    assert "auto, threads, processes" in done.stderr


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_image_that_crashes_its_decoder_is_rejected_by_name(photos, tmp_path, faulty, executor):
    plant(photos, "1/bad.jpg", b"crash me")
    plant(photos, "2/worse.jpg", b"crash me")
    out, options = tmp_path / "out", ["--executor", executor, "--workers", 2]
    done = build(photos, out, *options, env=faulty)
    if executor == "threads":
        assert done.returncode == -signal.SIGSEGV
        done = build(photos, out, *options, env=faulty)
    assert done.returncode == 0, done.stderr
    lines = (out / "rejected.csv").read_text().splitlines()
    assert [line for line in lines if "crashes-decoder" in line] == [
        "1/bad.jpg,crashes-decoder,its decoder crashed (SIGSEGV)",
        "2/worse.jpg,crashes-decoder,its decoder crashed (SIGSEGV)",
    ]


def test_the_result_with_crashes_is_the_same_for_threads_and_processes(photos, tmp_path, faulty):
    plant(photos, "1/bad.jpg", b"crash me")
    for executor, workers in (("threads", 2), ("processes", 1), ("processes", 3)):
        out = tmp_path / f"{executor}{workers}"
        options = ["--executor", executor, "--workers", workers]
        if build(photos, out, *options, env=faulty).returncode:
            assert build(photos, out, *options, env=faulty).returncode == 0
    expected = snapshot(tmp_path / "threads2")
    assert snapshot(tmp_path / "processes1") == snapshot(tmp_path / "processes3") == expected


def test_a_crash_in_an_executor_of_the_callers_is_found_by_name(
    photos, tmp_path, faulty, monkeypatch
):
    plant(photos, "1/bad.jpg", b"crash me")
    monkeypatch.setenv("PYTHONPATH", faulty["PYTHONPATH"])
    monkeypatch.syspath_prepend(faulty["PYTHONPATH"])
    built(photos, tmp_path / "processes", executor="processes")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        built(photos, tmp_path / "given", executor=executor)
    assert "1/bad.jpg,crashes-decoder" in (tmp_path / "given/rejected.csv").read_text()
    assert snapshot(tmp_path / "given") == snapshot(tmp_path / "processes")


def test_an_executor_that_has_lost_its_workers_stops_the_build_which_is_resumed(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(forecast, "CHUNK_BYTES", 2**14)  # several tasks
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        with suppress(BrokenExecutor):
            executor.submit(os.abort).result()
        with pytest.raises(imgmem.ResourceError, match="has lost its workers"):
            built(photos, tmp_path / "out", executor=executor)
    built(photos, tmp_path / "out", executor="threads")
    built(photos, tmp_path / "alone", executor="threads")
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "alone")


@needs_proc
def test_nothing_stays_behind_in_the_program_that_lends_its_threads(photos, tmp_path):
    threads = threading.active_count()
    with ThreadPoolExecutor(2) as executor:
        built(photos, tmp_path / "first", executor=executor)
        gc.collect()
        before = len(os.listdir("/proc/self/fd")), threading.active_count()
        built(photos, tmp_path / "second", executor=executor)
        gc.collect()
        assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
    assert threading.active_count() == threads


def test_an_image_that_hangs_in_lent_threads_is_named(photos, tmp_path, monkeypatch):
    plant(photos, "1/stuck.jpg", b"hang me")
    healed, decode = threading.Event(), simplejpeg.decode_jpeg

    def faulty(data, *arguments, **options):
        if b"hang me" in data:
            healed.wait()
        return decode(data, *arguments, **options)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", faulty)
    monkeypatch.setattr("imgmem.core.build.execution.PATIENCE_SECONDS", 0.5)
    with ThreadPoolExecutor(2) as executor:
        try:
            with pytest.raises(imgmem.ResourceError, match=r"1/stuck.jpg is taking so"):
                built(photos, tmp_path / "out", executor=executor)
        finally:
            healed.set()


def test_a_program_that_cannot_be_started_again_decodes_in_threads(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert built(photos, tmp_path / "out", executor="processes").shape[0] == COUNT + 2


def test_an_image_that_crashes_its_decoder_stops_a_strict_build_by_name(photos, tmp_path, faulty):
    (photos / "1/not.jpg").unlink()
    plant(photos, "1/bad.jpg", b"crash me")
    done = run([*IMGMEM, "build", photos, tmp_path / "out", "--executor", "processes"], env=faulty)
    assert (done.returncode, "1/bad.jpg rejected (crashes-decoder)" in done.stderr) == (3, True)


PATIENT = """
import sys
from imgmem.core.build import execution
execution.PATIENCE_SECONDS = 1.0
from imgmem.__main__ import main
sys.argv[0] = "imgmem"
main()
"""


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_image_that_hangs_is_named_and_is_not_rejected(photos, tmp_path, faulty, executor):
    plant(photos, "1/stuck.jpg", b"hang me")
    done = run(
        [sys.executable, "-c", PATIENT, "build", photos, tmp_path / "out", "--size", "16",
         "--on-error", "skip", "--executor", executor],
        env=faulty, timeout=60,
    )  # fmt: skip
    assert done.returncode == 5
    assert "1/stuck.jpg is taking so long to decode" in done.stderr
    (photos / "1/stuck.jpg").write_bytes((photos / "1/stuck.jpg").read_bytes()[:-7] + b"healed!")
    again = build(photos, tmp_path / "out", "--restart")
    assert "stuck" not in (tmp_path / "out/rejected.csv").read_text(), again.stderr


def started(photos, out, faulty, workers=2):
    """A build by processes that has begun to decode, and the pids of its workers."""
    for number in range(20):
        plant(photos, f"0/slow{number}.jpg", b"slow me")
    command = [*IMGMEM, "build", photos, out, "--size", "16", "--on-error", "skip",
               "--executor", "processes", "--workers", workers]  # fmt: skip
    process = subprocess.Popen(
        [str(word) for word in command], env=os.environ | faulty, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not os.path.exists(faulty["BEGUN"]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process, children(process.pid)


def children(pid):
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += map(int, file.read().split())
    return found


def is_worker(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        return "imgmem.core.machine.worker" in file.read()


def gone(pids):
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@needs_proc
@pytest.mark.parametrize("at_once", [1, 2])
def test_workers_are_ready_before_there_is_work(at_once):
    with ProcessExecutor(2) as executor:
        executor.start("json", at_once=at_once)
        deadline = time.monotonic() + 30
        while len(executor.pids()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        ready = set(executor.pids())
        assert {executor.submit(os.getpid).result() for _ in range(4)} <= ready


@needs_proc
def test_no_worker_outlives_a_build_that_fails_before_it_decodes(photos, tmp_path):
    failing = mock.patch("imgmem.core.build.files.create_files", side_effect=KeyboardInterrupt)
    with failing, pytest.raises(imgmem.Interrupted):
        built(photos, tmp_path / "out", executor="processes", workers=2)
    assert not [pid for pid in children(os.getpid()) if is_worker(pid)]


@needs_proc
def test_a_killed_worker_is_an_error_and_the_build_resumes(photos, tmp_path, faulty):
    process, pids = started(photos, tmp_path / "out", faulty)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "a worker process was lost (SIGKILL)" in errors) == (5, True)
    assert build(photos, tmp_path / "out").returncode == 0


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_the_build(photos, tmp_path, faulty, number):
    process, pids = started(photos, tmp_path / "out", faulty)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert gone(pids)
    assert build(photos, tmp_path / "out").returncode == 0


@needs_proc
def test_ctrl_c_while_workers_start_prints_no_traceback(photos, tmp_path):
    command = [*IMGMEM, "build", photos, tmp_path / "out", "--executor", "processes"]
    process = subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while not (pids := children(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(0.05)  # Python is running there, but not yet the worker's own code
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (130, False)
    assert gone(pids)


def test_a_program_needs_no_guard_for_processes(photos, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, imgmem\n"
        "print('started')\n"
        "imgmem.build(sys.argv[1], sys.argv[2], on_error='skip', executor='processes')\n"
    )
    done = run([sys.executable, program, photos, tmp_path / "out"])
    assert (done.returncode, done.stdout) == (0, "started\n")
