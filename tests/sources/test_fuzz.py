"""Label tables, lists and archives that come from anybody, or from a bad disk.

They are mutated by a seed: whoever reads them ends well or refuses by a documented error; never by
anything else, never in more memory than the budget and some, and never for long.
"""

import bz2
import gzip
import json
import lzma
import random
import resource
import shutil
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from support.kinds import KINDS
from support.mutants import mutated
from support.trees import class_folders

import imgmem
from imgmem.core.errors import ImgmemError

LIMITS = {"workers": 1, "memory": "128MiB"}
SPACE = 2**30
"""Bytes of address space that a trial may take in addition: the budget, stacks, maps."""
SECONDS = 60
"""A trial that takes longer hangs."""
ROWS = [f"{label}/0{number}.png" for label in "ab" for number in range(3)]


@dataclass(frozen=True)
class Kind:
    """A file that is read: its name, what it holds, and the options that lead to it.

    packed: (unpack, pack) of a compressed file, so that what is in it is mutated too.
    """

    name: str
    data: bytes
    options: dict = field(default_factory=dict)
    packed: tuple = ()


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
        "parquet": ("t.parquet", b"PAR1" + bytes(64) + b"PAR1"),
    }
    kinds = {name: Kind(file, data, {"labels": file}) for name, (file, data) in tables.items()}
    kinds["numbers"] = Kind("t.csv", tables["numbers"][1], {"labels": "t.csv", "target": "number"})
    kinds["sets"] = Kind("t.csv", tables["sets"][1], {"labels": "t.csv", "target": "multilabel"})
    return kinds | {
        "class map, json": Kind("m.json", b'{"a": "cat", "b": "dog"}', {"class_map": "@m.json"}),
        "class map, csv": Kind("m.csv", b"a,cat\nb,dog\n", {"class_map": "@m.csv"}),
        "classes": Kind("c.txt", b"b\na\n", {"classes": "c.txt"}),
        "include": Kind("i.txt", "\n".join(ROWS).encode(), {"include": "@i.txt"}),
    }


def archive_kinds(base):
    """Files that are a source by themselves."""
    made = {}
    for name in ("tar", "zip", "arrays", "compressed arrays", "list"):
        (base / name).mkdir()
        made[name] = KINDS[name](base / name).path
    tar = made["tar"].read_bytes()
    packers = {"gz": gzip, "bz2": bz2, "xz": lzma}
    return {
        **{name: Kind(path.name, path.read_bytes()) for name, path in made.items()},
        **{
            f"tar.{name}": Kind(
                f"all.tar.{name}", packer.compress(tar), packed=(packer.decompress, packer.compress)
            )
            for name, packer in packers.items()
        },
    }


@contextmanager
def bounded():
    """Within, memory and time are bounded: beyond them there is a MemoryError or TimeoutError."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    old = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _hangs(*_):
    raise TimeoutError("hangs")


def trial(work):
    """What went wrong with `work`, or ""; it may refuse by any documented error."""
    try:
        with bounded():
            work()
    except ImgmemError as error:
        return repr(error) if error.exit_code == 70 else ""
    except BaseException as error:
        return repr(error)[:300]
    return ""


def mutant(kind, chance):
    if not kind.packed or chance.random() < 0.3:
        return mutated(kind.data, chance)
    unpack, pack = kind.packed
    return pack(mutated(unpack(kind.data), chance))


READERS = {
    "build": lambda source, out, options: imgmem.build(
        source, out, size=4, on_error="skip", **LIMITS, **options
    ),
    "preview": lambda source, out, options: imgmem.preview_build(
        source, out, size=4, **LIMITS, **options
    ),
    "estimate": lambda source, out, options: imgmem.estimate(
        source, size=4, **LIMITS, **{k: v for k, v in options.items() if k != "classes"}
    ),
}


def trials(root, make, names, kinds, count):
    """(kind, seed, reader, problem) of the trials that went wrong."""
    for seed in range(count):
        name = names[seed % len(names)]
        chance = random.Random(f"{name} {seed}")
        out = root / "out"
        source, options = make(kinds[name], mutant(kinds[name], chance))
        reader = chance.choice(list(READERS))
        if problem := trial(lambda: READERS[reader](source, out, options)):  # noqa: B023
            yield name, seed, reader, problem
        for left in (out, root / ".out.partial"):
            shutil.rmtree(left, ignore_errors=True)


needs_limits = pytest.mark.skipif(
    not hasattr(signal, "alarm"), reason="needs alarms and limits on address space"
)


@needs_limits
@pytest.mark.parametrize("name", text_kinds())
def test_whatever_is_next_to_the_images(tmp_path, monkeypatch, by_tier, name):
    if name == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        # its own pools reserve gigabytes of addresses, of which this test allows few
        pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    source = class_folders(tmp_path / "src", {"a": 3, "b": 3}, size=(5, 6))
    monkeypatch.chdir(tmp_path)

    def make(kind, data):
        (tmp_path / kind.name).write_bytes(data)
        return source, kind.options

    kinds = text_kinds()
    count = by_tier(15, 150, 5000)
    assert [*trials(tmp_path, make, [name], kinds, count)] == []


@needs_limits
@pytest.mark.parametrize(
    "name",
    ["tar", "zip", "arrays", "compressed arrays", "list", "tar.gz", "tar.bz2", "tar.xz"],
)
def test_whatever_is_a_source(tmp_path, monkeypatch, by_tier, name):
    (tmp_path / "base").mkdir()
    kinds = archive_kinds(tmp_path / "base")

    def make(kind, data):
        path = tmp_path / "base" / "list" / kind.name if name == "list" else tmp_path / kind.name
        path.write_bytes(data)
        return path, {}

    assert [*trials(tmp_path, make, [name], kinds, by_tier(20, 200, 5000))] == []


def test_a_label_of_thousands_of_digits_is_a_name(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2, "b": 2}, size=(5, 6))
    lines = [f"{label}/0{n}.png,{'9' * 5000 if n else '7'}" for label in "ab" for n in range(2)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *lines]))
    options = {"size": 4, "labels": tmp_path / "t.csv", "target": "class"} | LIMITS
    built = imgmem.build(source, tmp_path / "out", **options)
    assert set(built.class_counts) == {"7", "9" * 5000}
