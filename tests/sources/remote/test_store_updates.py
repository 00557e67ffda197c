"""An update from a store reads what changed there, and copies the rest."""

import shutil
import tarfile
import time

import pytest
from support.images import encode, photo, write
from support.stores import counted_together, put, replace
from support.trees import snapshot

import imgmem as api
from imgmem.core.sources.remote import source as store_source

SMALL = {"size": 8, "split": "val=0.3"}


@pytest.fixture
def folder(tmp_path):
    for number in range(40):
        image = photo(40, 50, seed=number)
        write(tmp_path / "set" / ("ant" if number < 20 else "bee") / f"{number % 20:02}.jpg", image)
    return tmp_path / "set"


@pytest.fixture
def exact_clocks(monkeypatch):
    """The store has the time of this machine, and objects are not as new as what is built."""
    monkeypatch.setattr(store_source, "CLOCK_SKEW_NS", 0)
    return lambda: time.sleep(1.1)  # a store lists whole seconds


def images_read(proxy):
    """The names of the objects that were read, not their first bytes alone."""
    read = (path for path, wanted in proxy.requests if "list-type" not in path and not wanted)
    return sorted("/".join(path.split("/")[-2:]) for path in read)


def change(server, address):
    """One image is new, one another, with as many bytes, and one gone."""
    image = encode(photo(40, 50, seed=99), "JPEG")
    put(server, f"{address.partition('photos/')[2]}/bee/new.jpg", image)
    replace(server, f"{address}/ant/03.jpg", encode(photo(40, 50, seed=98), "JPEG"))


def test_only_what_changed_is_read(folder, stored, server, proxy, exact_clocks, tmp_path):
    address, out = stored(folder), tmp_path / "out"
    exact_clocks()
    api.build(address, out, **SMALL)
    shutil.copytree(out, tmp_path / "old")
    exact_clocks()
    change(server, address)
    proxy.requests.clear()
    result = api.build(address, out, update=True, **SMALL)
    assert (result.added, result.changed, result.kept) == (1, 1, 39)
    assert set(images_read(proxy)) == {"ant/03.jpg", "bee/new.jpg"}
    assert len(images_read(proxy)) == 3  # what changed, once to compare it
    api.build(address, tmp_path / "full", size=8, split=f"like:{tmp_path / 'old'}")
    assert snapshot(out) == snapshot(tmp_path / "full")


def test_what_may_be_as_new_as_the_dataset_is_read_many_at_once(
    folder, stored, server, proxy, tmp_path
):
    """Within the quarter of an hour that clocks may be off."""
    address = stored(folder)
    api.build(address, tmp_path / "out", **SMALL)
    change(server, address)

    together = counted_together(proxy)
    result = api.build(address, tmp_path / "out", update=True, **SMALL)
    assert (result.added, result.changed, result.kept) == (1, 1, 39)
    assert max(together) > 8


def test_images_as_large_as_memory_are_not_held_many_at_once(folder, stored, tmp_path, monkeypatch):
    monkeypatch.setattr("imgmem.core.sources.concurrently.READ_BYTES", 100_000)
    address, held, most = stored(folder), [], []
    api.build(address, tmp_path / "out", **SMALL)
    read = store_source.StoreSource.read

    def counted(self, name, locator):
        held.append(int(locator[2]))
        most.append(sum(held))
        try:
            return read(self, name, locator)
        finally:
            held.remove(int(locator[2]))

    monkeypatch.setattr(store_source.StoreSource, "read", counted)
    assert api.build(address, tmp_path / "out", **SMALL).already_done
    assert len(most) == 40
    assert 10_000 < max(most) <= 50_000


def shards(folder, there):
    """One archive for each class."""
    there.mkdir()
    for number, name in enumerate(("ant", "bee")):
        with tarfile.open(there / f"shard-{number}.tar", "w") as archive:
            archive.add(folder / name, name)
    return there


def test_an_update_of_what_is_the_same_downloads_nothing(folder, stored, proxy, tmp_path):
    address = stored(shards(folder, tmp_path / "shards"))
    api.build(address, tmp_path / "out", size=8)
    before = proxy.gets(".tar")
    assert api.build(address, tmp_path / "out", size=8, update=True).already_done
    assert proxy.gets(".tar") == before


def test_a_shard_that_changed_is_compared_image_by_image(folder, stored, server, tmp_path):
    address = stored(shards(folder, tmp_path / "shards"))
    api.build(address, tmp_path / "out", **SMALL)
    write(folder / "ant/03.jpg", photo(40, 50, seed=98))
    other = shards(folder, tmp_path / "new") / "shard-0.tar"
    replace(server, f"{address}/shard-0.tar", other.read_bytes())
    result = api.build(address, tmp_path / "out", update=True, **SMALL)
    assert (result.added, result.changed, result.kept) == (0, 1, 39)


def test_a_rejected_object_that_is_as_new_as_the_dataset_is_not_a_change(
    folder, stored, server, tmp_path
):
    """Its bytes are not known, so nothing that is read could tell it from another."""
    (folder / "ant/bad.png").write_bytes(b"\x89PNG\r\n\x1a\nxxxx")
    address, skip = stored(folder), SMALL | {"on_error": "skip"}
    time.sleep(1.1)  # a store lists whole seconds
    api.build(address, tmp_path / "out", **skip)
    assert api.build(address, tmp_path / "out", **skip).already_done
    assert api.build(address, tmp_path / "out", update=True, **skip).already_done
    time.sleep(1.1)
    replace(server, f"{address}/ant/bad.png", encode(photo(8, 8)))
    result = api.build(address, tmp_path / "out", update=True, **skip)
    assert (result.changed, result.kept) == (1, 40)
