"""What every kind of source keeps, so that the next kind knows what it is held to."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.kinds import KINDS
from support.trees import snapshot


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
