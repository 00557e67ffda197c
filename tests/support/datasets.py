"""Small datasets for tests, written as `build` would, straight from arrays."""

import csv
import hashlib
import zlib

import numpy as np

from imgmem.core.rows import facts as row_facts
from imgmem.core.rows.measures import measure
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.storage import store
from imgmem.core.storage.locks import LOCK
from imgmem.core.storage.npy import ArrayHeader
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import row_cells


def rows(dataset, name="rows.csv"):
    """The lines of a table of a dataset, by the names of its columns."""
    with open(dataset / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def split_of(dataset):
    """The split of each row, by its path."""
    return {row["path"]: row["split"] for row in rows(dataset)}


def write_dataset(
    path, images, labels=None, *, classes=None, splits=None, names=None, digests=None, **fields
):
    """A dataset at `path` of images (N, H, W, C), uint8, float32 or float16.

    labels: class indices, flags or numbers, by the field `target`; classes: their names, c0, c1 …
    if not given. splits: name → (start, stop). names: paths in rows.csv. digests: per row,
    whatever two rows share when their sources have the same bytes. fields: further fields of
    `Record`; with `notes_column`, each row is noted to have pages left out.
    """
    path.mkdir(parents=True)
    images = np.ascontiguousarray(images)
    if labels is not None and "target" not in fields:
        labels = np.asarray(labels, np.int64)
        classes = tuple(classes or (f"c{i}" for i in range(max(labels) + 1)))
    record = Record(
        shape=images.shape,
        dtype=images.dtype.name,
        classes=classes,
        splits=splits or {},
        **{"checksums": _checksums(images, labels, **fields)} | fields,
    )
    (path / LOCK).touch()
    _write_array(path / store.FEATURES, images)
    if labels is not None:
        _write_array(path / store.LABELS, labels)
    store.write_record(str(path), record)
    _write_rows(path, record, images, labels, names, digests)
    return path


def _write_array(path, array):
    path.write_bytes(ArrayHeader(array.shape, array.dtype).encode() + array.tobytes())


def _checksums(images, labels, checksum_block=store.CHECKSUM_BLOCK_BYTES, **_):
    arrays = {"X": images} | ({} if labels is None else {"y": labels})
    return {name: _crcs(array.tobytes(), checksum_block) for name, array in arrays.items()}


def _crcs(data, step):
    return [zlib.crc32(data[start : start + step]) for start in range(0, len(data), step)]


def _write_rows(path, record, images, labels, names, digests):
    keys = range(len(images)) if digests is None else digests
    sha256 = [hashlib.sha256(str(key).encode()).hexdigest() for key in keys]
    facts = measure(images.clip(0, 255).astype(np.uint8))
    facts["digest"] = [row_facts.digest_words(digest) for digest in sha256]
    facts["height"], facts["width"] = images.shape[1:3]
    facts["format"] = b"PNG"
    (path / "rows.npy").write_bytes(row_facts.encode_header(len(facts)) + facts.tobytes())
    with open(path / store.ROWS, "w", newline="", errors="backslashreplace") as file:
        table = csv.writer(file, lineterminator="\n")
        noted = [record.notes_column] if record.notes_column else []
        table.writerow([*ROW_COLUMNS, *noted])
        for row, digest in enumerate(sha256):
            label = None if labels is None else labels[row]
            name = names[row] if names else f"{row}.png"
            split = next((s for s, (a, b) in record.splits.items() if a <= row < b), "")
            known = (
                ("", "") if label is None else row_cells(record.target, *_planned(label, record))
            )
            size = (images.shape[2], images.shape[1])
            notes = ["pages=3"] if noted else []
            table.writerow([row, split, *known, name, *size, digest, *notes])


def _planned(label, record):
    """The target of a row as `build` plans it, and the classes."""
    if record.target == "multilabel":
        return np.flatnonzero(label).tolist(), record.classes
    planned = np.atleast_1d(label).tolist() if record.target == "number" else int(label)
    return planned, record.classes


def features(directory):
    """The features as plain NumPy reads them."""
    return np.load(directory / "X.npy", mmap_mode="r")
