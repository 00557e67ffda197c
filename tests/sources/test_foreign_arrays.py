"""HDF5, MATLAB, pickles and bare bytes: the message has the lines that make an .npz of them."""

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
        ("a.bin", b"\0" * 3073, "bare bytes", "numpy.fromfile("),
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


def test_a_folder_with_images_is_no_such_folder(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/2.jpg", "weights.h5", "data_batch_1")
    assert len(placed(tmp_path)) == 2
