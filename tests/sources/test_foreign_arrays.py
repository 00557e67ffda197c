"""HDF5, MATLAB, pickles and raw bytes: the message has the lines that make an .npz of them."""

import pickle

import numpy as np
import pytest
from support.sources import placed
from support.trees import plant

import imgmem
from imgmem.core.errors import InputError

X = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
Y = [0, 1, 2, 0, 1, 2]
FLAT = X.transpose(0, 3, 1, 2).reshape(6, -1)


def refusal(path, tmp_path):
    with pytest.raises(InputError) as caught:
        imgmem.build(path, tmp_path / "out", size=8)
    return str(caught.value)


def lines(said):
    return [line.strip() for line in said.split("\n") if line.startswith("  ")]


@pytest.mark.parametrize(
    ("name", "head", "what", "call"),
    [
        ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5", "h5py.File("),
        ("a.dat", b"\x89HDF\r\n\x1a\n", "HDF5", "h5py.File("),
        ("a.mat", b"MATLAB 5.0 MAT-file", "MATLAB", "scipy.io.loadmat("),
        ("a.mat", b"MATLAB 7.3 MAT-file", "version 7.3", "h5py.File("),
        ("a.pkl", b"\x80\x04\x95", "pickle", "allow_pickle=True"),
        ("a.pt", b"PK\3\4", "PyTorch", "torch.load("),
        ("a.bin", b"\0" * 3073, "raw bytes", "numpy.fromfile("),
    ],
)
def test_a_file_is_refused_with_three_lines_that_convert_it(tmp_path, name, head, what, call):
    plant(tmp_path, name, data=head)
    said = refusal(tmp_path / name, tmp_path)
    assert what in said
    assert len(lines(said)) == 3
    assert call in lines(said)[1] and lines(said)[2].startswith("numpy.savez(")


def test_the_lines_for_the_pickles_of_cifar_work_and_its_batches_are_parts_of_train(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        data = pickle.dumps({"data": FLAT, "labels": Y}, protocol=2)
        plant(tmp_path, f"cifar/{name}", data=data)
    plant(tmp_path, "cifar/readme.html")
    said = refusal("cifar", tmp_path)
    assert "cifar holds no images, but data_batch_1" in said
    (tmp_path / "converted").mkdir()
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        monkeypatch.chdir(tmp_path / "converted")
        exec("\n".join(lines(refusal(f"../cifar/{name}", tmp_path))))
    found = placed(tmp_path / "converted")
    assert sum(split == "train" for _, split in found.values()) == 12
    assert sum(split == "test" for _, split in found.values()) == 6
    assert {label for label, _ in found.values()} == {"0", "1", "2"}


def test_the_lines_for_the_bytes_of_cifar_give_its_pixels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = np.concatenate([np.array(Y, np.uint8)[:, None], FLAT], 1)
    (tmp_path / "data_batch_1.bin").write_bytes(rows.tobytes())
    exec("\n".join(lines(refusal("data_batch_1.bin", tmp_path))))
    imgmem.build("train_data_batch_1.npz", "out", size="native")
    assert np.array_equal(np.load("out/X.npy"), X)


def test_a_folder_with_images_is_not_such_a_folder(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/2.jpg", "weights.h5", "data_batch_1")
    assert len(placed(tmp_path)) == 2


def pixels(first, values, last):
    """A line of a table, from its cells."""
    return ",".join([*first, *map(str, values), *last]) + "\n"


@pytest.mark.parametrize(
    ("shape", "label", "pattern"),
    [
        ((28, 28), "first", "pixel{}"),
        ((28, 28), None, "pixel{}"),
        ((8, 8, 3), "last", "pixel{:04}"),
        ((28, 28), "first", "{}x1"),
    ],
)
def test_the_lines_for_a_table_with_a_column_per_pixel_give_its_pixels(
    tmp_path, monkeypatch, shape, label, pattern
):
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(1).integers(0, 256, (4, np.prod(shape)), np.uint8)
    head = pixels(["label"] * (label == "first"), [pattern.format(n) for n in range(data.shape[1])],
                  ["label"] * (label == "last"))  # fmt: skip
    text = head + "".join(
        pixels([f"{n % 2}"] * (label == "first"), row, [f"{n % 2}"] * (label == "last"))
        for n, row in enumerate(data)
    )
    (tmp_path / "mnist_train.csv").write_text(text)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mnist_train.csv").write_text(text)
    assert "mnist_train.csv: a table of pixel values" in refusal("d", tmp_path)
    exec("\n".join(lines(refusal("mnist_train.csv", tmp_path))))
    found = placed("mnist_train.npz")
    assert [name for name, _ in found.values()] == (list("0101") if label else [None] * 4)
    with np.load("mnist_train.npz") as made:
        assert np.array_equal(made["x"], data.reshape(4, *shape))


def test_the_lines_for_a_table_with_a_column_of_pixels_give_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(1).integers(0, 256, (3, 48 * 48), np.uint8)
    text = "".join(f"{n},{' '.join(map(str, row))},Training\n" for n, row in enumerate(data))
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + text)
    exec("\n".join(lines(refusal("fer2013.csv", tmp_path))))
    with np.load("fer2013.npz") as made:
        assert np.array_equal(made["x"], data.reshape(3, 48, 48))
    assert [label for label, _ in placed("fer2013.npz").values()] == list("012")


def test_a_wide_table_of_other_columns_is_a_label_table(tmp_path):
    plant(tmp_path, "1.jpg", "2.jpg")
    names = ["file", "label", *(f"f{n}" for n in range(99))]
    rows = [["1.jpg", "cat", *["0"] * 99], ["2.jpg", "dog", *["1"] * 99]]
    (tmp_path / "t.csv").write_text("".join(",".join(row) + "\n" for row in (names, *rows)))
    assert [
        label for label, _ in placed(tmp_path / "t.csv", columns="path=file,label=label").values()
    ]


def test_the_lines_for_a_table_of_pixels_without_a_header_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [[label, *image.ravel()] for label, image in zip(Y, X[:, :28, :28, 0], strict=True)]
    np.savetxt("letters.csv", rows, "%d", ",")
    said = refusal("letters.csv", tmp_path)
    exec("\n".join(lines(said)))
    assert placed("letters.npz") == {f"x/{n}": (str(label), None) for n, label in enumerate(Y)}


def test_the_largest_file_of_a_folder_is_the_example(tmp_path):
    plant(tmp_path / "cifar", "meta", data=pickle.dumps({"fine_label_names": []}, protocol=2))
    plant(tmp_path / "cifar", "train", data=pickle.dumps({"data": FLAT}, protocol=2))
    assert "fine_labels" in refusal(tmp_path / "cifar", tmp_path)
