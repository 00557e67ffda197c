"""Samples as files: sheets, batches, folders; complete or not there at all."""

import csv

import cv2
import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo

from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.sample.exports import check_out
from imgmem.core.sample.operation import sample
from imgmem.core.specs import SampleSpec
from imgmem.core.storage import durable


@pytest.fixture(scope="module")
def images():
    return np.stack([photo(30, 40, seed) for seed in range(8)])


@pytest.fixture(scope="module")
def dataset(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("exports") / "set"
    return write_dataset(path, images, [0, 1] * 4, classes=["../ant", "\x1b[31mbee"])


def saved(dataset, out, **options):
    sample(dataset, spec=SampleSpec(**options), out=str(out))
    return out


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPEG"])
def test_a_sheet_shows_every_image(dataset, tmp_path, ending):
    sheet = cv2.imread(str(saved(dataset, tmp_path / f"sheet{ending}", rows=(0, 5))))
    assert sheet.ndim == 3
    for number in (0, 5):
        wanted = cv2.cvtColor(np.load(dataset / "X.npy")[number], cv2.COLOR_RGB2BGR)
        scale = 5  # small pictures are enlarged to whole squares
        wanted = cv2.resize(wanted, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        match = cv2.matchTemplate(sheet, wanted, cv2.TM_CCOEFF_NORMED)
        assert match.max() > 0.98


def test_a_batch_holds_images_labels_and_rows(dataset, tmp_path, images):
    batch = np.load(saved(dataset, tmp_path / "batch.npz", rows=(6, 1)))
    assert np.array_equal(batch["images"], images[[6, 1]])
    assert batch["rows"].tolist() == [6, 1]
    assert batch["labels"].tolist() == [0, 1]


def test_a_batch_of_an_unlabeled_dataset_has_no_labels(tmp_path, images):
    path = write_dataset(tmp_path / "set", images)
    assert set(np.load(saved(path, tmp_path / "batch.npz", count=2))) == {"images", "rows"}


def test_an_array_holds_the_images_alone(dataset, tmp_path, images):
    assert np.array_equal(np.load(saved(dataset, tmp_path / "x.npy", rows=(2,))), images[[2]])


@pytest.mark.parametrize("name", ["pictures", "pictures/", "of.many.dots/"])
def test_a_folder_holds_images_and_says_where_they_came_from(dataset, tmp_path, images, name):
    saved(dataset, f"{tmp_path}/{name}", rows=(7, 0))
    folder = tmp_path / name
    assert {p.name for p in folder.iterdir()} == {
        "7.png",
        "0.png",
        "labels.csv",
        "rows.csv",
    }
    picture = cv2.imread(str(folder / "7.png"))
    assert np.array_equal(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), images[7])
    lines = list(csv.DictReader((folder / "rows.csv").read_text().splitlines()))
    assert [(line["file"], line["row"], line["path"]) for line in lines] == [
        ("0.png", "0", "0.png"),
        ("7.png", "7", "7.png"),
    ]


def test_an_empty_folder_may_be_filled_and_another_may_not(dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    saved(dataset, tmp_path / "empty", rows=(1,))
    with pytest.raises(UsageError, match="not empty"):
        saved(dataset, tmp_path / "empty", rows=(1,))


def test_gray_rows_are_written_gray(tmp_path, images):
    path = write_dataset(tmp_path / "set", images[..., :1])
    saved(path, tmp_path / "folder", rows=(3,))
    picture = cv2.imread(str(tmp_path / "folder/3.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(picture, images[3, ..., 0])
    assert cv2.imread(str(saved(path, tmp_path / "sheet.png"))) is not None


@pytest.mark.parametrize("out", ["x.gif", "x.npy.txt", "x.csv"])
def test_other_extensions_are_refused(dataset, out):
    with pytest.raises(UsageError, match="cannot be written"):
        check_out(out, str(dataset))


def test_a_folder_is_not_replaced_by_a_file(dataset, tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_out(str(tmp_path / "x.png"), str(dataset))


@pytest.mark.parametrize("inside", ["X.npy", "sheet.png", "sub/", "../set/X.npy"])
def test_nothing_is_written_into_the_dataset(dataset, inside):
    with pytest.raises(UsageError, match="inside the dataset"):
        check_out(f"{dataset}/{inside}", str(dataset))


@pytest.mark.parametrize("out", ["sheet.png", "batch.npz", "folder/"])
def test_a_full_disk_leaves_nothing_behind(dataset, tmp_path, monkeypatch, out):
    class Full(durable.System):
        def pwrite(self, fd, data, offset):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "_system", Full())
    with pytest.raises(ResourceError, match="no space"):
        saved(dataset, f"{tmp_path}/{out}", count=2)
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_that_nobody_could_look_at_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("imgmem.core.sample.exports.MAX_SHEET_BYTES", 1000)
    with pytest.raises(ResourceError, match="too large"):
        saved(dataset, tmp_path / "sheet.png")


@pytest.mark.parametrize("kind", ["empty", "link", "lost+found", "interrupted"])
def test_a_sample_is_written_into_an_empty_folder_that_exists(dataset, tmp_path, kind):
    folder = tmp_path / "real"
    folder.mkdir()
    out = tmp_path / "out"
    out.symlink_to(folder)
    if kind == "lost+found":
        (folder / "lost+found").mkdir()
    if kind == "interrupted":
        (folder / ".sample.new").mkdir()
        (folder / ".sample.new/row-9.png").write_bytes(b"old")
    inode = folder.stat().st_ino
    saved(dataset, out if kind == "link" else folder, count=3)
    names = {path.name for path in folder.iterdir()} - {"lost+found"}
    assert len(names) == 5 and "rows.csv" in names
    assert folder.stat().st_ino == inode
    assert out.is_symlink()
