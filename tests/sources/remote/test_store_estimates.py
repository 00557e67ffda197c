"""What is found of a store by the first bytes of its objects alone."""

import json
import os
from pathlib import Path

import pytest
from support.program import imgmem
from support.stores import counted_together
from support.trees import class_folders

import imgmem as api
from imgmem.core.errors import ResourceError
from imgmem.core.sources.remote import store


@pytest.fixture
def folder(tmp_path):
    return Path(class_folders(tmp_path / "set", {"ant": 20, "bee": 20}, size=(300, 310)))


def test_it_is_that_of_a_local_copy(folder, stored):
    near, far = api.estimate(folder), api.estimate(stored(folder))
    for dtype, naive in near.naive.items():
        assert far.naive[dtype].peak_bytes == naive.peak_bytes
    assert far.images.class_counts == near.images.class_counts
    assert far.images.source_bytes == near.images.source_bytes
    assert far.build.disk_bytes == near.build.disk_bytes


def test_it_says_how_many_requests_it_makes_before_them(folder, stored, proxy):
    said = []

    def note(progress):
        if progress.note:
            said.append((progress.note, progress.total, len(proxy.requests)))

    found = api.estimate(stored(folder), progress=note)
    assert found.images.requests == len(proxy.requests) == 42
    note = "42 requests to the store: 2 to list it, and now 40 for the first bytes of images"
    assert said == [(note, 40, 2)]


def test_the_command_says_it_on_stderr_and_in_its_result(folder, stored, proxy):
    done = imgmem("estimate", stored(folder), "--sample", "7", "--json")
    assert done.stderr.startswith("9 requests to the store: 2 to list it, and now 7 ")
    assert json.loads(done.stdout)["images"]["requests"] == len(proxy.requests) == 9
    assert imgmem("estimate", stored(folder), "--sample", "7", "-q").stderr == ""


def test_it_reads_the_first_bytes(folder, stored, proxy):
    api.estimate(stored(folder))
    assert max(path.stat().st_size for path in folder.rglob("*.png")) > 4096
    ranges = [wanted for path, wanted in proxy.requests if "list-type" not in path]
    assert set(ranges) == {"bytes=0-4095"}


def test_a_sample_makes_fewer(folder, stored, proxy):
    assert api.estimate(stored(folder), sample=5).images.examined == 5
    assert len(proxy.requests) <= 8


@pytest.mark.parametrize("what", ["estimate", "native"])
def test_many_requests_are_under_way_at_once(folder, stored, proxy, tmp_path, what):
    address = stored(folder)

    together = counted_together(proxy)
    if what == "estimate":
        api.estimate(address)
    else:
        api.preview_build(address, tmp_path / "out", size="native")
    assert max(together) > 8


def test_trouble_is_not_counted_as_rejects(folder, stored, proxy, monkeypatch):
    monkeypatch.setitem(store.RETRY, "max_retries", 1)
    name = sorted(os.listdir(folder / "bee"))[0]
    proxy.fault = lambda path, _: "503" if f"bee/{name}" in path else None
    with pytest.raises(ResourceError, match="503"):
        api.estimate(stored(folder))
