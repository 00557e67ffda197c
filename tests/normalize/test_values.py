"""What normalize makes of the features, and that undo takes it back."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.datasets import features, write_dataset
from support.trees import snapshot

import imgmem
from imgmem.core.errors import DatasetError, UsageError
from imgmem.core.levels import lookup
from imgmem.core.normalize.operation import normalize, undo_normalize
from imgmem.core.specs import NormalizeSpec, RunSpec
from imgmem.core.storage import store
from imgmem.core.storage.record import Normalization

TOLERANCE = {"float32": 1e-4, "float16": 1e-3}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_rows_that_gave_the_statistics_have_mean_0_and_std_1(dataset, dtype, depth):
    path = dataset(depth=depth)
    result = normalize(path, spec=NormalizeSpec(dtype=dtype))
    train = features(path)[:8].astype(np.float64)
    assert features(path).dtype == dtype
    assert result.normalization.rows == (0, 8)
    np.testing.assert_allclose(train.mean((0, 1, 2)), 0, atol=TOLERANCE[dtype])
    np.testing.assert_allclose(train.std((0, 1, 2)), 1, atol=TOLERANCE[dtype])


def test_without_a_train_split_all_rows_give_the_statistics(dataset):
    path = dataset(splits={"a": (0, 5), "b": (5, 12)})
    result = normalize(path)
    assert result.normalization.rows == (0, 12)
    np.testing.assert_allclose(features(path).mean((0, 1, 2), np.float64), 0, atol=1e-4)


@pytest.mark.parametrize(
    ("method", "wide"),
    [("standardize", np.float32), ("rescale", np.float64), ("minmax", np.float64)],
)
@pytest.mark.parametrize(
    ("source", "target"),
    [("uint8", "float32"), ("uint8", "float16"), ("float32", "float32")],
)
def test_values_are_what_numpy_makes_by_the_formula(dataset, method, wide, source, target):
    path = dataset(dtype=source)
    original = np.array(features(path), wide)
    done = normalize(path, spec=NormalizeSpec(method=method, dtype=target)).normalization
    expected = ((original - wide(done.offset)) * wide(done.scale)).astype(target)
    np.testing.assert_array_equal(features(path), expected)


def test_minmax_takes_the_least_to_0_and_the_largest_to_1(dataset):
    path = dataset()
    normalize(path, spec=NormalizeSpec(method="minmax"))
    train = features(path)[:8]
    assert train.min((0, 1, 2)).tolist() == [0, 0, 0]
    assert train.max((0, 1, 2)).tolist() == [1, 1, 1]


def test_rescale_takes_0_to_255_to_0_to_1(tmp_path):
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    path = write_dataset(tmp_path / "data", images)
    normalize(path, spec=NormalizeSpec(method="rescale"))
    assert features(path).min() == 0
    assert features(path).max() == 1


@pytest.mark.parametrize(("factor", "scale"), [(1, None), (1, 1), (255, None), (255, 255)])
def test_given_constants_mean_the_same_on_either_scale(dataset, factor, scale):
    path = dataset()
    original = np.array(features(path), np.float64)
    numbers = {name: tuple(n * factor for n in values) for name, values in IMAGENET.items()}
    result = normalize(path, spec=NormalizeSpec(method="given", scale=scale, **numbers))
    expected = (original / 255 - IMAGENET["mean"]) / IMAGENET["std"]
    np.testing.assert_allclose(features(path), expected, atol=1e-6)
    assert any("scale 0 to 1" in note for note in result.notes) == (factor == 1 and scale is None)


def test_constants_of_another_dataset_are_its_statistics_or_its_recorded_ones(dataset):
    train, one, other = dataset("train", rows=30), dataset("one"), dataset("other")
    spec = NormalizeSpec(stats_from=str(train))
    before = normalize(one, spec=spec).normalization
    normalize(train)
    after = normalize(other, spec=spec).normalization
    assert (before.offset, before.scale) == (after.offset, after.scale)
    assert before.rows is None
    assert (before.mean, before.std) == (after.mean, after.std)


def test_constants_of_a_dataset_that_is_normalized_otherwise_are_refused(dataset):
    train, other = dataset("train"), dataset("other")
    normalize(train, spec=NormalizeSpec(method="minmax"))
    with pytest.raises(UsageError, match="normalized by minmax, not by standardize"):
        normalize(other, spec=NormalizeSpec(stats_from=str(train)))


def test_constants_of_a_dataset_with_other_channels_are_refused(dataset):
    with pytest.raises(UsageError, match="1 channels, this dataset has 3"):
        normalize(dataset(), spec=NormalizeSpec(stats_from=str(dataset("gray", depth=1))))


def with_image(path, **options):
    """The same dataset as if it had been built with these image options."""
    record = store.read_record(str(path))
    store.write_record(str(path), replace(record, image=options))
    return path


BUILT = {"size": [8, 8], "native": False, "fit": "crop", "max_pixels": 10}


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize(
    ("other", "said"),
    [({"fit": "pad"}, "fit: pad → crop"), ({"size": [16, 8]}, r"size: \[16, 8\] → \[8, 8\]")],
)
def test_constants_of_a_dataset_with_other_image_options_are_taken_only_if_insisted_on(
    dataset, other, said, normalized
):
    train, path = with_image(dataset("train"), **BUILT | other), with_image(dataset(), **BUILT)
    if normalized:
        normalize(train)
    with pytest.raises(DatasetError, match=f"train has other image options: {said}") as caught:
        normalize(path, stats_from=train)
    assert "allow_mismatch=True" in caught.value.hint
    done = normalize(path, stats_from=train, allow_mismatch=True)
    assert done.status == "normalized"


@pytest.mark.parametrize("other", [{"max_pixels": 9}, {"native": True}])
def test_image_options_that_change_no_pixel_do_not_count(dataset, other):
    native = {"native": True} if "native" in other else {}
    train = with_image(dataset("train"), **BUILT | other | {"size": [9, 9]} if native else BUILT)
    path = with_image(dataset(), **BUILT | native)
    assert normalize(path, stats_from=train).status == "normalized"


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("block", [64, 4096, 2**24])
def test_the_result_depends_neither_on_chunks_nor_on_workers(dataset, workers, block):
    reference, path = dataset("reference"), dataset(block=block)
    normalize(reference)
    normalize(path, run=RunSpec(workers=workers))
    np.testing.assert_array_equal(features(path), features(reference))


@pytest.mark.parametrize("method", ["standardize", "rescale", "minmax"])
@pytest.mark.parametrize(
    ("source", "target"),
    [("uint8", "float32"), ("uint8", "float16"), ("float32", "float32")],
)
@pytest.mark.parametrize("block", [64, 2**24])
def test_undo_gives_the_whole_directory_back_byte_for_byte(dataset, method, source, target, block):
    path = dataset(dtype=source, block=block)
    before = snapshot(path)
    normalize(path, spec=NormalizeSpec(method=method, dtype=target))
    assert snapshot(path) != before
    assert undo_normalize(path).status == "undone"
    assert snapshot(path) == before


@pytest.mark.parametrize("spec", [NormalizeSpec(), NormalizeSpec(on_read=True)])
def test_the_same_again_is_already_done(dataset, spec):
    path = dataset()
    assert normalize(path, spec=spec).status == "normalized"
    before = snapshot(path)
    assert normalize(path, spec=spec).status == "already normalized"
    assert snapshot(path) == before


@pytest.mark.parametrize(
    "other",
    [
        NormalizeSpec(method="minmax"),
        NormalizeSpec(dtype="float16"),
        NormalizeSpec(on_read=True),
        NormalizeSpec(method="given", mean=(1.5,), std=(2,)),
    ],
)
def test_another_normalization_is_refused_and_undo_is_named(dataset, other):
    path = dataset()
    normalize(path)
    before = snapshot(path)
    with pytest.raises(
        DatasetError, match="already normalized differently: standardize, float32"
    ) as caught:
        normalize(path, spec=other)
    assert "undo=True" in caught.value.hint
    assert snapshot(path) == before


def test_the_same_constants_are_the_same_whatever_they_are_called(dataset):
    path = dataset()
    normalize(path, spec=NormalizeSpec(method="given", **IMAGENET))
    scaled = {name: tuple(n * 255 for n in values) for name, values in IMAGENET.items()}
    again = NormalizeSpec(method="given", scale=255, **scaled)
    assert normalize(path, spec=again).status == "already normalized"


def test_a_constant_channel_gets_scale_1_and_a_warning(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    images[..., 1] = 17
    for method in ("standardize", "minmax"):
        path = write_dataset(tmp_path / method, images)
        result = normalize(path, spec=NormalizeSpec(method=method))
        assert result.normalization.scale[1] == 1
        assert result.warnings == ("channel 1 is constant; its scale stays at 1",)
        assert (features(path)[..., 1] == 0).all()


@pytest.mark.parametrize(
    ("mean", "std", "dtype"),
    [(128.0, 1e-6, "float16"), (5000.0, 1.0, "float16"), (128.0, 1e-37, "float32"),
     (1e9, 1.0, "float32")],
)  # fmt: skip
def test_constants_that_merge_levels_or_overflow_are_refused_untouched(dataset, mean, std, dtype):
    path = dataset()
    before = snapshot(path)
    spec = NormalizeSpec(method="given", mean=(mean,), std=(std,), scale=255, dtype=dtype)
    with pytest.raises(UsageError, match="256 distinct, finite values"):
        normalize(path, spec=spec)
    assert snapshot(path) == before


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
    st.sampled_from(["float32", "float16"]),
    st.integers(0, 2),
)
def test_what_is_not_refused_can_be_undone(offset, scale, dtype, phase):
    """For any constants: either they are refused, or all 256 levels come back."""
    done = Normalization(
        method="given", offset=tuple(offset), scale=tuple(scale), dtype=dtype, source_dtype="uint8"
    )
    try:
        lookup.require_reversible(done)
    except UsageError:
        return
    gray = np.random.default_rng(0).integers(0, 256, 1000, np.uint8)
    values, back = np.empty(1000, dtype), np.empty(1000, np.uint8)
    lookup.apply(gray, lookup.table(done), phase, values)
    lookup.restore(values, done, phase, back)
    np.testing.assert_array_equal(back, gray)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.integers(0, 3), st.integers(0, 40))
def test_any_piece_of_interleaved_pixels_is_looked_up_by_its_channels(depth, phase, length):
    phase %= depth
    table = np.random.default_rng(depth).normal(size=(depth, 256)).astype(np.float32)
    gray = np.random.default_rng(length).integers(0, 256, length, np.uint8)
    out = np.empty(length, np.float32)
    lookup.apply(gray, table, phase, out)
    expected = [table[(phase + index) % depth, level] for index, level in enumerate(gray)]
    np.testing.assert_array_equal(out, np.array(expected, np.float32))


def test_float_to_a_narrower_float_is_refused(dataset):
    path = dataset(dtype="float32")
    with pytest.raises(UsageError, match="float32 features would lose precision as float16"):
        normalize(path, spec=NormalizeSpec(dtype="float16"))


@pytest.mark.parametrize("value", [0.5, -1, 256, np.nan, np.inf])
def test_float_features_that_are_not_the_pixel_values_are_refused_untouched(tmp_path, value):
    images = np.full((2, 3, 4, 3), 7, np.float32)
    images[1, 2, 3, 1] = value
    with np.errstate(invalid="ignore"):
        path = write_dataset(tmp_path / "data", images)
    before = snapshot(path)
    with pytest.raises(DatasetError, match="not whole numbers from 0 to 255"):
        normalize(path)
    assert snapshot(path) == before


def test_on_read_records_the_transform_and_leaves_the_features(dataset):
    path, twin = dataset(), dataset("twin")
    before = snapshot(path)
    result = normalize(path, spec=NormalizeSpec(on_read=True))
    in_place = normalize(twin).normalization
    changed = {name for name, data in snapshot(path).items() if data != before[name]}
    assert changed == {"dataset.json"}
    assert replace(result.normalization, on_read=False) == replace(in_place, original_crc32=None)
    undo_normalize(path)
    assert snapshot(path) == before


def test_on_read_is_for_uint8(dataset):
    with pytest.raises(UsageError, match="requires uint8 or uint16 features; these are float32"):
        normalize(dataset(dtype="float32"), spec=NormalizeSpec(on_read=True))


def test_undo_of_what_is_not_normalized_does_nothing(dataset):
    path = dataset()
    before = snapshot(path)
    assert undo_normalize(path).status == "not normalized"
    assert snapshot(path) == before


def test_undo_refuses_a_recorded_normalization_that_does_not_lead_back(dataset):
    """Before a byte is written: a record that was edited cannot cost the data."""
    path = dataset()
    normalize(path)
    record = json.loads((path / "dataset.json").read_text())
    record["normalization"]["offset"][0] += 1.0
    (path / "dataset.json").write_text(json.dumps(record))
    before = snapshot(path)
    with pytest.raises(DatasetError, match="does not invert"):
        undo_normalize(path)
    assert snapshot(path) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "given"},
        {"method": "given", "mean": (1.0,)},
        {"mean": (1.0,), "std": (1.0,)},
        {"scale": 255},
        {"method": "rescale", "stats_from": "x"},
        {"method": "given", "mean": (1.0, 2.0), "std": (1.0, 2.0)},
        {"method": "given", "mean": (0.5, 99.0, 99.0), "std": (50.0,)},
        {"method": "given", "mean": (0.5,), "std": (50.0,)},
        {"method": "given", "mean": (0.5,), "std": (0.0,)},
        {"method": "given", "mean": (float("nan"),), "std": (0.5,)},
    ],
)
def test_contradictory_or_senseless_options_are_a_usage_error(dataset, fields):
    with pytest.raises(UsageError):
        normalize(dataset(), spec=NormalizeSpec(**fields))


def test_a_new_dataset_is_written_and_the_first_stays_as_it_was(dataset, tmp_path):
    path, twin, new = dataset(), dataset("twin"), tmp_path / "new"
    before = snapshot(path)
    result = normalize(path, to=new)
    normalize(twin)
    assert (result.status, result.to) == ("normalized", str(new))
    assert snapshot(path) == before
    assert snapshot(new) == snapshot(twin)
    assert normalize(path, to=new).status == "already normalized"
    undo_normalize(new, to=tmp_path / "back")
    assert snapshot(tmp_path / "back") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back", "data", "new", "twin"]


def test_a_new_dataset_never_replaces_anything(dataset, tmp_path):
    path = dataset()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").touch()
    other = dataset("other", rows=5)
    for target in (tmp_path / "new", other):
        with pytest.raises(DatasetError, match="already exists"):
            normalize(path, to=target)


def test_a_normalized_dataset_is_not_written_again(dataset, tmp_path):
    path = dataset()
    normalize(path)
    with pytest.raises(DatasetError, match="is already normalized"):
        normalize(path, to=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_memory_below_the_floor_is_refused_with_the_floor(dataset):
    with pytest.raises(UsageError, match="below the floor") as caught:
        normalize(dataset(), run=RunSpec(memory=2**20))
    assert caught.value.facts["floor_bytes"] > 2**20


def test_imgmem_opens_what_was_normalized(dataset):
    path = dataset()
    normalize(path)
    with imgmem.open(path, split="val") as opened:
        assert opened.images.dtype == np.float32
        assert opened.normalization.method == "standardize"


def test_a_scale_beyond_float32_is_refused_without_warnings(dataset):
    spec = NormalizeSpec(method="given", mean=(0.0,), std=(1e-40,), scale=255)
    with pytest.raises(UsageError, match="distinct, finite"):
        normalize(dataset(), spec=spec)
