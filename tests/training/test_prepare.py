"""One new image as a row of a dataset: the very bytes that `build` and `normalize` write."""

import shutil

import cv2
import numpy as np
import pytest
from support.images import photo, write

import imgmem
from imgmem.core.errors import DatasetError, InputError, UsageError

OPTIONS = [
    {"size": 16},
    {"size": (12, 20), "fit": "crop"},
    {"size": 16, "fit": "pad", "background": (9, 8, 7), "resize": "area"},
    {"size": 16, "channels": "gray", "resize": "pillow"},
    {"size": 16, "fit": "crop", "shorter": 20},
    {"size": 16, "dtype": "float32"},
    {"size": 16, "dtype": "uint16"},
]


@pytest.fixture
def source(tmp_path):
    for number in range(6):
        write(tmp_path / "src" / "ab"[number % 2] / f"{number}.jpg", photo(33, 47, seed=number))
    return tmp_path / "src"


def row_of(path, name):
    dataset = imgmem.open(path)
    return dataset[dataset.paths().index(name)][0]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_is_the_row_that_build_makes(source, tmp_path, options):
    imgmem.build(source, tmp_path / "d", **options)
    file = source / "a/2.jpg"
    for image in (file, str(file), file.read_bytes()):
        made = imgmem.prepare(image, like=tmp_path / "d")
        expected = row_of(tmp_path / "d", "a/2.jpg")
        assert made.dtype == expected.dtype
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    "how",
    [{}, {"on_read": True}, {"dtype": "float16"}, {"method": "minmax"}, {"method": "rescale"}],
    ids=str,
)
def test_it_is_normalized_as_is_recorded_without_the_features(source, tmp_path, how):
    imgmem.build(source, tmp_path / "d", size=16)
    imgmem.normalize(tmp_path / "d", **how)
    expected = row_of(tmp_path / "d", "b/3.jpg")
    (tmp_path / "served").mkdir()
    shutil.copy(tmp_path / "d/dataset.json", tmp_path / "served")
    made = imgmem.prepare(source / "b/3.jpg", like=tmp_path / "served")
    assert made.dtype == expected.dtype
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("shape", [(33, 47, 3), (33, 47), (33, 47, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_are_made_into_the_row_that_their_file_gives(tmp_path, shape, dtype):
    highest = np.iinfo(dtype).max
    random = np.random.default_rng(0)
    pixels = random.integers(0, highest, shape, endpoint=True).astype(dtype)
    (tmp_path / "src").mkdir()
    in_bgr = pixels[..., ::-1] if shape[2:] == (3,) else pixels
    cv2.imwrite(str(tmp_path / "src/a.png"), in_bgr)
    imgmem.build(tmp_path / "src", tmp_path / "d", size=16, levels=(0, highest))
    made = imgmem.prepare(pixels, like=tmp_path / "d")
    np.testing.assert_array_equal(made, imgmem.open(tmp_path / "d")[0])


def test_what_build_would_reject_is_refused_by_name(source, tmp_path):
    imgmem.build(source, tmp_path / "d", size=16)
    data = (source / "a/0.jpg").read_bytes()
    (tmp_path / "torn.jpg").write_bytes(data[: len(data) // 2])
    for image in (tmp_path / "torn.jpg", data[:400], b"no image", tmp_path / "none.jpg", source):
        with pytest.raises(InputError, match=r"rejected|cannot be read"):
            imgmem.prepare(image, like=tmp_path / "d")
    for pixels in (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)):
        with pytest.raises(UsageError, match="is not an image"):
            imgmem.prepare(pixels, like=tmp_path / "d")


def test_without_a_dataset_there_is_nothing_to_be_like(source, tmp_path):
    with pytest.raises(InputError):
        imgmem.prepare(source / "a/0.jpg", like=tmp_path / "none")
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DatasetError):
        imgmem.prepare(source / "a/0.jpg", like=tmp_path)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_build_like_a_dataset_has_its_image_options_and_classes(source, tmp_path, options):
    imgmem.build(source, tmp_path / "d", class_map="a=z", **options)
    imgmem.normalize(tmp_path / "d", on_read=True) if "dtype" not in options else None
    (source / "a/5.jpg").write_bytes((source / "b/5.jpg").read_bytes())
    shutil.rmtree(source / "b")
    imgmem.build(source, tmp_path / "new", like=tmp_path / "d", class_map="a=z")
    old, new = imgmem.open(tmp_path / "d"), imgmem.open(tmp_path / "new")
    assert new.classes == old.classes == ["z", "b"]
    np.testing.assert_array_equal(
        new.images[new.paths().index("a/2.jpg")], old.images[old.paths().index("a/2.jpg")]
    )
    imgmem.build(source, tmp_path / "plain", like=tmp_path / "d", labels="none", size=None)
    assert imgmem.open(tmp_path / "plain").classes is None


@pytest.mark.parametrize(
    "options", [{"size": 20}, {"fit": "crop"}, {"channels": "gray"}, {"dtype": "float32"},
                {"classes": ["b", "a"]}],
)  # fmt: skip
def test_an_option_that_says_otherwise_is_refused(source, tmp_path, options):
    imgmem.build(source, tmp_path / "d", size=16)
    with pytest.raises(UsageError, match=f"in which {next(iter(options))} is"):
        imgmem.build(source, tmp_path / "new", like=tmp_path / "d", **options)
    imgmem.build(source, tmp_path / "new", like=tmp_path / "d", size="16x16", classes=["a", "b"])
    with pytest.raises(UsageError, match="has no effect"):
        imgmem.build(tmp_path / "d", tmp_path / "clean", like=tmp_path / "new", drop="blank")
