"""Interrupted builds go on, to the bytes of an undisturbed run."""

import os
import re
import signal
import subprocess
import time

import pytest
from support.images import photo, write
from support.program import IMGMEM
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, Interrupted
from imgmem.core.specs import BuildSpec, ImageSpec, RunSpec

SPEC = BuildSpec(image=ImageSpec(size=(64, 64)))
TIGHT = RunSpec(workers=1, memory=57 * 2**20)


def interrupted_after(number):
    """A report that plays Ctrl-C at its `number`th call."""
    calls = iter(range(1, number + 1))

    def report(_):
        if next(calls, None) == number:
            raise KeyboardInterrupt

    return report


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 40, "b": 40}, size=(48, 48))


def interrupt(source, out, **options):
    with pytest.raises(Interrupted, match="of 80 images"):
        imgmem.build(source, out, progress=interrupted_after(3), run=TIGHT, **options)


def test_an_interrupted_build_leaves_no_dataset_and_resumes(tmp_path, source, monkeypatch):
    monkeypatch.setattr("imgmem.core.forecast.CHUNK_BYTES", 64 * 64 * 3 * 10)
    interrupt(source, tmp_path / "out", spec=SPEC)
    assert not (tmp_path / "out").exists()
    result = imgmem.build(source, tmp_path / "out", spec=SPEC)
    assert 0 < result.resumed_at < 80
    imgmem.build(source, tmp_path / "straight", spec=SPEC)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "straight")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src", "straight"]


def test_other_options_are_refused_and_restart_starts_over(tmp_path, source):
    interrupt(source, tmp_path / "out", spec=SPEC)
    other = BuildSpec(image=ImageSpec(size=(32, 32)))
    with pytest.raises(DatasetError, match=r"size: \[64, 64\] → \[32, 32\]"):
        imgmem.build(source, tmp_path / "out", spec=other)
    result = imgmem.build(source, tmp_path / "out", spec=other, restart=True)
    assert result.resumed_at == 0


@pytest.mark.parametrize("change", ["touch", "add", "remove"])
def test_changed_sources_are_refused(tmp_path, source, change):
    interrupt(source, tmp_path / "out", spec=SPEC)
    if change == "touch":
        os.utime(source / "a" / "00.png", (1, 1))
    elif change == "add":
        write(source / "a" / "new.png", photo(48, 48))
    else:
        (source / "a" / "00.png").unlink()
    with pytest.raises(DatasetError, match=r"a/(00|new)\.png"):
        imgmem.build(source, tmp_path / "out", spec=SPEC)


def test_another_decoder_is_refused(tmp_path, source, monkeypatch):
    interrupt(source, tmp_path / "out", spec=SPEC)
    monkeypatch.setattr("imgmem.core.build.prepare.decoder_versions", lambda: {"pillow": "1.1.7"})
    with pytest.raises(DatasetError, match=r"pillow: .* → 1\.1\.7"):
        imgmem.build(source, tmp_path / "out", spec=SPEC)


def test_a_dry_run_says_what_becomes_of_an_unfinished_build(tmp_path, source):
    out = tmp_path / "out"
    interrupt(source, out, spec=SPEC)
    before = snapshot(tmp_path / ".out.partial")
    assert re.match(
        r"resumes an unfinished build: \d+ of 80 images",
        imgmem.preview_build(source, out, spec=SPEC).changes,
    )
    other = imgmem.preview_build(source, out, spec=SPEC, size=32)
    assert "its inputs changed: size" in str(other.problem)
    assert "restart=True" in str(other.problem)
    restarted = imgmem.preview_build(source, out, spec=SPEC, size=32, restart=True)
    assert (restarted.problem, restarted.changes) == (None, "new; discards an unfinished build")
    write(source / "a/new.png", photo(48, 48, 999))
    changed = imgmem.preview_build(source, out, spec=SPEC).problem
    assert "its inputs changed: 1 new (a/new.png)" in str(changed)
    assert snapshot(tmp_path / ".out.partial") == before
    with pytest.raises(DatasetError) as caught:
        imgmem.build(source, out, spec=SPEC)
    assert str(caught.value) == str(changed)


def test_an_interrupted_overwrite_leaves_the_old_dataset(tmp_path, source):
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=ImageSpec(size=(8, 8))))
    before = snapshot(tmp_path / "out")
    interrupt(source, tmp_path / "out", spec=SPEC, overwrite=True)
    assert snapshot(tmp_path / "out") == before


def test_two_builds_of_one_dataset_do_not_meet(tmp_path, source):
    from imgmem.core.storage.locks import Lock

    interrupt(source, tmp_path / "out", spec=SPEC)
    with (
        Lock(str(tmp_path / ".out.partial"), exclusive=True),
        pytest.raises(DatasetError, match=f"in use by process {os.getpid()}"),
    ):
        imgmem.build(source, tmp_path / "out", spec=SPEC)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_real_process_and_keeps_its_work(tmp_path, number):
    original = write(tmp_path / "src" / "a" / "0.png", photo(700, 700))
    for copy in range(1, 60):
        os.link(original, original.with_name(f"{copy}.png"))
    source = tmp_path / "src"
    command = [*IMGMEM, "build", str(source), str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (tmp_path / ".out.partial" / "plan.json").exists():
        time.sleep(0.001)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Run the same command again to resume." in told
    imgmem.build(source, tmp_path / "out")
    imgmem.build(source, tmp_path / "straight")
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "straight")


@pytest.mark.parametrize("name", ["plan.json", "progress"])
def test_a_damaged_record_of_progress_is_refused(tmp_path, source, name):
    interrupt(source, tmp_path / "out", spec=SPEC)
    (tmp_path / ".out.partial" / name).write_bytes(b"\0" * 8192)
    with pytest.raises(DatasetError, match=f"{name} is damaged"):
        imgmem.build(source, tmp_path / "out", spec=SPEC)
