"""What a dataset must be for any command to touch it, and who may."""

import json
import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imgmem
from imgmem.core.errors import DatasetError, InputError, UsageError
from imgmem.core.normalize.operation import normalize, undo_normalize
from imgmem.core.specs import RunSpec
from imgmem.core.storage import checksums, store
from imgmem.core.storage.verify import DamagedRows, verify

COMMANDS = [
    lambda path: imgmem.open(path).close(),
    normalize,
    undo_normalize,
    imgmem.stats,
    verify,
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("X.npy", lambda data: data[:-1], "X.npy is damaged: it has"),
        ("X.npy", lambda data: data + b"\0", "X.npy is damaged: it has"),
        ("y.npy", lambda data: data[:-8], "y.npy is damaged: it has"),
        ("X.npy", lambda data: data[:100], "X.npy has no header"),
        ("X.npy", lambda data: b"", "X.npy has no header"),
        ("X.npy", lambda data: data.replace(b"|u1", b"|O8"), "X.npy has no header"),
        ("X.npy", lambda data: data.replace(b"(12,", b"(13,"), "X.npy is damaged: it is"),
        ("X.npy", lambda data: data.replace(b"|u1", b"<f4"), "X.npy is damaged: it is"),
        ("X.npy", None, "X.npy is damaged: it is missing"),
        ("y.npy", None, "y.npy is damaged: it is missing"),
        ("dataset.json", lambda data: data[:-9], "dataset.json is damaged: not JSON"),
        ("dataset.json", lambda data: b"[]", "not the record of an imgmem dataset"),
        ("dataset.json", lambda data: b"[" * 10**5, "dataset.json is damaged: not JSON"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_not_repaired(
    dataset, command, name, change, complaint
):
    path = dataset()
    file = path / name
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    before = {f.name: f.read_bytes() for f in path.iterdir()}
    with pytest.raises(DatasetError, match=complaint) as caught:
        command(path)
    assert caught.value.exit_code == 4
    assert {f.name: f.read_bytes() for f in path.iterdir()} == before


NONSENSE = [
    ("format_version", 3, "format version 3; this imgmem reads 1 and 2"),
    ("format_version", True, "format version True"),
    ("requires", ["hologram"], "it needs a newer imgmem, one that knows hologram"),
    ("checksum_algorithm", "md5", "checksum_algorithm: 'md5' is unknown"),
    ("target", "taste", "target: 'taste' is unknown"),
    ("classes", ["a", "\ud800"], "classes: .*surrogates not allowed"),
    ("shape", [12, 9, 7], "shape: 3 values instead of 4"),
    ("shape", [12, 9, 7, 0], "shape: 0 is out of range"),
    ("shape", [12, 9, 7, True], "shape: True is out of range"),
    ("shape", "12973", "shape: '12973' is not a list"),
    ("dtype", "object", "dtype: 'object' is unknown"),
    ("dtype", ["uint8"], "dtype"),
    ("classes", ["a", "a"], "classes: a name occurs twice"),
    ("classes", [1, 2, 3], "classes: 1 is not text"),
    ("splits", {"train": [0, 13]}, "splits: 13 is out of range"),
    ("splits", {"train": [5, 2]}, "splits: 5 to 2 is not a range"),
    ("splits", {"a": [0, 7], "b": [6, 12]}, "splits overlap"),
    ("splits", [], "splits: \\[\\] is not an object"),
    ("image", None, "image: None is not an object"),
    ("checksum_block", 0, "checksum_block: 0 is out of range"),
    ("checksum_block", 12, "checksum_block: 12 is not a multiple of 8"),
    ("checksums", {"X": [1, 2], "y": [1]}, "checksums has"),
    ("checksums", {"X": [1]}, "checksums has none of y"),
    ("checksums", {}, "checksums has none of X, y"),
    ("checksums", {"X": [-1]}, "checksums: -1 is out of range"),
    ("checksums", {"X": [0.5]}, "checksums: 0.5 is out of range"),
    ("normalization", {}, "normalization: method is missing"),
    ("normalization", 7, "normalization: 7 is not an object"),
]


@pytest.mark.parametrize(("field", "value", "complaint"), NONSENSE)
def test_a_record_with_garbage_is_refused_by_the_name_of_the_field(
    dataset, field, value, complaint
):
    path = dataset()
    record = json.loads((path / "dataset.json").read_text())
    (path / "dataset.json").write_text(json.dumps(record | {field: value}))
    with pytest.raises(DatasetError, match=complaint):
        imgmem.open(path)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("method", "magic", "'magic' is unknown"),
        ("offset", [1, 2], "2 values instead of 3"),
        ("offset", [1, 2, float("nan")], "nan is not finite"),
        ("offset", [1, 2, "3"], "'3' is not a number"),
        ("scale", [1, 2, 0], "scale of normalization is 0"),
        ("dtype", "float64", "'float64' is unknown"),
        ("dtype", "float16", "dtype does not fit normalization"),
        ("source_dtype", "float16", "'float16' is unknown"),
        ("on_read", True, "dtype does not fit normalization"),
        ("on_read", 1, "1 is not true or false"),
        ("split", "holidays", "names a split that does not exist"),
        ("rows", [0, 99], "99 is out of range"),
        ("original_crc32", -5, "-5 is out of range"),
    ],
)
def test_garbage_in_the_recorded_normalization_is_refused(dataset, field, value, complaint):
    path = dataset()
    normalize(path)
    record = json.loads((path / "dataset.json").read_text())
    record["normalization"][field] = value
    (path / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match=complaint):
        imgmem.open(path)


@pytest.mark.parametrize("field", ["shape", "dtype", "splits", "normalization", "checksum_block"])
def test_a_missing_field_is_refused_by_name(dataset, field):
    path = dataset()
    record = json.loads((path / "dataset.json").read_text())
    del record[field]
    (path / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match=f"{field} is missing"):
        imgmem.open(path)


def test_a_directory_that_is_not_a_dataset_is_bad_input(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError):
            normalize(path)


def test_verify_finds_nothing_in_a_dataset_that_is_whole(dataset):
    assert verify(str(dataset(block=64))) == []


def test_verify_names_the_rows_that_share_a_damaged_block(dataset):
    path = dataset(block=256)  # a row has 189 bytes
    with open(path / "X.npy", "r+b") as file:
        file.seek(128 + 256 * 3 + 10)
        file.write(b"\xaa")
    with open(path / "y.npy", "r+b") as file:
        file.seek(128 + 8 * 5)
        file.write(b"\xaa")
    assert verify(str(path)) == [DamagedRows("X", 4, 6), DamagedRows("y", 0, 12)]


@pytest.mark.parametrize("operation", [normalize, undo_normalize])
def test_damaged_features_are_never_rewritten(dataset, operation):
    path = dataset(block=256)
    if operation is undo_normalize:
        normalize(path)
    with open(path / "X.npy", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x05")
    before = (path / "X.npy").read_bytes()
    with pytest.raises(DatasetError, match=r"the checksums of rows .* do not match"):
        operation(path)
    assert (path / "X.npy").read_bytes() == before


def test_many_checksums_stand_in_a_file_of_their_own(dataset):
    few, many = dataset("few", block=4096), dataset("many", block=8)
    assert not (few / "checksums.json").exists()
    found = json.loads((many / "checksums.json").read_text())
    data = (many / "X.npy").read_bytes()[128:]
    assert found["X"] == [zlib.crc32(data[i : i + 8]) for i in range(0, len(data), 8)]
    assert verify(str(many)) == []


def test_the_file_of_checksums_is_itself_checked(dataset):
    path = dataset(block=8)
    for change in (lambda data: data[:-2], lambda data: data.replace(b"1", b"2", 1)):
        original = (path / "checksums.json").read_bytes()
        (path / "checksums.json").write_bytes(change(original))
        with pytest.raises(DatasetError, match=r"checksums\.json is damaged"):
            imgmem.open(path)
        (path / "checksums.json").write_bytes(original)
    (path / "checksums.json").unlink()
    with pytest.raises(DatasetError, match=r"checksums\.json is damaged: it is missing"):
        imgmem.open(path)


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 9))
def test_checksums_of_parts_join_to_those_of_the_whole(parts, block):
    crcs = [(zlib.crc32(part), len(part)) for part in parts]
    data = b"".join(parts)
    assert checksums.joined(crcs) == zlib.crc32(data)
    pieces = [data[i : i + 3] for i in range(0, len(data), 3)]
    found = checksums.blocks_of(((zlib.crc32(p), len(p)) for p in pieces), 3 * block)
    assert found == [zlib.crc32(data[i : i + 3 * block]) for i in range(0, len(data), 3 * block)]


@pytest.mark.parametrize("operation", [normalize, undo_normalize])
def test_features_that_are_linked_or_read_only_are_left_alone(dataset, tmp_path, operation):
    path = dataset()
    if operation is undo_normalize:
        normalize(path)
    name = path / "X.npy"
    data = name.read_bytes()
    os.link(name, tmp_path / "elsewhere")
    refused(operation, path, "hard-linked")
    (tmp_path / "elsewhere").unlink()
    name.chmod(0o444)
    refused(operation, path, "read-only")
    name.rename(tmp_path / "cache")
    name.symlink_to(tmp_path / "cache")
    refused(operation, path, "a symbolic link")
    assert (tmp_path / "cache").read_bytes() == data
    operation(path, to=tmp_path / "new")
    assert (tmp_path / "cache").read_bytes() == data


def refused(operation, path, problem):
    with pytest.raises(DatasetError, match=problem) as caught:
        operation(path)
    assert "to='NEW'" in caught.value.hint


def test_an_open_dataset_cannot_be_normalized_and_the_holder_is_named(dataset):
    path = dataset()
    with imgmem.open(path), pytest.raises(DatasetError, match=f"process {os.getpid()} ") as caught:
        normalize(path)
    assert "in use by" in caught.value.message
    normalize(path)


def test_a_reader_in_another_process_is_named_and_gone_when_killed(dataset):
    path = dataset()
    code = f"import imgmem; d = imgmem.open({str(path)!r}); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as reader:
        reader.stdout.readline()
        with pytest.raises(DatasetError, match=f"process {reader.pid} .*import imgmem"):
            normalize(path)
        reader.kill()
    assert normalize(path).status == "normalized"


def test_work_in_place_without_fsync_is_refused(dataset, tmp_path):
    path = dataset()
    with pytest.raises(UsageError, match="fsync=False is not allowed in place"):
        normalize(path, run=RunSpec(fsync=False))
    assert normalize(path, run=RunSpec(fsync=False), to=tmp_path / "new").status == "normalized"


def test_a_record_written_and_read_again_is_the_same(dataset):
    path = str(dataset())
    before = store.read_record(path)
    store.write_record(path, before)
    assert store.read_record(path) == before
    normalize(path)
    assert isinstance(store.read_record(path).normalization.offset, tuple)
    assert np.dtype(store.read_record(path).dtype) == np.float32
