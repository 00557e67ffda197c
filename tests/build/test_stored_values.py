"""Rows that keep the values of the files: uint16, and unscaled floats."""

import cv2
import numpy as np
import pytest
from PIL import Image
from support.datasets import write_dataset
from support.images import photo, write
from support.trees import snapshot

import imgmem
from imgmem.core.errors import InputError, UsageError

SIZE = (40, 56)


def twelve(seed=0):
    return photo(*SIZE, seed)[:, :, 1].astype(np.uint16) * 16 + 7


def folder(path, count=8):
    for number in range(count):
        write(path / "ab"[number % 2] / f"{number:02}.png", twelve(number))
    return path


def in_order(count=8):
    return [*range(0, count, 2), *range(1, count, 2)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("deep") / "x")


@pytest.fixture
def kept(source, tmp_path):
    """A dataset of uint16 in native size, gray."""
    imgmem.build(source, tmp_path / "kept", size="native", channels="gray", dtype="uint16")
    return tmp_path / "kept"


def features(path):
    return np.load(path / "X.npy")


VALUES = np.stack([twelve(number) for number in in_order()])[..., None]


# Building --------------------------------------------------------------------------------


def test_uint16_keeps_every_value(kept):
    assert features(kept).dtype == np.uint16
    assert np.array_equal(features(kept), VALUES)


def test_unscaled_floats_are_the_values_of_the_files(source, tmp_path):
    imgmem.build(
        source, tmp_path / "out", size="native", channels="gray", dtype="float32", levels="none"
    )
    assert np.array_equal(features(tmp_path / "out"), VALUES.astype(np.float32))


def test_floats_without_levels_are_pixel_values_as_ever(source, tmp_path):
    imgmem.build(
        source, tmp_path / "out", size="native", channels="gray", dtype="float32", levels=(0, 4095)
    )
    wanted = np.rint(VALUES.astype(float) * 255 / 4095)
    assert np.array_equal(features(tmp_path / "out"), wanted.astype(np.float32))


@pytest.mark.parametrize("resize", ["auto", "area", "pillow"])
@pytest.mark.parametrize("size", [(20, 28), (17, 61), (90, 90)])
def test_values_are_resized_without_losing_precision(source, tmp_path, resize, size):
    imgmem.build(
        source, tmp_path / "out", size=size, channels="gray", dtype="uint16", resize=resize
    )
    rows = features(tmp_path / "out")[..., 0]
    values = VALUES[0, :, :, 0].astype(np.float32)
    if resize == "area" and size == (20, 28):
        wanted = cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA)
    else:
        image = Image.fromarray(values)
        wanted = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
    limit = 0.5001 if resize != "area" or size == (20, 28) else 400
    assert np.abs(rows[0] - wanted).max() <= limit
    assert len(np.unique(rows)) > 256


def test_one_value_stays_one_value(tmp_path):
    for number in range(2):
        write(tmp_path / "x" / f"{number}.png", np.full(SIZE, 3000 + number, np.uint16))
    for resize in ("auto", "area"):
        out = tmp_path / resize
        imgmem.build(tmp_path / "x", out, size=(17, 90), dtype="uint16", resize=resize)
        assert [np.unique(row).tolist() for row in features(out)] == [[3000], [3001]]


def test_colors_of_sixteen_bits_are_kept(tmp_path):
    picture = photo(*SIZE).astype(np.uint16) * 200 + 13
    (tmp_path / "x").mkdir()
    data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    (tmp_path / "x" / "0.png").write_bytes(data)
    imgmem.build(tmp_path / "x", tmp_path / "rgb", size="native", dtype="uint16")
    assert np.array_equal(features(tmp_path / "rgb")[0], picture)
    imgmem.build(tmp_path / "x", tmp_path / "gray", size="native", channels="gray", dtype="uint16")
    gray = picture.astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(features(tmp_path / "gray")[0, :, :, 0] - gray).max() <= 1


def test_images_of_eight_bits_alone_may_be_kept_too(tmp_path):
    write(tmp_path / "x" / "0.png", photo(*SIZE))
    imgmem.build(tmp_path / "x", tmp_path / "out", size="native", dtype="uint16")
    assert np.array_equal(features(tmp_path / "out")[0], photo(*SIZE))
    assert imgmem.stats(tmp_path / "out").window == (0, 255)


@pytest.mark.parametrize(
    "options", [{"dtype": "uint16"}, {"dtype": "float32", "levels": "none"}, {"levels": (0, 4095)}]
)
def test_images_of_eight_and_of_more_bits_are_a_doubt(tmp_path, options):
    source = folder(tmp_path / "x", count=2)
    write(source / "a" / "eight.jpg", photo(*SIZE))
    with pytest.raises(InputError) as caught:
        imgmem.build(source, tmp_path / "out", size=8, **options)
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["name"] == "mixed-depth"
    first = doubt["remedies"][0]["options"]
    assert first == {"include": ("*.png",)}
    assert imgmem.build(source, tmp_path / "out", size=8, **options | first).shape[0] == 2


def test_floats_of_a_tiff_are_kept_and_do_not_fit_into_uint16(tmp_path):
    values = (photo(*SIZE)[:, :, 0].astype(np.float32) - 128) / 7
    write(tmp_path / "x" / "0.tif", values)
    out = tmp_path / "out"
    imgmem.build(tmp_path / "x", out, size="native", dtype="float32", levels="none")
    assert np.array_equal(features(out)[0, :, :, 0], values)
    found = imgmem.stats(out)
    assert found.window == (pytest.approx(values.min()), pytest.approx(values.max()))
    assert found.channels["all"][0].mean == pytest.approx(values.astype(float).mean())
    assert found.standardize is None
    with pytest.raises(InputError, match="float32"):
        imgmem.build(tmp_path / "x", tmp_path / "other", size="native", dtype="uint16")


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "uint16", "levels": (0, 4095)},
        {"dtype": "uint8", "levels": "none"},
        {"dtype": "uint16", "background": (255, 255, 255)},
    ],
)
def test_options_that_contradict_each_other_are_refused(source, tmp_path, options):
    with pytest.raises(UsageError):
        imgmem.build(source, tmp_path / "out", **options)
    with pytest.raises(UsageError):
        imgmem.estimate(source, **options)


def test_the_rows_do_not_depend_on_workers_memory_or_executors(source, tmp_path):
    built = []
    for number, run in enumerate(
        (
            {"workers": 1},
            {"workers": 3, "memory": "128MiB"},
            {"workers": 2, "executor": "processes"},
        )
    ):
        out = tmp_path / str(number)
        imgmem.build(source, out, size=24, dtype="uint16", split={"train": 0.5, "val": 0.5}, **run)
        built.append(snapshot(out))
    assert built[0] == built[1] == built[2]


def test_padding_is_zero(source, tmp_path):
    imgmem.build(source, tmp_path / "out", size=(56, 56), fit="pad", dtype="uint16")
    rows = features(tmp_path / "out")
    assert not rows[:, :8].any()
    assert np.array_equal(rows[0, 8:48, :, 0], VALUES[0, :, :, 0])


# Statistics ------------------------------------------------------------------------------


def test_statistics_are_exact_in_65536_bins(kept):
    found = imgmem.stats(kept)
    (channel,) = found.channels["all"]
    wide = VALUES.astype(float)
    assert channel.mean == wide.mean()
    assert channel.std == pytest.approx(wide.std(), rel=1e-12)
    assert (channel.minimum, channel.maximum) == (VALUES.min(), VALUES.max())
    assert channel.histogram == np.bincount(VALUES.reshape(-1), minlength=65536).tolist()
    assert found.window == (0, 4095)


def test_sums_of_uint16_do_not_overflow():
    from imgmem.core.levels.histograms import PixelSums

    counts = np.zeros((1, 65536), np.int64)
    counts[0, 65535] = 2**30
    sums = PixelSums.none(1)
    for _ in range(8):
        sums += PixelSums.of(counts)
    mean, std = sums.mean_std()
    assert (mean[0], std[0]) == (65535, 0)
    assert sums.squares[0] == 2**33 * 65535**2 > 2**63


def test_rows_are_looked_at_through_the_window(kept):
    facts = np.load(kept / "rows.npy")
    shown = np.rint(VALUES.astype(float) * 255 / 4095)
    assert facts["brightness"] == pytest.approx(shown.mean((1, 2, 3)), abs=1)
    sample = imgmem.sample(kept, rows=[0, 5])
    assert np.array_equal(sample.images, VALUES[[0, 5]])
    assert np.abs(sample.pixels - shown[[0, 5]]).max() <= 1


def test_a_report_is_written(kept, tmp_path):
    imgmem.stats(kept, report=tmp_path / "report.html", by_class=True)
    text = (tmp_path / "report.html").read_text()
    assert "4095" in text


def test_the_histograms_are_part_of_the_memory_that_stats_plans():
    from imgmem.core import forecast

    common = {"rows": 1000, "row_bytes": 10_000, "floats": False, "workers": None, "cpus": 64}
    common["budget"] = 2**28
    few = forecast.scan_workers(**common, histogram_bytes=3 * 256 * 8, parts=3)
    fewer = forecast.scan_workers(**common, histogram_bytes=3 * 65536 * 8, parts=3)
    assert 1 <= fewer < few


# Normalizing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "rescale"},
        {"method": "minmax"},
        {"mean": 0.03, "std": 0.01},
        {"mean": 2000, "std": 900},
    ],
    ids=str,
)
def test_uint16_is_normalized_and_undone_to_the_byte(kept, options):
    before = snapshot(kept)
    result = imgmem.normalize(kept, **options)
    done = result.normalization
    wide = np.float64 if options.get("method") else np.float32
    offset, scale = (np.array(n).astype(wide) for n in (done.offset, done.scale))
    assert np.array_equal(features(kept), ((VALUES.astype(wide) - offset) * scale).astype("f4"))
    imgmem.undo_normalize(kept)
    assert snapshot(kept) == before


def test_rescale_is_zero_to_one_and_minmax_reaches_both(kept):
    imgmem.normalize(kept, method="minmax")
    assert (features(kept).min(), features(kept).max()) == (0, 1)
    imgmem.undo_normalize(kept)
    imgmem.normalize(kept, method="rescale")
    assert features(kept).max() == np.float32(VALUES.max() / 65535)


@pytest.mark.parametrize("channels", ["rgb", "gray"])
def test_values_of_all_65536_kinds_come_back(tmp_path, channels):
    depth = 3 if channels == "rgb" else 1
    values = np.random.default_rng(0).permutation(65536 * depth) % 65536
    images = values.astype(np.uint16).reshape(16, 64, 64, depth)
    image = {"window": [0, 65535]}
    path = write_dataset(tmp_path / "all", images, image=image, requires=("levels",))
    before = snapshot(path)
    imgmem.normalize(path)
    assert len(np.unique(features(path)[..., 0])) > 40_000 / depth
    imgmem.undo_normalize(path)
    assert snapshot(path) == before


def test_float16_is_refused_in_place_only(kept, tmp_path):
    before = snapshot(kept)
    with pytest.raises(UsageError, match="float16"):
        imgmem.normalize(kept, dtype="float16")
    assert snapshot(kept) == before
    imgmem.normalize(kept, dtype="float16", to=tmp_path / "half")
    assert features(tmp_path / "half").dtype == np.float16
    with pytest.raises(UsageError, match="float16"):
        imgmem.undo_normalize(tmp_path / "half")
    imgmem.normalize(kept, dtype="float16", on_read=True)
    assert features(kept).dtype == np.uint16


@pytest.mark.parametrize("scale", [255, 65535])
def test_the_scale_of_constants_is_that_of_the_values(kept, scale):
    if scale == 255:
        with pytest.raises(UsageError, match="65535"):
            imgmem.normalize(kept, mean=100, std=9, scale=scale)
    else:
        done = imgmem.normalize(kept, mean=0.5, std=0.25, scale=scale).normalization
        assert done.offset == (0.5,)


def test_constants_of_other_ranges_are_refused(kept, source, tmp_path):
    imgmem.build(source, tmp_path / "eight", size="native", channels="gray", levels=(0, 4095))
    with pytest.raises(UsageError, match="65535"):
        imgmem.normalize(kept, stats_from=tmp_path / "eight", allow_mismatch=True)


def test_unscaled_floats_are_not_normalized(source, tmp_path):
    imgmem.build(source, tmp_path / "out", size=8, dtype="float32", levels="none")
    before = snapshot(tmp_path / "out")
    with pytest.raises(UsageError, match="restored"):
        imgmem.normalize(tmp_path / "out")
    assert snapshot(tmp_path / "out") == before


# Reading ---------------------------------------------------------------------------------


def batch(path, **options):
    with imgmem.open(path) as dataset:
        images, *_ = next(iter(dataset.batches(8, order="sequential", **options)))
        return images.copy()


@pytest.mark.parametrize("method", ["standardize", "rescale", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("channels", ["rgb", "gray"])
def test_normalized_on_reading_is_what_normalize_writes(
    source, tmp_path, method, dtype, layout, channels
):
    out = tmp_path / "out"
    imgmem.build(source, out, size=16, channels=channels, dtype="uint16")
    imgmem.normalize(out, method=method, dtype=dtype, to=tmp_path / "written")
    imgmem.normalize(out, method=method, dtype=dtype, on_read=True)
    written = features(tmp_path / "written")
    if layout == "NCHW":
        written = written.transpose(0, 3, 1, 2)
    assert np.array_equal(batch(out, layout=layout), written)


def test_batches_are_uint16_as_stored_or_floats_of_the_values(kept):
    assert np.array_equal(batch(kept), VALUES)
    assert batch(kept).dtype == np.uint16
    assert np.array_equal(batch(kept, dtype="float32"), VALUES.astype(np.float32))
    mean, std = np.float32(100), np.float32(1 / 50)
    wanted = (VALUES.astype(np.float32) - mean) * std
    assert np.array_equal(batch(kept, normalize=([100], [50])), wanted)
    for dtype in ("uint8", "float16"):
        with pytest.raises(UsageError, match=dtype):
            batch(kept, dtype=dtype)


def test_a_uint16_dataset_is_a_source_with_its_values(kept, tmp_path):
    imgmem.build(kept, tmp_path / "again", size="native", channels="gray", dtype="uint16")
    assert np.array_equal(features(tmp_path / "again"), VALUES)
    imgmem.normalize(kept)
    imgmem.build(kept, tmp_path / "undone", size="native", channels="gray", dtype="uint16")
    assert np.array_equal(features(tmp_path / "undone"), VALUES)


def test_unscaled_floats_are_no_source(source, tmp_path):
    imgmem.build(source, tmp_path / "out", size=8, dtype="float32", levels="none")
    with pytest.raises(InputError, match="unscaled"):
        imgmem.build(tmp_path / "out", tmp_path / "again")


def test_a_window_that_is_not_a_range_is_damage(kept):
    text = (kept / "dataset.json").read_text()
    for odd in ("[1, 1]", '"x"', "[0]", "null"):
        changed = text.replace('"window": [\n   0.0,\n   4095.0\n  ]', f'"window": {odd}')
        assert changed != text
        (kept / "dataset.json").write_text(changed)
        with pytest.raises(imgmem.DatasetError, match="window"):
            imgmem.open(kept)
