"""Label tables, lists and archives that come from anybody, or from a bad disk.

They are mutated by a seed: whoever reads them ends well or refuses by a documented error; never by
anything else, never in more memory than the budget and some, and never for long.
"""

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
from support.fuzz import LIMITS, Kind, needs_limits, trials
from support.kinds import KINDS, LABELS, SEVEN
from support.trees import class_folders

import imgmem

ROWS = [f"{label}/0{number}.png" for label in "ab" for number in range(3)]


def table(separator, header=True, quote="", label=lambda row: row[0]):
    lines = [separator.join(("path", "label", "split"))] * header
    for row in ROWS:
        lines.append(separator.join((f"{quote}{row}{quote}", str(label(row)), "train")))
    return "\r\n".join(lines).encode()


def text_kinds():
    """Files that `build` reads next to a folder of images."""
    jsonl = "\n".join(json.dumps({"path": row, "label": row[0]}) for row in ROWS).encode()
    coco = {
        "images": [{"id": n, "file_name": row} for n, row in enumerate(ROWS)],
        "annotations": [{"image_id": n, "category_id": n % 2} for n in range(len(ROWS))],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    tables = {
        "csv": ("t.csv", table(",", quote='"')),
        "csv by semicolons": ("t.csv", table(";")),
        "csv in UTF-16": ("t.csv", table(",").decode().encode("utf-16")),
        "tsv": ("t.tsv", table("\t")),
        "text without a header": ("t.txt", table(" ", header=False)),
        "jsonl": ("t.jsonl", jsonl),
        "json": ("t.json", json.dumps({row: row[0] for row in ROWS}).encode()),
        "coco": ("t.json", json.dumps(coco).encode()),
        "numbers": ("t.csv", table(",", label=lambda row: len(row) / 7)),
        "sets": ("t.csv", table(",", label=lambda row: f"x {row[0]}")),
        "csv.gz": ("t.csv.gz", gzip.compress(table(","))),
        "parquet": ("t.parquet", parquet_table()),
    }
    kinds = {name: Kind(file, data, {"labels": file}) for name, (file, data) in tables.items()}
    kinds["numbers"] = Kind("t.csv", tables["numbers"][1], {"labels": "t.csv", "target": "number"})
    kinds["sets"] = Kind("t.csv", tables["sets"][1], {"labels": "t.csv", "target": "multilabel"})
    return kinds | {
        "class map, json": Kind("m.json", b'{"a": "cat", "b": "dog"}', {"class_map": "@m.json"}),
        "class map, csv": Kind("m.csv", b"a,cat\nb,dog\n", {"class_map": "@m.csv"}),
        "classes": Kind("c.txt", b"b\na\n", {"classes": "c.txt"}),
        "include": Kind("i.txt", "\n".join(ROWS).encode(), {"include": "@i.txt"}),
        "exclude": Kind("i.txt", "\n".join(ROWS[:2]).encode(), {"exclude": "@i.txt"}),
        "split map": Kind("s.json", b'{"train": "a", "val": "b"}', {"split_map": "@s.json"}),
        "split list": Kind("s.txt", "\n".join(ROWS[:4]).encode(), {"split": "train=@s.txt"}),
        "split list, csv": Kind("s.csv", table(","), {"split": "train=@s.csv"}),
    }


def parquet_table():
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return b""
    file = io.BytesIO()
    pq.write_table(pa.table({"path": ROWS, "label": [row[0] for row in ROWS]}), file)
    return file.getvalue()


ARCHIVES = {
    "tar": "", "zip": "", "arrays": "", "compressed arrays": "", "list": "", "shards": "0.tar",
    "zip shards": "1.zip", "compressed shards": "2.tar.gz", "folder of arrays": "X.npy",
    "parquet": "data/train-00000-of-00002.parquet",
}  # fmt: skip
"""Kinds of sources, and which of their files is mutated, for a folder."""
PACKERS = {"gz": gzip, "bz2": bz2, "xz": lzma}


def archive_kind(name, base):
    """A source by itself, made below `base`."""
    if name.startswith("tar."):
        packer = PACKERS[name[4:]]
        tar = KINDS["tar"](base).path.read_bytes()
        packed = packer.decompress, packer.compress
        return Kind(str(base / f"x.{name}"), packer.compress(tar), packed=packed)
    if name == "labels of arrays":
        source = KINDS["folder of arrays"](base).path
        return Kind(f"{source}/y.npy", (source / "y.npy").read_bytes(), source=str(source))
    if name == "plain array":
        file = io.BytesIO()
        np.save(file, SEVEN)
        return Kind(str(base / "x.npy"), file.getvalue())
    if name == "idx":
        (base / "idx").mkdir()
        codes = [0 if label == "ant" else 1 for label in LABELS]
        (base / "idx/train-labels-idx1-ubyte").write_bytes(
            b"\0\0\x08\x01" + len(codes).to_bytes(4, "big") + bytes(codes)
        )
        shape = b"".join(size.to_bytes(4, "big") for size in SEVEN.shape[:3])
        data = b"\0\0\x08\x03" + shape + SEVEN[..., 0].tobytes()
        return Kind(str(base / "idx/train-images-idx3-ubyte"), data, source=str(base / "idx"))
    source = KINDS[name](base).path
    file = source / ARCHIVES[name] if ARCHIVES[name] else source
    return Kind(str(file), file.read_bytes(), source=str(source))


def few_addresses():
    """Arrow's own pools reserve gigabytes of addresses, of which these tests allow few."""
    pyarrow = pytest.importorskip("pyarrow")
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())


@needs_limits
@pytest.mark.parametrize("name", text_kinds())
def test_whatever_is_next_to_the_images(tmp_path, monkeypatch, by_tier, name):
    if name == "parquet":
        few_addresses()
    source = class_folders(tmp_path / "src", {"a": 3, "b": 3}, size=(5, 6))
    monkeypatch.chdir(tmp_path)

    def make(kind, data):
        (tmp_path / kind.name).write_bytes(data)
        return source, kind.options

    kinds = text_kinds()
    count = by_tier(12, 120, 5000)
    assert [*trials(tmp_path, make, [name], kinds, count)] == []


@needs_limits
@pytest.mark.parametrize(
    "name",
    [*ARCHIVES, *(f"tar.{name}" for name in PACKERS), "labels of arrays", "plain array", "idx"],
)
def test_whatever_is_a_source(tmp_path, by_tier, name):
    if name == "parquet":
        few_addresses()
    (tmp_path / "base").mkdir()
    kind = archive_kind(name, tmp_path / "base")

    def make(kind, data):
        Path(kind.name).write_bytes(data)
        return kind.source or kind.name, {}

    assert [*trials(tmp_path, make, [name], {name: kind}, by_tier(12, 150, 5000))] == []


def test_a_label_of_thousands_of_digits_is_a_name(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2, "b": 2}, size=(5, 6))
    lines = [f"{label}/0{n}.png,{'9' * 5000 if n else '7'}" for label in "ab" for n in range(2)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *lines]))
    options = {"size": 4, "labels": tmp_path / "t.csv", "target": "class"} | LIMITS
    built = imgmem.build(source, tmp_path / "out", **options)
    assert set(built.class_counts) == {"7", "9" * 5000}
