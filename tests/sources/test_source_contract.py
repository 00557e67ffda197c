"""What every kind of source keeps, so that the next kind knows what it is held to."""

import csv
import json
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.datasets import write_dataset
from support.images import photo
from support.trees import class_folders, snapshot

from imgmem.core.sources import open_source


@dataclass(frozen=True)
class Kind:
    path: Path
    options: dict = field(default_factory=dict)

    def open(self):
        return open_source(str(self.path), **self.options)


def folder(base):
    return Kind(class_folders(base / "images", {"ant": 4, "bee": 3}, size=(5, 6)))


def labels_of(images, path):
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        for name in sorted(images.rglob("*.png")):
            table.writerow([name.relative_to(path.parent).as_posix(), name.parent.name])
    return path


def folder_with_labels(base):
    images = folder(base).path
    return Kind(images, {"labels": str(labels_of(images, images / "labels.csv"))})


def manifest(base):
    return Kind(labels_of(folder(base).path, base / "list.csv"))


def dataset(base):
    images = [photo(5, 6, seed) for seed in range(7)]
    names = [f"{'ant' if row < 4 else 'bee'}/{row}.png" for row in range(7)]
    labels = [0] * 4 + [1] * 3
    return Kind(write_dataset(base / "set", images, labels, classes=("ant", "bee"), names=names))


def tar(base, name="all.tar", mode="w", files=None):
    images = folder(base).path if files is None else None
    with tarfile.open(base / name, mode) as archive:
        for path in files or sorted(images.rglob("*.png")):
            archive.add(path, path.relative_to(base / "images"))
    return Kind(base / name)


def zipped(base):
    images = folder(base).path
    with zipfile.ZipFile(base / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(images.rglob("*.png")):
            archive.write(path, path.relative_to(images))
    return Kind(base / "all.zip")


def shards(base):
    files = sorted(folder(base).path.rglob("*.png"))
    (base / "shards").mkdir()
    for number in range(3):
        tar(base, f"shards/{number}.tar", files=files[number::3])
    return Kind(base / "shards")


def zip_shards(base):
    files = sorted(folder(base).path.rglob("*.png"))
    (base / "shards").mkdir()
    for number in range(3):
        with zipfile.ZipFile(base / f"shards/{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files[number::3]:
                archive.write(path, path.relative_to(base / "images"))
    return Kind(base / "shards")


def compressed_shards(base):
    files = sorted(folder(base).path.rglob("*.png"))
    (base / "shards").mkdir()
    for number in range(3):
        tar(base, f"shards/{number}.tar.gz", "w:gz", files=files[number::3])
    return Kind(base / "shards")


KINDS = {
    "folder": folder,
    "folder and labels": folder_with_labels,
    "list": manifest,
    "dataset": dataset,
    "tar": tar,
    "compressed tar": lambda base: tar(base, "all.tar.gz", "w:gz"),
    "zip": zipped,
    "shards": shards,
    "zip shards": zip_shards,
    "compressed shards": compressed_shards,
}
"""A new kind of source: one line here, and every test below."""


@pytest.fixture(params=list(KINDS))
def kind(request, tmp_path):
    """A source of seven images, four of class ant and three of class bee."""
    return KINDS[request.param](tmp_path)


@pytest.fixture
def source(kind):
    source = kind.open()
    yield source
    source.close()


def test_it_lists_every_image_once_with_its_class(source):
    entries = list(source.listing().entries)
    assert len({entry.name for entry in entries}) == 7
    assert sorted(entry.label for entry in entries) == ["ant"] * 4 + ["bee"] * 3
    assert source.listing().labeled


def test_names_are_relative_and_stay_inside(source):
    for entry in source.listing().entries:
        assert not entry.name.startswith("/")
        assert not {"", ".", ".."} & set(entry.name.split("/"))


def test_it_lists_the_same_twice(source):
    assert sorted(source.listing().entries) == sorted(source.listing().entries)


def test_it_has_a_value_for_each_further_column(source):
    for entry in source.listing().entries:
        assert len(entry.extra) == len(source.listing().extra_columns)


def test_the_size_is_that_of_what_is_read(source):
    for entry in source.listing().entries:
        assert len(source.read(entry.name, entry.locator)) == entry.size


@pytest.mark.parametrize("length", [1, 10, 1 << 20])
def test_a_head_is_the_beginning_of_what_is_read(source, length):
    for entry in source.listing().entries:
        whole = source.read(entry.name, entry.locator)
        assert source.read_head(entry.name, entry.locator, length) == whole[:length]


def test_reading_needs_no_listing_and_locators_survive_json(kind, source):
    again = kind.open()
    for entry in source.listing().entries:
        locator = tuple(json.loads(json.dumps(entry.locator)))
        assert again.read(entry.name, locator) == source.read(entry.name, entry.locator)
    again.close()


def test_threads_read_what_one_thread_reads(source):
    entries = list(source.listing().entries) * 20
    alone = [source.read(entry.name, entry.locator) for entry in entries]
    start = threading.Barrier(4)
    with ThreadPoolExecutor(4, initializer=start.wait) as pool:
        together = list(pool.map(lambda entry: source.read(entry.name, entry.locator), entries))
    assert together == alone


def test_the_source_is_never_written_to(kind, tmp_path):
    before = snapshot(tmp_path, metadata=True)
    source = kind.open()
    for entry in source.listing().entries:
        source.read(entry.name, entry.locator)
    source.close()
    assert snapshot(tmp_path, metadata=True) == before


def test_closing_twice_is_well(source):
    list(source.listing().entries)
    source.close()
    source.close()
