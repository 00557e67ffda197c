"""What readers of format version 2 do with what they do not know, or miss."""

import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from support.datasets import write_dataset
from support.trees import snapshot

import imgmem
from imgmem.core.errors import DatasetError
from imgmem.core.normalize.operation import normalize, undo_normalize
from imgmem.core.rows.facts import ROW_FACTS, read_facts
from imgmem.core.specs import NormalizeSpec
from imgmem.core.storage import store
from imgmem.core.storage.holder import HOLDER
from imgmem.core.storage.locks import LOCK
from imgmem.core.storage.record import Normalization, Record
from imgmem.core.storage.verify import verify

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), np.uint8)


@pytest.fixture
def path(tmp_path):
    return write_dataset(tmp_path / "data", IMAGES, [0, 1, 2, 0, 1, 2])


def amend(path, **fields):
    record = json.loads((path / "dataset.json").read_text())
    (path / "dataset.json").write_text(json.dumps(record | fields, indent=1) + "\n")


def test_fields_that_nobody_knows_are_ignored_and_kept(path):
    amend(path, hologram={"depth": 3})
    before = snapshot(path)
    normalize(path, spec=NormalizeSpec(on_read=True))
    undo_normalize(path)
    assert snapshot(path) == before


def test_version_1_knows_no_such_fields(path):
    amend(path, format_version=1)
    with pytest.raises(DatasetError, match="checksum_algorithm: unknown"):
        imgmem.open(path)


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"target": "multilabel"}, np.eye(6, 3, dtype=np.uint8)),
        ({"target": "number", "classes": None}, np.linspace(0, 1, 6, dtype=np.float32)),
        (
            {"target": "number", "classes": None, "target_names": ["x", "y"]},
            np.ones((6, 2), np.float32),
        ),
    ],
)
def test_y_has_the_shape_and_dtype_that_the_target_asks_for(tmp_path, fields, labels):
    path = write_dataset(tmp_path / "data", IMAGES, [0, 1, 2, 0, 1, 2])
    checksums = json.loads((path / "dataset.json").read_text())["checksums"]
    checksums["y"] = [zlib.crc32(labels.tobytes())]
    amend(path, **fields, requires=["target"], checksums=checksums)
    with pytest.raises(DatasetError, match=r"y.npy is damaged: it is int64 \(6,\)"):
        verify(str(path))
    np.save(path / "y.npy", labels)
    assert verify(str(path)) == []


def facts_file(path, extra=(), without=()):
    fields = [field for field in ROW_FACTS.descr if field[0] not in without]
    facts = np.zeros(6, np.dtype([*extra, *fields]))
    facts["height"] = range(6)
    np.save(path / "rows.npy", facts)


def test_row_facts_of_a_later_version_are_read_by_the_names_of_their_fields(path):
    facts_file(path, extra=[("flags", "<u4"), ("embedding", "<f4", (8,))])
    assert read_facts(str(path), 6)["height"].tolist() == list(range(6))
    assert imgmem.stats(path).findings is not None


def test_row_facts_without_a_field_are_refused_by_its_name(path):
    facts_file(path, without=["width"])
    with pytest.raises(DatasetError, match=r"rows.npy is damaged: it has no field 'width'"):
        read_facts(str(path), 6)


@pytest.mark.parametrize("kind", ["O", "<u8", "|O8"])
def test_row_facts_with_a_field_of_another_type_are_refused(path, kind):
    data = (path / "rows.npy").read_bytes()
    (path / "rows.npy").write_bytes(data.replace(b"'<f4'", repr(kind).ljust(5).encode(), 1))
    with pytest.raises(DatasetError, match=r"rows.npy is damaged"):
        read_facts(str(path), 6)


def test_the_specification_names_every_field_and_file():
    text = (Path(store.__file__).parent / "FORMAT.md").read_text()
    fields = {f.name for kind in (Record, Normalization) for f in dataclasses.fields(kind)}
    names = (fields - {"other"}) | set(ROW_FACTS.names) | store.FILES | {LOCK, HOLDER}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
