"""A share that goes away stops a build, which resumes; a file that cannot be read is a reject."""

import csv
import errno
import os

import pytest
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import ResourceError
from imgmem.core.sources import files

GONE = ["EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EREMOTEIO", "EHOSTDOWN", "ENODEV",
        "ESHUTDOWN", "EACCES"]  # fmt: skip


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_PAUSES", (0.0, 0.0))
    return class_folders(tmp_path / "src", {"a": 30, "b": 30}, size=(8, 8), extension=".bmp")


@pytest.fixture
def expected(tmp_path, source):
    return snapshot(build(source, tmp_path / "expected"))


def build(source, out, **options):
    return imgmem.build(source, out, **{"size": 8, "on_error": "skip", "workers": 1} | options).path


def sick(monkeypatch, is_bad, code):
    """Opening an image fails from where `is_bad` says so."""
    real, opened = os.open, []

    def open_(path, *arguments, **options):
        if str(path).endswith(".bmp"):
            opened.append(path)
            if is_bad(path, len(opened)):
                raise OSError(code, os.strerror(code), path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", open_)


@pytest.mark.parametrize("name", GONE)
@pytest.mark.parametrize("policy", ["skip", "stop"])
def test_a_share_that_goes_away_is_never_a_reject(
    tmp_path, source, expected, monkeypatch, name, policy
):
    with monkeypatch.context() as patched:
        sick(patched, lambda _, count: count > 25, getattr(errno, name))
        with pytest.raises(ResourceError, match="cannot be read any more") as caught:
            build(source, tmp_path / "out", on_error=policy)
        assert caught.value.exit_code == 5
    with open(tmp_path / ".out.partial" / "rejected.csv") as file:
        assert len(list(csv.reader(file))) == 1
    assert (
        imgmem.build(source, tmp_path / "out", size=8, on_error="skip", workers=1).resumed_at == 25
    )
    assert snapshot(tmp_path / "out") == expected


def test_eight_in_a_row_are_a_share_that_has_gone(tmp_path, source, expected, monkeypatch):
    """Also where the first images can still be read, from some cache."""
    with monkeypatch.context() as patched:
        sick(patched, lambda path, _: "b/" in str(path), errno.EIO)
        with pytest.raises(ResourceError, match="cannot be read any more"):
            build(source, tmp_path / "out")
    build(source, tmp_path / "out")
    assert snapshot(tmp_path / "out") == expected


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_one_file_that_cannot_be_read_is_a_reject_by_name(tmp_path, source, monkeypatch, code):
    bad = {"a/03.bmp", "a/04.bmp", "b/00.bmp", "b/29.bmp"}
    sick(monkeypatch, lambda path, _: str(path).endswith(tuple(bad)), code)
    out = build(source, tmp_path / "out")
    with open(f"{out}/rejected.csv") as file:
        assert {(row["path"], row["reason"]) for row in csv.DictReader(file)} == {
            (name, "unreadable") for name in bad
        }


def test_a_moment_s_trouble_is_sat_out(tmp_path, source, expected, monkeypatch):
    sick(monkeypatch, lambda _, count: count % 3 == 0, errno.EIO)
    build(source, tmp_path / "out")
    assert snapshot(tmp_path / "out") == expected
