"""`imgmem.open`: indexing, arrays, pickling, and what happens when the file is bad."""

import multiprocessing
import os
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.numbered import ON_READ, numbered_images, numbers_of, put_numbers, reference

import imgmem
from imgmem.core.errors import DatasetError, ImgmemError, InputError, UsageError
from imgmem.core.read.row_reader import RowReader
from imgmem.core.storage.locks import Lock


def test_a_split_has_its_own_rows_labels_and_counts(numbered):
    dataset = imgmem.open(numbered(splits={"train": (0, 70), "val": (70, 100)}), split="val")
    assert len(dataset) == 30
    assert numbers_of(dataset.images) == list(range(70, 100))
    assert dataset.labels.tolist() == np.resize((0, 0, 0, 0, 1, 1, 2), 100)[70:].tolist()
    assert dataset.class_counts.tolist() == np.bincount(dataset.labels).tolist()
    assert dataset.classes == ["c0", "c1", "c2"]


def test_a_class_without_rows_is_counted_as_zero(numbered):
    dataset = imgmem.open(numbered(labels=(0, 2), classes=("a", "b", "c", "d")))
    assert dataset.class_counts.tolist() == [50, 0, 50, 0]


def test_an_unknown_split_is_named(numbered):
    with pytest.raises(UsageError, match="'test'"):
        imgmem.open(numbered(), split="test")


FOLDS = {
    "test": (0, 20),
    "fold1": (20, 40),
    "fold2": (40, 60),
    "fold3": (60, 85),
    "extra": (90, 100),
}


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        (["fold1", "fold2"], [*range(20, 60)]),
        (["fold3", "fold1"], [*range(20, 40), *range(60, 85)]),
        (("test",), [*range(20)]),
        ("!fold2", [*range(20, 40), *range(60, 85)]),
        (["!fold1", "!fold3"], [*range(40, 60)]),
        ("!extra", [*range(90)]),
        ("!test", [*range(20, 100)]),
        (["!test", "!fold2"], [*range(20, 40), *range(60, 100)]),
    ],
    ids=str,
)
def test_several_splits_and_all_but_some_are_read_as_one(numbered, split, rows):
    path = numbered(splits=FOLDS)
    everything, dataset = imgmem.open(path), imgmem.open(path, split)
    assert numbers_of(dataset[:][0]) == rows
    assert dataset.labels.tolist() == everything.labels[rows].tolist()
    assert len(dataset) == len(rows)
    assert dataset.class_counts.sum() == len(rows)
    assert sorted(n for images, _ in dataset.batches(7) for n in numbers_of(images)) == rows
    assert numbers_of(dataset[[-1, 0]][0]) == [rows[-1], rows[0]]
    assert numbers_of(pickle.loads(pickle.dumps(dataset))[:][0]) == rows


def test_adjacent_splits_are_one_memory_map_and_others_say_why_not(numbered):
    path = numbered(splits=FOLDS)
    assert numbers_of(imgmem.open(path, ["fold2", "fold1"]).images) == [*range(20, 60)]
    with pytest.raises(UsageError, match="fold1,fold3"):
        _ = imgmem.open(path, ["fold1", "fold3"]).images


@pytest.mark.parametrize(
    ("split", "error"),
    [
        ([], UsageError),
        (["fold1", "fold1"], UsageError),
        (["fold1", "!fold2"], UsageError),
        (["fold1", "fold9"], UsageError),
        ("!fold9", UsageError),
        (["!fold1", "!fold2", "!fold3"], UsageError),
    ],
    ids=str,
)
def test_splits_that_contradict_each_other_or_do_not_exist_are_refused(numbered, split, error):
    path = numbered(splits=FOLDS)
    with pytest.raises(error):
        imgmem.open(path, split)
    Lock(str(path), exclusive=True).release()


def test_a_failed_open_leaves_the_dataset_unlocked(numbered):
    path = numbered()
    with pytest.raises(UsageError):
        imgmem.open(path, split="test")
    Lock(str(path), exclusive=True).release()


indices = st.one_of(
    st.slices(20),
    st.integers(-20, 19),
    st.lists(st.integers(-20, 19), max_size=30),
    st.lists(st.booleans(), min_size=20, max_size=20).map(lambda mask: np.array(mask, bool)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(index=indices)
def test_every_kind_of_index_selects_as_numpy_does(tmp_path_factory, numbered, index):
    path = tmp_path_factory.getbasetemp() / "indexed"
    if not path.exists():
        numbered(20, name=path)
    dataset = imgmem.open(path)
    images, labels = dataset[index]
    index = np.array(index, int) if isinstance(index, list) else index
    assert np.array_equal(images, numbered_images(20)[index])
    assert np.array_equal(labels, dataset.labels[index])


@pytest.mark.parametrize("index", [100, -101, [0, 100], [-101], [0.5], [[1, 2]], "train", None])
def test_an_index_that_numpy_would_refuse_is_an_index_error(numbered, index):
    with pytest.raises((IndexError, TypeError)):
        imgmem.open(numbered())[index]


def test_iterating_over_a_dataset_ends_after_its_last_row(numbered):
    dataset = imgmem.open(numbered(7))
    assert [numbers_of(image[None])[0] for image, _ in dataset] == list(range(7))


def test_an_unlabeled_dataset_gives_images_alone(numbered):
    dataset = imgmem.open(numbered(labels=None))
    assert dataset.labels is None
    assert dataset.classes is None
    assert dataset.class_counts is None
    assert dataset[3].shape == (6, 10, 3)
    assert numbers_of(dataset[3:5]) == [3, 4]


def test_what_was_recorded_to_do_on_read_is_done_by_indexing(numbered):
    dataset = imgmem.open(numbered(normalization=ON_READ))
    assert dataset.images.dtype == np.uint8
    images, _ = dataset[[5, 3]]
    assert images.dtype == np.float32
    assert np.array_equal(images, reference(numbered_images(100)[[5, 3]]))


def test_the_map_cannot_be_written_to_and_what_is_indexed_can(numbered):
    path = numbered()
    before = (path / "X.npy").read_bytes()
    dataset = imgmem.open(path)
    with pytest.raises(ValueError, match="read-only"):
        dataset.images[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        dataset.labels[0] = 1
    images, labels = dataset[0:2]
    images[:], labels[:] = 0, 9
    assert (path / "X.npy").read_bytes() == before
    assert dataset.labels[0] == 0


def test_a_pickled_dataset_is_small_and_opens_again(numbered):
    dataset = imgmem.open(numbered(splits={"val": (70, 100)}), split="val")
    data = pickle.dumps(dataset)
    assert len(data) < 400
    assert np.array_equal(pickle.loads(data)[3:9][0], dataset[3:9][0])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_dataset_reads_in_another_process(numbered, method):
    dataset = imgmem.open(numbered())
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=put_numbers, args=(dataset, slice(10, 13), queue))
    child.start()
    assert queue.get(timeout=60) == [10, 11, 12]
    child.join()


def _is_locked(path):
    try:
        Lock(str(path), exclusive=True).release()
    except DatasetError:
        return True
    return False


def test_the_lock_is_held_until_close(numbered):
    path = numbered()
    with imgmem.open(path):
        assert _is_locked(path)
    assert not _is_locked(path)


@pytest.mark.parametrize(
    "use",
    [
        lambda dataset: dataset.images,
        lambda dataset: dataset.images[3],
        lambda dataset: dataset.batches(10),
        lambda dataset: iter(dataset.batches(10)),
    ],
    ids=["images", "image", "batches", "iterator"],
)
def test_whatever_still_reads_the_file_keeps_the_lock(numbered, use):
    path = numbered()
    in_use = use(imgmem.open(path))
    assert _is_locked(path)
    del in_use
    assert not _is_locked(path)


def test_a_closed_dataset_says_so(numbered):
    dataset = imgmem.open(numbered())
    batches = dataset.batches(10)
    dataset.close()
    for use in (lambda: dataset[0], lambda: dataset.images, lambda: next(iter(batches))):
        with pytest.raises(DatasetError, match="closed"):
            use()


def test_a_file_that_is_cut_while_open_is_an_error_and_not_a_crash(numbered):
    path = numbered()
    dataset = imgmem.open(path)
    os.truncate(path / "X.npy", 128 + 50 * 180 + 7)
    assert numbers_of(dataset[40:50][0]) == list(range(40, 50))
    with pytest.raises(DatasetError, match="is truncated"):
        dataset[45:55]


def test_an_error_of_the_disk_names_the_file(numbered, monkeypatch):
    dataset = imgmem.open(numbered())

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(DatasetError, match=r"X\.npy failed: Input/output error"):
        dataset[3]


def test_short_reads_are_continued(numbered, monkeypatch):
    dataset = imgmem.open(numbered())
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, views, at: preadv(fd, [views[0][:11]], at))
    assert np.array_equal(dataset[:][0], numbered_images(100))


def test_rows_read_the_same_without_preadv_and_fadvise(numbered, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    monkeypatch.delattr(os, "posix_fadvise")
    dataset = imgmem.open(numbered())
    assert numbers_of(dataset[[7, 99, 3]][0]) == [7, 99, 3]
    batches = dataset.batches(32, spec=imgmem.BatchSpec(threads=2))
    assert sorted(n for images, _ in batches for n in numbers_of(images)) == list(range(100))


def test_a_read_that_overlaps_with_closing_never_returns(numbered, monkeypatch):
    dataset = imgmem.open(numbered())
    preadv = os.preadv

    def close_meanwhile(*args):
        dataset.close()
        return preadv(os.open(__file__, os.O_RDONLY), *args[1:])  # the descriptor's next owner

    monkeypatch.setattr(os, "preadv", close_meanwhile)
    with pytest.raises(DatasetError, match="closed"):
        dataset[3]


def hints(monkeypatch, *, is_cached):
    """Where the disk is asked to read ahead, of a file that is in memory or is not."""
    asked = []

    def preadv(fd, buffers, offset, flags=0):
        if flags and not is_cached:
            raise BlockingIOError
        return len(buffers[0])

    monkeypatch.setattr(os, "posix_fadvise", lambda fd, start, size, _: asked.append((start, size)))
    monkeypatch.setattr(os, "preadv", preadv)
    return asked


def test_the_disk_is_asked_for_nothing_that_is_in_memory(numbered, monkeypatch):
    asked = hints(monkeypatch, is_cached=True)
    imgmem.open(numbered())._reader.will_need(np.array([9, 3, 4, 5, 4]))
    assert asked == []


def test_the_disk_is_asked_for_neighbors_in_one_request(numbered, monkeypatch):
    asked = hints(monkeypatch, is_cached=False)
    reader: RowReader = imgmem.open(numbered())._reader
    reader.will_need(np.array([9, 3, 4, 5, 4]))
    assert asked == [(128 + 3 * 180, 3 * 180), (128 + 9 * 180, 180)]


def test_every_error_of_opening_is_one_of_ours(tmp_path):
    with pytest.raises(ImgmemError):
        imgmem.open(tmp_path / "nothing")


NAMES = [f"c{row % 3}/{row:03}.png" for row in range(100)]
NAMES[5], NAMES[50] = 'a "quoted", name.png', "two\nlines.png"


@pytest.mark.parametrize(
    "rows", [None, [7, 5, 50, -1, 5], slice(48, 53), np.arange(100) % 2 == 0, []], ids=str
)
@pytest.mark.parametrize("split", [None, "val", ["train", "test"]], ids=str)
def test_paths_are_those_of_the_rows(numbered, split, rows):
    path = numbered(names=NAMES, splits={"train": (0, 60), "val": (60, 80), "test": (80, 100)})
    dataset = imgmem.open(path, split)
    everything = np.array(NAMES, object)[numbers_of(dataset[:][0])]
    if isinstance(rows, np.ndarray):
        rows = rows[: len(everything)]
    if isinstance(rows, list) and len(everything) < 51:
        rows = [row % len(everything) for row in rows]
    assert dataset.paths(rows) == everything[slice(None) if rows is None else rows].tolist()


def test_a_column_is_a_mask_away_from_its_rows(numbered):
    dataset = imgmem.open(numbered(splits={"val": (60, 100)}), "val")
    rows = np.flatnonzero(dataset.column("class") == "c2")
    assert rows.tolist() == np.flatnonzero(dataset.labels == 2).tolist()
    assert numbers_of(dataset[dataset.column("class") == "c2"][0]) == (rows + 60).tolist()
    with pytest.raises(UsageError, match="no column 'patient'"):
        dataset.column("patient")


@pytest.mark.parametrize("damage", ["missing", "short", "binary", "empty"])
def test_a_damaged_table_of_rows_is_named(numbered, damage):
    path = numbered()
    table = path / "rows.csv"
    data = table.read_bytes()
    table.unlink()
    if damage != "missing":
        kinds = {"short": data[:2000], "binary": data[:900] + b"\xff\n" * 200, "empty": b""}
        table.write_bytes(kinds[damage])
    with pytest.raises((DatasetError, InputError), match=r"rows\.csv"):
        imgmem.open(path).paths([99])


def test_rejected_images_are_listed_with_their_reasons(numbered):
    path = numbered()
    assert imgmem.open(path).rejected() == []
    (path / "rejected.csv").write_text('path,reason,detail\na.jpg,truncated,x\n"b,c.png",empty,\n')
    found = imgmem.open(path).rejected()
    assert found == [("a.jpg", "truncated"), ("b,c.png", "empty")]
    assert found[0].reason == "truncated"


@pytest.mark.parametrize("labels", [(0, 1), None])
def test_row_numbers_come_with_batches(numbered, labels):
    dataset = imgmem.open(numbered(labels=labels, splits={"val": (60, 100)}), "val")
    for images, *others, rows in dataset.batches(7, rows=True):
        assert numbers_of(images) == (rows + 60).tolist()
        assert rows.dtype == np.int64
        assert [part.tolist() for part in others] == (
            [] if labels is None else [(rows % 2).tolist()]
        )


def test_batches_share_the_rows_among_ranks(numbered):
    dataset = imgmem.open(numbered())
    parts = [
        [
            row
            for images, _ in dataset.batches(9, rank=rank, world_size=3)
            for row in numbers_of(images)
        ]
        for rank in range(3)
    ]
    assert [len(part) for part in parts] == [34] * 3
    assert {row for part in parts for row in part} == set(range(100))


def test_a_keyword_replaces_the_field_of_the_spec(numbered):
    dataset = imgmem.open(numbered())
    batches = dataset.batches(30, spec=imgmem.BatchSpec(drop_last=True), layout="NCHW")
    assert [images.shape for images, _ in batches] == [(30, 3, 6, 10)] * 3
    with pytest.raises(TypeError, match="lay_out"):
        dataset.batches(30, lay_out="NCHW")
