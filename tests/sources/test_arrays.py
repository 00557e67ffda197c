"""Arrays of images and labels: .npz, .npy and MNIST's idx files."""

import gzip
import json
import struct
from contextlib import closing

import numpy as np
import pytest
from support.images import photo
from support.sources import contents, doubted, exhausted, listed, placed

import imgmem
from imgmem.core.errors import InputError, UsageError
from imgmem.core.sources import open_source
from imgmem.core.sources.settle import settle
from imgmem.core.specs import LabelSpec

X = np.stack([photo(6, 8, seed) for seed in range(5)])
GRAY = X[..., 0].copy()
Y = np.array([2, 0, 1, 1, 0])


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def idx(path, array, opener=open):
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener(path, "wb") as file:
        file.write(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape))
        file.write(array.astype(np.uint8).tobytes())


def mnist(folder, extension="", opener=open, name="{}-{}-{}-ubyte"):
    for split, rows in (("train", 5), ("t10k", 3)):
        idx(folder / (name.format(split, "images", "idx3") + extension), GRAY[:rows], opener)
        idx(folder / (name.format(split, "labels", "idx1") + extension), Y[:rows], opener)
    return folder


def labels(path, **options):
    return [label for label, _ in placed(path, **options).values()]


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        exhausted(path, **options)
    return str(caught.value)


# What is taken -----------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(("array", "kind"), [(X, b"P6"), (GRAY, b"P5"), (GRAY[..., None], b"P5")])
def test_rows_are_handed_out_with_their_very_pixels(tmp_path, save, array, kind):
    save(tmp_path / "a.npz", x=array, y=Y)
    found = contents(tmp_path / "a.npz")
    assert list(found) == [f"x/{row}" for row in range(5)]
    for row, data in enumerate(found.values()):
        assert data == kind + b"\n8 6\n255\n" + array[row].tobytes()


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_tr", "y_tr", "X_te", "y_te"),
        ("trainX", "trainY", "testX", "testY"),
        ("xtrain", "ytrain", "xtest", "ytest"),
        ("trX", "trY", "teX", "teY"),
    ],
)
def test_arrays_named_after_splits_are_splits_with_their_labels(tmp_path, names):
    path = npz(tmp_path / "a.npz", **dict(zip(names, (X, Y, X[:2], Y[:2]), strict=True)))
    found = placed(path)
    assert {name.split("/")[0]: split for name, (_, split) in found.items()} == {
        names[0]: "train",
        names[2]: "test",
    }
    assert [label for label, split in found.values() if split == "train"] == list("20110")
    assert {split for _, split in placed(path, auto_split=False).values()} == {None}


def test_arrays_without_names_are_told_by_their_shapes(tmp_path):
    np.savez(tmp_path / "a.npz", X, Y)
    assert labels(tmp_path / "a.npz") == list("20110")


def test_further_arrays_do_not_matter(tmp_path):
    names = np.array(["cat", "dog", "eel"])
    path = npz(tmp_path / "a.npz", images=X, labels=Y, ids=np.arange(5), mean=X[0], names=names)
    assert labels(path) == list("20110")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Y.astype(np.uint8), list("20110")),
        (Y.astype(">i4"), list("20110")),
        (Y.astype(float), list("20110")),
        (Y[:, None], list("20110")),
        (np.eye(3)[Y], list("20110")),
        (np.array(["b", "a", "a", "c", " b "]), ["b", "a", "a", "c", "b"]),
        (np.array([b"b", b"a", b"a", b"c", b"b"]), ["b", "a", "a", "c", "b"]),
        (Y > 0, ["True", "False", "True", "True", "False"]),
    ],
)
def test_labels_are_numbers_text_or_one_hot_rows(tmp_path, values, expected):
    assert labels(npz(tmp_path / "a.npz", x=X, y=values)) == expected


def test_a_negative_label_is_none(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=np.array([0, 1, -1, 1, 0]))
    assert listed(path)["x/2"].locator[0] == "no-label"


def test_a_folder_of_files_is_one_set(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    (tmp_path / "readme.md").write_text("how it was made")
    assert labels(tmp_path) == list("20110")


def test_files_of_a_folder_with_equal_names_inside_are_kept_apart(tmp_path):
    for split in ("train", "test"):
        npz(tmp_path / f"{split}.npz", x=X, y=Y)
    assert {split for _, split in placed(tmp_path).values()} == {"train", "test"}
    assert len(placed(tmp_path)) == 10


def test_a_test_set_without_labels_is_left_out(tmp_path):
    listing = exhausted(npz(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X))
    assert listing.ignored == {"test image without a class": 5}


@pytest.mark.parametrize(
    ("extension", "opener", "name"),
    [
        ("", open, "{}-{}-{}-ubyte"),
        ("", open, "{}-{}.{}-ubyte"),
        (".gz", gzip.open, "{}-{}-{}-ubyte"),
        ("", open, "emnist-letters-{}-{}-{}-ubyte"),
    ],
)
def test_the_four_files_of_mnist_are_train_and_test(tmp_path, extension, opener, name):
    if "emnist" in name:
        name = name.replace("{}", "train", 1)
        idx(tmp_path / name.format("images", "idx3"), GRAY)
        idx(tmp_path / name.format("labels", "idx1"), Y)
        assert labels(tmp_path) == list("20110")
        return
    found = placed(mnist(tmp_path / "MNIST" / "raw", extension, opener, name).parent)
    assert [label for label, split in found.values() if split == "train"] == list("20110")
    assert [label for label, split in found.values() if split == "test"] == list("201")


def test_a_file_next_to_its_compressed_copy_counts_once(tmp_path):
    mnist(tmp_path)
    mnist(tmp_path, ".gz", gzip.open)
    assert len(placed(tmp_path)) == 8


def test_one_file_of_mnist_takes_its_labels_along(tmp_path):
    mnist(tmp_path)
    assert labels(tmp_path / "t10k-images-idx3-ubyte") == list("201")


def test_the_pixels_of_a_compressed_idx_file_are_those_of_the_plain_one(tmp_path):
    plain = contents(mnist(tmp_path / "a"))
    assert contents(mnist(tmp_path / "b", ".gz", gzip.open)) == plain
    assert plain["t10k-images/2"].endswith(GRAY[2].tobytes())


# What the user says ------------------------------------------------------------------------


def test_columns_name_the_arrays_of_images_and_of_labels(tmp_path):
    path = npz(tmp_path / "a.npz", photos=X, masks=X, fine=Y, coarse=Y // 2)
    found = placed(path, columns="image=photos,label=coarse")
    assert list(found) == [f"photos/{row}" for row in range(5)]
    assert [label for label, _ in found.values()] == list("10000")


def test_several_arrays_are_paired_in_their_order(tmp_path):
    path = npz(tmp_path / "a.npz", a=X, b=X[:2], la=Y, lb=Y[:2])
    found = placed(path, columns="image=a,label=la,image=b,label=lb")
    assert len(found) == 7


def test_no_labels_are_taken_if_none_are_wanted(tmp_path):
    assert labels(npz(tmp_path / "a.npz", x=X, y=Y), labels="none") == [None] * 5


@pytest.mark.parametrize(
    ("arrays", "name"),
    [
        ({"images": X, "masks": X, "y": Y}, "images"),
        ({"images": X, "fine_labels": Y, "coarse_labels": Y // 2}, "labels"),
    ],
)
def test_two_arrays_that_could_be_it_are_a_doubt_that_its_remedies_settle(tmp_path, arrays, name):
    path = npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError) as caught:
        exhausted(path)
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["name"] == name
    for remedy in doubt["remedies"]:
        assert len(listed(path, **remedy["options"])) == 5


def test_labels_with_fractions_are_doubted(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, age=Y + 0.5)
    assert "is this a number to predict?" in refusal(path)
    assert labels(path, target="class")[0] == "2.5"
    _, labeling = doubted(path, target="number")
    assert labeling.target == "number"


def test_labels_that_nearly_all_differ_are_doubted(tmp_path):
    path = npz(tmp_path / "a.npz", x=np.repeat(X, 5, axis=0), ids=np.arange(25))
    (doubt,), _ = doubted(path)
    assert doubt.name == "unique-labels"


def test_columns_that_are_not_there_are_a_usage_error(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y)
    with pytest.raises(UsageError, match="there is no array 'z'"):
        exhausted(path, columns="image=z")
    with pytest.raises(UsageError, match="arrays have no 'path'"):
        exhausted(path, columns="path=x")


# What is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "what", "line"),
    [
        (X / 255, "float64, not uint8", "(arrays['x'] * 255).round().astype(\"uint8\")"),
        (X > 9, "bool, not uint8", "(arrays['x'] * 255).astype(\"uint8\")"),
        (X.astype(np.int32), "int32, not uint8", "arrays['x'].astype(\"uint8\")"),
        (X.transpose(0, 3, 1, 2), "(N, C, H, W)", "arrays['x'].transpose(0, 2, 3, 1)"),
        (np.concatenate([X, X[..., :1]], 3), "4 channels", "arrays['x'][..., :3]"),
        (np.asfortranarray(X), "Fortran order", "numpy.ascontiguousarray(arrays['x'])"),
    ],
)
def test_other_values_and_orders_are_refused_with_lines_that_convert_them(
    tmp_path, monkeypatch, images, what, line
):
    monkeypatch.chdir(tmp_path)
    npz(tmp_path / "a.npz", x=images, y=Y)
    said = refusal("a.npz")
    assert what in said and line in said
    exec("\n".join(each.strip() for each in said.split("\n") if "numpy" in each or ("arrays" in each
                   and each.startswith("  "))))  # fmt: skip
    assert labels(tmp_path / "converted.npz") == list("20110")


def test_a_file_of_another_dtype_alone_is_refused_with_lines_too(tmp_path):
    np.save(tmp_path / "x.npy", X / 255)
    assert 'numpy.save("converted.npy", (x * 255).round()' in refusal(tmp_path / "x.npy")


def test_flat_rows_are_refused_with_the_line_that_gives_them_a_shape(tmp_path):
    said = refusal(npz(tmp_path / "a.npz", data=GRAY.reshape(5, -1), target=Y))
    assert "arrays['data'].reshape(-1, 28, 28)" in said


def test_the_lines_for_flat_rows_load_a_file_of_the_folder(tmp_path):
    np.save(tmp_path / "cat.npy", GRAY.reshape(5, -1))
    assert f"numpy.load({str(tmp_path / 'cat.npy')!r})" in refusal(tmp_path)


def test_several_sets_in_one_folder_are_a_doubt_that_its_remedies_settle(tmp_path):
    for name in ("digits", "letters"):
        mnist(tmp_path, name=f"emnist-{name}-{{}}-{{}}-{{}}-ubyte")
    with pytest.raises(InputError) as caught:
        exhausted(tmp_path)
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["evidence"].startswith("emnist digits, emnist letters look like several sets")
    for remedy, name in zip(doubt["remedies"], ("digits", "letters"), strict=True):
        found = placed(tmp_path, **remedy["options"])
        assert len(found) == 8 and all(name in path for path in found)
        assert {split for _, split in found.values()} == {"train", "test"}


DRAWN = np.stack([photo(28, 28, seed)[..., 0] for seed in range(3)]).reshape(3, 784)


def saved(folder, *names, array=DRAWN):
    folder.mkdir(exist_ok=True)
    for name in names:
        np.save(folder / f"{name}.npy", array)
    return folder


def test_flat_rows_of_784_bytes_are_images_of_28_x_28_and_this_is_said(tmp_path):
    path = npz(tmp_path / "a.npz", x_train=DRAWN, y_train=[0, 1, 0])
    data = list(contents(path).values())
    assert data[1] == b"P5\n28 28\n255\n" + DRAWN[1].tobytes()
    assert any("(3 x 28 x 28, from flat rows)" in note for note in exhausted(path).notes)


def test_flat_rows_next_to_images_stay_what_they_are(tmp_path):
    flags = np.zeros((5, 784), np.uint8)
    flags[range(5), [3, 4, 5, 3, 4]] = 1
    assert labels(npz(tmp_path / "a.npz", x=X, y=flags)) == list("34534")


def test_flat_rows_that_are_square_are_refused_with_their_side(tmp_path):
    np.savez(tmp_path / "a.npz", data=np.zeros((5, 1024), np.uint8))
    assert "reshape(-1, 32, 32)" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("cat", "dog", "eel"), ("cat", "dog", "eel")),
        (("full_numpy_bitmap_cat", "full_numpy_bitmap_hot dog"), ("cat", "hot dog")),
        (("ant", "art"), ("ant", "art")),
        (("class 1", "class 2"), ("1", "2")),
    ],
)
@pytest.mark.parametrize("array", [DRAWN, X])
def test_a_file_of_images_per_class_is_doubted_and_they_may_be_classes(
    tmp_path, names, classes, array
):
    folder = saved(tmp_path / "a", *names, array=array)
    (doubt,), _ = doubted(folder)
    assert doubt.name == "array-per-class"
    each, unlabeled = (doubted(folder, **remedy.options) for remedy in doubt.remedies)
    assert each[0] == unlabeled[0] == ()
    assert each[1].classes == classes and unlabeled[1].classes is None


def test_files_of_classes_in_splits_are_doubted_and_they_may_be_classes(tmp_path):
    names = [f"{split}_{name}" for split in ("train", "test") for name in ("cat", "dog")]
    folder = saved(tmp_path / "a", *names)
    (doubt,), _ = doubted(folder)
    assert doubt.name == "array-per-class"
    doubts, labeling = doubted(folder, **doubt.remedies[0].options)
    assert doubts == () and labeling.classes == ("cat", "dog")
    assert labeling.counts["dog"] == {"train": 3, "test": 3}


def test_arrays_in_sub_folders_are_to_be_given_one_by_one_and_named_like_splits_are_splits(
    tmp_path,
):
    for split in ("train", "test"):
        saved(tmp_path / split, "x", array=X)
        saved(tmp_path / split, "y", array=Y)
    with pytest.raises(InputError) as caught:
        imgmem.preview_build(tmp_path, tmp_path.parent / "out")
    assert "several SOURCEs" in caught.value.hint
    preview = imgmem.preview_build([tmp_path / "train", tmp_path / "test"], tmp_path / "out")
    assert preview.problem is None and preview.splits == {"train": 5, "test": 5}


def test_a_file_of_masks_next_to_one_of_images_is_doubted(tmp_path):
    folder = saved(tmp_path / "a", "images", "masks")
    (doubt,), _ = doubted(folder)
    assert doubt.name == "arrays"
    assert doubt.remedies[0].options == {"columns": "image=images"}
    assert set(listed(folder, **doubt.remedies[0].options)) == {f"images/{n}" for n in range(3)}


@pytest.mark.parametrize("names", [("part_1", "part_2"), ("0", "1"), ("batch_1", "batch_2")])
def test_files_that_are_parts_of_a_set_are_not_doubted(tmp_path, names):
    assert doubted(saved(tmp_path / "a", *names))[0] == ()


@pytest.mark.parametrize("name", ["class_names", "label_names", "classes", "target_names"])
def test_an_array_of_names_names_the_classes_by_their_numbers(tmp_path, name):
    names = np.array(["zebra", "ant", "eel", "no image"])
    path = npz(tmp_path / "a.npz", x=X, y=Y, **{name: names})
    assert labels(path) == ["eel", "zebra", "ant", "ant", "zebra"]
    result = imgmem.build(path, tmp_path / "out", size="native")
    assert result.class_counts == {"zebra": 2, "ant": 2, "eel": 1, "no image": 0}


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "b"], ["a", "", "c"]])
def test_names_that_do_not_fit_the_labels_are_not_used_and_this_is_said(tmp_path, names):
    path = npz(tmp_path / "a.npz", x=X, y=Y, class_names=np.array(names))
    assert labels(path) == list("20110")
    assert any("class_names is not used" in note for note in exhausted(path).notes)


def test_pickles_are_never_loaded(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=np.array([1, "a", None, 2, 3], dtype=object))
    assert "pickled objects, which are never loaded" in refusal(path)
    assert "holds no array of images" in refusal(
        npz(tmp_path / "b.npz", x=np.array([X, None], dtype=object))
    )


def test_rows_of_several_labels_are_refused_by_number(tmp_path):
    flags = np.eye(3)[Y]
    flags[3, 0] = 1
    assert "row 3 of y is not one class" in refusal(npz(tmp_path / "a.npz", x=X, y=flags))


def test_labels_of_another_length_are_refused(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y[:3])
    assert "y has 3 labels, x has 5 images" in refusal(path, columns="image=x,label=y")


@pytest.mark.parametrize(("images", "named"), [("x", "y"), ("x_train", "y_train")])
def test_labels_of_another_length_are_not_passed_over(tmp_path, images, named):
    path = npz(tmp_path / "a.npz", **{images: X, named: Y[:3]})
    assert f"{named} has 3 labels, {images} has 5 images" in refusal(path)


def test_labels_of_another_length_may_be_left_out(tmp_path):
    path = npz(tmp_path / "a.npz", x=X, y=Y[:3])
    assert labels(path, labels="none") == [None] * 5


@pytest.mark.parametrize("name", ["a.npz", "x.npy", "train-images-idx3-ubyte", "x-idx3-ubyte.gz"])
def test_damaged_files_are_refused(tmp_path, name):
    if name == "a.npz":
        npz(tmp_path / name, x=X, y=Y)
    elif name == "x.npy":
        np.save(tmp_path / name, X)
    else:
        idx(tmp_path / name, GRAY, gzip.open if name.endswith("gz") else open)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    assert "is damaged" in refusal(tmp_path / name)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_in_an_npz_is_found(tmp_path, save):
    save(tmp_path / "a.npz", x=X, y=Y)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[400] ^= 16
    (tmp_path / "a.npz").write_bytes(data)
    assert "is damaged" in refusal(tmp_path / "a.npz")


def labels_of(path, **options):
    """The labels of the rows as lists, and what they mean."""
    spec = LabelSpec(**options)
    with closing(open_source(str(path), spec)) as source:
        listing, labeling = settle(source.listing(), spec)
        return [e.label and json.loads(e.label) for e in listing.entries], labeling


def test_rows_of_several_labels_are_flags_of_numbered_classes(tmp_path):
    flags = np.eye(3)[Y]
    flags[3], flags[4] = [1, 1, 0], [0, 0, 0]
    path = npz(tmp_path / "a.npz", x=X, y=flags)
    found, labeling = labels_of(path, target="multilabel")
    assert found == [np.flatnonzero(row).astype(str).tolist() for row in flags]
    assert labeling.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("values", "names"),
    [(np.linspace(-1, 1, 5), ("y",)), (np.arange(10).reshape(5, 2) / 4, ("y[0]", "y[1]"))],
)
def test_numbers_of_an_array_are_taken_as_they_are(tmp_path, values, names):
    found, labeling = labels_of(npz(tmp_path / "a.npz", x=X, y=values), target="number")
    np.testing.assert_array_equal(np.float32(found), np.float32(values).reshape(5, -1))
    assert labeling.target_names == names


def test_a_row_without_a_number_is_a_reject_and_an_infinite_one_an_error(tmp_path):
    values = np.array([1, np.nan, 2, 3, 4])
    assert labels_of(npz(tmp_path / "a.npz", x=X, y=values), target="number")[0][1] is None
    values[2] = np.inf
    with pytest.raises(InputError, match="row 2 of y"):
        labels_of(npz(tmp_path / "b.npz", x=X, y=values), target="number")


@pytest.mark.parametrize(
    ("values", "target"),
    [(np.array([[1, 1], [0, 1], [1, 0], [0, 0], [1, 1]]), "multilabel"),
     (np.arange(10).reshape(5, 2) / 4, "number")],
)  # fmt: skip
def test_rows_of_several_values_name_the_target_that_they_may_be(tmp_path, values, target):
    with pytest.raises(InputError) as caught:
        labels_of(npz(tmp_path / "a.npz", x=X, y=values))
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["remedies"][0]["options"] == {"target": target}
    labels_of(tmp_path / "a.npz", target=target)
