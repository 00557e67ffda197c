"""Every kind of source that there is, with the same seven images, as a table."""

import csv
import json
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from imgmem.core.sources import open_source
from support.datasets import write_dataset
from support.images import encode, photo
from support.trees import class_folders


@dataclass(frozen=True)
class Kind:
    path: Path | tuple[Path, ...]
    options: dict = field(default_factory=dict)

    def open(self):
        paths = self.path if isinstance(self.path, tuple) else (self.path,)
        return open_source(tuple(map(str, paths)), **self.options)


def folder(base):
    return Kind(class_folders(base / "images", {"ant": 4, "bee": 3}, size=(5, 6)))


def labels_of(images, path):
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        for name in sorted(images.rglob("*.png")):
            table.writerow([name.relative_to(path.parent).as_posix(), name.parent.name])
    return path


def folder_with_labels(base):
    images = folder(base).path
    return Kind(images, {"labels": str(labels_of(images, images / "labels.csv"))})


def manifest(base):
    return Kind(labels_of(folder(base).path, base / "list.csv"))


def dataset(base):
    images = [photo(5, 6, seed) for seed in range(7)]
    names = [f"{'ant' if row < 4 else 'bee'}/{row}.png" for row in range(7)]
    labels = [0] * 4 + [1] * 3
    return Kind(write_dataset(base / "set", images, labels, classes=("ant", "bee"), names=names))


def tar(base, name="all.tar", mode="w", files=None):
    images = folder(base).path if files is None else None
    with tarfile.open(base / name, mode) as archive:
        for path in files or sorted(images.rglob("*.png")):
            archive.add(path, path.relative_to(base / "images"))
    return Kind(base / name)


def zipped(base):
    images = folder(base).path
    with zipfile.ZipFile(base / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(images.rglob("*.png")):
            archive.write(path, path.relative_to(images))
    return Kind(base / "all.zip")


def shards(base):
    files = sorted(folder(base).path.rglob("*.png"))
    (base / "shards").mkdir()
    for number in range(3):
        tar(base, f"shards/{number}.tar", files=files[number::3])
    return Kind(base / "shards")


def zip_shards(base):
    files = sorted(folder(base).path.rglob("*.png"))
    (base / "shards").mkdir()
    for number in range(3):
        with zipfile.ZipFile(base / f"shards/{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files[number::3]:
                archive.write(path, path.relative_to(base / "images"))
    return Kind(base / "shards")


def compressed_shards(base):
    files = sorted(folder(base).path.rglob("*.png"))
    (base / "shards").mkdir()
    for number in range(3):
        tar(base, f"shards/{number}.tar.gz", "w:gz", files=files[number::3])
    return Kind(base / "shards")


SEVEN = np.stack([photo(5, 6, seed) for seed in range(7)])
LABELS = np.array(["ant"] * 4 + ["bee"] * 3)


def arrays(base, save=np.savez):
    save(base / "all.npz", x_train=SEVEN, y_train=LABELS)
    return Kind(base / "all.npz")


def array_folder(base):
    (base / "arrays").mkdir()
    np.save(base / "arrays/X.npy", SEVEN)
    np.save(base / "arrays/y.npy", LABELS)
    return Kind(base / "arrays")


def parquet(base):
    """A folder of two files as Hugging Face writes them."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel"}}
    features["label"]["names"] = ["ant", "bee"]
    (base / "set/data").mkdir(parents=True)
    for number, taken in enumerate((slice(0, 3), slice(3, 7))):
        images = [{"bytes": encode(image, "PNG"), "path": None} for image in SEVEN[taken]]
        labels = [0 if label == "ant" else 1 for label in LABELS[taken]]
        table = pa.table({"image": images, "label": labels})
        noted = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": noted})
        pq.write_table(table, base / f"set/data/train-0000{number}-of-00002.parquet")
    return Kind(base / "set")


def several(base):
    """A folder, a zip and arrays, as one."""
    class_folders(base / "a/photos", {"ant": 2, "bee": 1}, size=(5, 6))
    class_folders(base / "b/photos", {"bee": 2}, size=(5, 6))
    with zipfile.ZipFile(base / "b.zip", "w") as archive:
        for path in sorted((base / "b").rglob("*.png")):
            archive.write(path, path.relative_to(base / "b/photos"))
    np.savez(base / "c.npz", x=SEVEN[:2], y=LABELS[:2])
    return Kind((base / "a/photos", base / "b.zip", base / "c.npz"))


KINDS = {
    "folder": folder,
    "folder and labels": folder_with_labels,
    "list": manifest,
    "dataset": dataset,
    "tar": tar,
    "compressed tar": lambda base: tar(base, "all.tar.gz", "w:gz"),
    "zip": zipped,
    "shards": shards,
    "zip shards": zip_shards,
    "compressed shards": compressed_shards,
    "arrays": arrays,
    "compressed arrays": lambda base: arrays(base, np.savez_compressed),
    "folder of arrays": array_folder,
    "parquet": parquet,
    "several": several,
}
"""A new kind of source: one line here, and every test of the contract."""
