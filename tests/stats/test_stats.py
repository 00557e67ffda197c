"""`stats`: what a dataset is said to hold is what it holds."""

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.program import python

import imgmem
from imgmem.core.errors import DatasetError, UsageError
from imgmem.core.forecast import BASE_BYTES
from imgmem.core.specs import RunSpec
from imgmem.core.stats import scan
from imgmem.core.storage.record import Normalization


def photos(count, side=40, first=0):
    return np.stack([photo(side, side, seed) for seed in range(first, first + count)])


@pytest.fixture
def dataset(tmp_path):
    labels = [0, 0, 0, 0, 1, 1, 2, 0, 0, 1]
    return write_dataset(
        tmp_path / "set",
        photos(10),
        labels,
        classes=["ant", "bee", "cow"],
        splits={"train": (0, 7), "val": (7, 10)},
    )


def test_shape_dtype_and_size_on_disk_are_the_files(dataset):
    stats = imgmem.stats(dataset)
    assert stats.shape == (10, 40, 40, 3)
    assert stats.dtype == "uint8"
    assert stats.bytes == sum(file.stat().st_size for file in dataset.iterdir())


def test_classes_are_counted_in_all_and_by_split(dataset):
    stats = imgmem.stats(dataset)
    found = {each.name: (each.label, each.rows, each.splits) for each in stats.classes}
    assert found == {
        "ant": (0, 6, {"train": 4, "val": 2}),
        "bee": (1, 3, {"train": 2, "val": 1}),
        "cow": (2, 1, {"train": 1, "val": 0}),
    }
    assert stats.balance == 6


def test_an_empty_class_has_no_balance(tmp_path):
    path = write_dataset(tmp_path / "set", photos(3), [0, 0, 2])
    assert imgmem.stats(path).balance is None


def test_channels_are_those_of_all_rows_and_of_each_split(dataset):
    images = np.load(dataset / "X.npy")
    stats = imgmem.stats(dataset)
    for name, rows in {"all": images, "train": images[:7], "val": images[7:]}.items():
        for c, channel in enumerate(stats.channels[name]):
            values = rows[..., c].astype(np.float64)
            assert channel.mean == pytest.approx(values.mean(), rel=1e-13)
            assert channel.std == pytest.approx(values.std(), rel=1e-12)
            assert (channel.minimum, channel.maximum) == (values.min(), values.max())
            assert channel.histogram == np.bincount(rows[..., c].ravel(), minlength=256).tolist()


def test_rows_outside_of_all_splits_count_to_all_only(tmp_path):
    images = photos(9)
    path = write_dataset(tmp_path / "set", images, splits={"train": (2, 4), "val": (6, 8)})
    stats = imgmem.stats(path)
    assert list(stats.channels) == ["all", "train", "val"]
    assert stats.channels["all"][0].mean == pytest.approx(images[..., 0].mean(), rel=1e-12)


def test_a_split_is_described_by_itself(dataset):
    stats = imgmem.stats(dataset, split="val")
    assert stats.shape == (3, 40, 40, 3)
    assert [each.rows for each in stats.classes] == [2, 1, 0]
    assert list(stats.channels) == ["val"]
    assert stats.channels["val"] == imgmem.stats(dataset).channels["val"]


def test_standardize_would_use_the_train_split(dataset):
    stats = imgmem.stats(dataset)
    train = np.load(dataset / "X.npy")[:7].reshape(-1, 3)
    assert stats.standardize.split == "train"
    assert stats.standardize.mean == pytest.approx(train.mean(0), rel=1e-13)
    assert stats.standardize.std == pytest.approx(train.std(0), rel=1e-12)


def test_neither_windows_nor_workers_change_a_figure(dataset, monkeypatch):
    def figures(workers):
        stats = imgmem.stats(dataset, by_class=True, run=RunSpec(workers=workers))
        return stats.channels, stats.classes, stats.findings

    first = figures(1)
    monkeypatch.setattr(scan, "WINDOW_BYTES", 10_000)
    assert figures(1) == first
    assert figures(3) == first


def test_by_class_gives_the_pixel_values_of_each_class(dataset):
    images, labels = np.load(dataset / "X.npy"), np.load(dataset / "y.npy")
    for each in imgmem.stats(dataset, by_class=True).classes:
        pixels = images[labels == each.label].reshape(-1, 3)
        assert each.mean == pytest.approx(pixels.mean(0), rel=1e-13)
        assert each.std == pytest.approx(pixels.std(0), rel=1e-12)
        assert (each.minimum, each.maximum) == (pixels.min(0).tolist(), pixels.max(0).tolist())


def test_large_datasets_count_levels_in_some_rows_only(dataset, monkeypatch):
    everything = imgmem.stats(dataset)
    monkeypatch.setattr(scan, "HISTOGRAM_BYTES", 1)
    monkeypatch.setattr(scan, "SAMPLE_BYTES", 3 * 40 * 40 * 3)
    monkeypatch.setattr(scan, "SPLIT_ROWS", 1)
    seen = []
    for window in (1, 10_000, 1_000_000):
        monkeypatch.setattr(scan, "WINDOW_BYTES", window)
        stats = imgmem.stats(dataset)
        assert stats.standardize == everything.standardize
        assert stats.histogram_step == 3
        seen.append([channel.histogram for channel in stats.channels["all"]])
    some = np.load(dataset / "X.npy")[[0, 3, 6, 9]]
    assert (
        seen == [[np.bincount(some[..., c].ravel(), minlength=256).tolist() for c in range(3)]] * 3
    )


def test_levels_are_counted_in_some_rows_of_the_smallest_split(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "HISTOGRAM_BYTES", 1)
    monkeypatch.setattr(scan, "SAMPLE_BYTES", 1)
    monkeypatch.setattr(scan, "SPLIT_ROWS", 5)
    images = np.zeros((150, 2, 2, 3), np.uint8)
    path = write_dataset(tmp_path / "set", images, splits={"train": (0, 139), "val": (139, 150)})
    stats = imgmem.stats(path)
    assert stats.histogram_step == 2
    assert sum(stats.channels["val"][0].histogram) >= 5 * 2 * 2
    assert sum(imgmem.stats(path, split="val").channels["val"][0].histogram) >= 5 * 2 * 2


def test_datasets_up_to_the_limit_count_levels_in_every_row(dataset, monkeypatch):
    monkeypatch.setattr(scan, "SAMPLE_BYTES", 1)
    monkeypatch.setattr(scan, "SPLIT_ROWS", 1)
    pixels = np.load(dataset / "X.npy").size
    monkeypatch.setattr(scan, "HISTOGRAM_BYTES", pixels)
    assert imgmem.stats(dataset).histogram_step == 1
    monkeypatch.setattr(scan, "HISTOGRAM_BYTES", pixels - 1)
    assert imgmem.stats(dataset).histogram_step > 1


def test_a_class_without_rows_has_no_levels(tmp_path):
    path = write_dataset(tmp_path / "set", photos(2), [1, 1])
    empty, _ = imgmem.stats(path, by_class=True).classes
    assert (empty.rows, empty.mean) == (0, None)


def test_an_empty_split_has_no_rows_and_no_channels(tmp_path):
    splits = {"train": (0, 2), "val": (2, 2)}
    stats = imgmem.stats(write_dataset(tmp_path / "set", photos(2), splits=splits))
    assert stats.splits == {"train": 2, "val": 0}
    assert list(stats.channels) == ["all", "train"]


def test_unlabeled_datasets_have_no_classes(tmp_path):
    stats = imgmem.stats(write_dataset(tmp_path / "set", photos(3)))
    assert (stats.classes, stats.balance, stats.splits) == (None, None, {})


def normalized(tmp_path, images, dtype="float32"):
    offset, scale = (100.0, 110.0, 120.0), (1 / 60, 1 / 55, 1 / 50)
    values = ((images - np.array(offset)) * scale).astype(dtype)
    done = Normalization(
        method="given", offset=offset, scale=scale, dtype=dtype, source_dtype="uint8"
    )
    return write_dataset(tmp_path / "set", values, normalization=done), values


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_normalized_values_have_figures_as_stored_and_histograms_in_pixel_values(tmp_path, dtype):
    images = photos(6)
    path, values = normalized(tmp_path, images, dtype)
    stats = imgmem.stats(path)
    assert stats.standardize is None
    for c, channel in enumerate(stats.channels["all"]):
        assert channel.mean == pytest.approx(values[..., c].mean(dtype=np.float64), abs=1e-9)
        assert channel.std == pytest.approx(values[..., c].std(dtype=np.float64), rel=1e-9)
        assert channel.maximum == values[..., c].max()
        assert channel.histogram == np.bincount(images[..., c].ravel(), minlength=256).tolist()
    assert [finding for finding in stats.findings if finding.kind == "bad-values"] == []


def test_rows_with_values_that_cannot_be_are_found(tmp_path):
    path, _ = normalized(tmp_path, photos(6))
    values = np.memmap(path / "X.npy", np.float32, "r+", 128, (6, 40, 40, 3))
    values[1, 0, 0, 0] = np.nan
    values[2, 3, 4, 1] = -np.inf
    values[4, 5, 6, 2] = 1000
    stats = imgmem.stats(path)
    odd = next(finding for finding in stats.findings if finding.kind == "bad-values")
    assert [item.rows[0].row for item in odd.items] == [1, 2, 4]
    assert [channel.nan for channel in stats.channels["all"]] == [1, 0, 0]
    assert [channel.infinite for channel in stats.channels["all"]] == [0, 1, 0]


def test_float_rows_of_pixel_values_give_the_same_constants_as_bytes(tmp_path):
    images = photos(5)
    as_bytes = imgmem.stats(write_dataset(tmp_path / "a", images))
    as_floats = imgmem.stats(write_dataset(tmp_path / "b", images.astype(np.float32)))
    assert as_floats.standardize == as_bytes.standardize


def test_formats_and_sizes_of_the_sources_are_reported(dataset):
    sources = imgmem.stats(dataset).sources
    assert sources.formats == {"PNG": 10}
    assert sources.heights == sources.widths == (40, 40, 40)


def test_an_unknown_split_is_an_input_error(dataset):
    with pytest.raises(UsageError, match="no split 'dev'"):
        imgmem.stats(dataset, split="dev")


def test_a_budget_below_the_floor_is_a_usage_error_with_the_floor(dataset):
    with pytest.raises(UsageError) as caught:
        imgmem.stats(dataset, run=RunSpec(memory=2**20))
    assert caught.value.facts["floor_bytes"] > 2**20
    imgmem.stats(dataset, run=RunSpec(memory=caught.value.facts["floor_bytes"], workers=1))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("rows.npy", lambda path: path.unlink()),
        ("rows.npy", lambda path: path.write_bytes(path.read_bytes()[:-1])),
        ("X.npy", lambda path: path.write_bytes(path.read_bytes()[:-1])),
    ],
)
def test_damaged_files_are_named(dataset, name, damage):
    damage(dataset / name)
    with pytest.raises(DatasetError, match=name):
        imgmem.stats(dataset)


def peak_of(path, *lines):
    """The peak memory of `stats` in a process of its own, after some lines of code."""
    code = [
        "import sys, imgmem",
        "from imgmem.core.stats import scan",
        *lines,
        "print(imgmem.stats(sys.argv[1], run=imgmem.RunSpec(workers=2)).peak_memory)",
    ]
    return int(python("\n".join(code), path).stdout)


def test_memory_does_not_follow_the_rows(tmp_path):
    images = np.zeros((400, 160, 160, 3), np.uint8)
    images[:] = photo(160, 160)
    small_windows = "scan.WINDOW_BYTES = 2**18"  # so that few rows fill all buffers too
    few, many = (
        peak_of(write_dataset(tmp_path / str(rows), images[:rows]), small_windows)
        for rows in (40, 400)
    )
    assert many < few + 8 * 2**20


def test_nothing_is_written(dataset):
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in dataset.iterdir()}
    imgmem.stats(dataset, by_class=True)
    after = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in dataset.iterdir()}
    assert after == before


def test_memory_follows_the_rows_by_200_bytes_at_most(tmp_path):
    """What `plan_scan` promises: an interpreter's share, and the search for groups of rows."""
    rows = 40_000
    images = np.random.default_rng(0).integers(0, 256, (rows, 4, 4, 1)).astype(np.uint8)
    path = write_dataset(tmp_path / "set", images)
    assert peak_of(path) < BASE_BYTES + 200 * rows
