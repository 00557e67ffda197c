"""Images are read before they are asked for: in order, in bounded memory, and nothing is kept."""

import threading
import weakref
from concurrent.futures import CancelledError

import pytest

from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.reading import COPIES, ReadAhead
from imgmem.core.errors import ResourceError


class Slow:
    """A source whose reads end when `go` is set, and that counts those under way."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = []

    def read(self, name, locator):
        self.begun.append(name)
        self.go.wait(10)
        if name == "bad":
            raise ResourceError("gone")
        return name.encode()


def images(*names, size=10):
    return [PlannedImage(name, size, 0, -1, 0) for name in names]


def settle(condition):
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError


@pytest.fixture
def source():
    source = Slow()
    yield source
    source.go.set()


def test_no_more_requests_than_allowed_are_under_way(source):
    ahead = ReadAhead(source, requests=3, size=10**6)
    ahead.expect(images(*"abcdefgh"))
    settle(lambda: len(source.begun) == 3)
    source.go.set()
    assert [ahead.read(each) for each in images(*"abcdefgh")] == [b"%c" % c for c in b"abcdefgh"]


def test_no_more_bytes_than_allowed_are_held(source):
    ahead = ReadAhead(source, requests=8, size=COPIES * 25)
    source.go.set()
    ahead.expect(images(*"abcdef"))
    settle(lambda: source.begun == ["a", "b"])
    assert ahead.read(*images("a")) == b"a"
    settle(lambda: source.begun == ["a", "b", "c"])


def test_what_is_too_large_is_read_when_it_is_asked_for(source):
    ahead = ReadAhead(source, requests=1, size=100)
    source.go.set()
    large = images("x", size=51)
    ahead.expect(large)
    assert not source.begun
    assert ahead.read(*large) == b"x"


def test_what_is_forgotten_gives_its_room_back(source):
    ahead = ReadAhead(source, requests=1, size=COPIES * 10)
    ahead.expect(images("a", "b", "c"))
    settle(lambda: source.begun == ["a"])
    ahead.forget(images("a", "b"))
    source.go.set()
    assert ahead.read(*images("c")) == b"c"
    assert source.begun == ["a", "c"]


def test_a_failure_is_raised_where_the_image_is_asked_for(source):
    ahead = ReadAhead(source, requests=2, size=1000)
    source.go.set()
    ahead.expect(images("a", "bad"))
    assert ahead.read(*images("a")) == b"a"
    with pytest.raises(ResourceError):
        ahead.read(*images("bad"))


def test_at_the_end_nobody_waits_for_what_was_not_begun(source):
    ahead = ReadAhead(source, requests=1, size=COPIES * 10)
    ahead.expect(images("a", "b"))
    settle(lambda: source.begun == ["a"])
    ahead.close()
    with pytest.raises(CancelledError):
        ahead.read(*images("b"))


class Data:
    """Bytes that can be watched."""


def test_what_was_handed_on_is_not_kept(source):
    source.read = lambda name, locator: Data()
    ahead = ReadAhead(source, requests=4, size=1000)
    ahead.expect(images(*"abcd"))
    kept = [weakref.ref(ahead.read(each)) for each in images(*"abcd")]
    settle(lambda: not any(each() for each in kept))
