"""What imgmem changes in the process that calls it, and that it restores it."""

import ctypes
import logging
import threading
import warnings

import cv2
import pytest
from PIL import AvifImagePlugin, Image, _imaging
from support.images import encode, photo

import imgmem
from imgmem.core.errors import InputError
from imgmem.core.machine import process
from imgmem.core.sample.operation import sample
from imgmem.core.stats.operation import stats


@pytest.fixture
def source(tmp_path):
    """A JPEG, and a PNG that Pillow by itself would refuse."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(encode(photo(40, 50), "JPEG"))
    (tmp_path / "photos/b.png").write_bytes(encode(photo(40, 50), "PNG"))
    return tmp_path / "photos"


@pytest.fixture
def host(monkeypatch):
    """A program with settings of its own; what they are now."""
    monkeypatch.setattr(process._State, "kept", False)  # another test may have run a command,
    monkeypatch.setattr(process._State, "users", 0)  # or have been killed within the settings
    monkeypatch.setattr(process._State, "restores", {})
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield settings
    cv2.setNumThreads(before)


def settings():
    handlers = list(logging.getLogger("PIL").handlers)
    return (
        cv2.getNumThreads(), Image.MAX_IMAGE_PIXELS, AvifImagePlugin.DEFAULT_MAX_THREADS,
        list(warnings.filters), handlers, libtiff_handler(),
    )  # fmt: skip


def libtiff_handler():
    """The address of the function that libtiff tells its errors, which stays what it is."""
    handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    handler.restype, handler.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    now = handler(None)
    handler(now)
    return now


def built(source, out):
    imgmem.build(source, out)
    return out


def test_a_build_leaves_the_process_as_it_was(source, tmp_path, host):
    before = host()
    built(source, tmp_path / "out")
    assert host() == before


def test_settings_that_cannot_be_made_leave_the_process_as_it_was(host, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    before = host()
    monkeypatch.setitem(process._SETTINGS, "last", interrupted)
    with pytest.raises(KeyboardInterrupt), process.settings():
        pass
    assert (host(), process._State.users) == (before, 0)


def test_a_build_reads_images_that_pillow_by_itself_refuses(source, tmp_path, host):
    assert len(imgmem.open(built(source, tmp_path / "out"))) == 2


def test_a_build_that_fails_leaves_the_process_as_it_was(source, tmp_path, host):
    (source / "c.png").write_bytes(b"no image")
    before = host()
    with pytest.raises(InputError):
        built(source, tmp_path / "out")
    assert host() == before


def test_every_other_operation_leaves_the_process_as_it_was(source, tmp_path, host):
    out = built(source, tmp_path / "out")
    before = host()
    imgmem.estimate(source)
    stats(out)
    sample(out)
    imgmem.normalize(out)
    assert host() == before


def test_reading_and_iterating_change_nothing(source, tmp_path, host):
    out = built(source, tmp_path / "out")
    before = host()
    with imgmem.open(out) as dataset:
        for _ in dataset.batches(1):
            assert host() == before


def test_the_last_of_several_threads_restores(host):
    before = host()
    inside, leave = threading.Barrier(2), threading.Event()

    def work():
        with process.settings():
            inside.wait()
            leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    with process.settings():
        inside.wait()
    assert cv2.getNumThreads() == 1
    leave.set()
    thread.join()
    assert host() == before


def test_the_settings_are_made_inside(host):
    with process.settings():
        assert cv2.getNumThreads() == 1
        assert Image.MAX_IMAGE_PIXELS is None
        assert AvifImagePlugin.DEFAULT_MAX_THREADS == 1
        assert libtiff_handler() is None
