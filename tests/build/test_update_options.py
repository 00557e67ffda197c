"""`update` under the options that choose, arrange and store rows."""

import csv
import shutil
import time

import numpy as np
import pytest
from support.images import photo, write
from support.trees import snapshot

import imgmem
from imgmem.core.errors import InputError

SMALL = {"size": 6, "workers": 1, "fsync": False, "on_error": "skip"}


class Source:
    """A folder a/NN_PATIENT.png and the like, with tables of labels, numbers and lists."""

    def __init__(self, folder, depth=np.uint8):
        self.folder, self.root, self.depth = folder, folder / "src", depth
        for number in range(24):
            self.draw(f"{'ab'[number % 2]}/{number:02}_p{number % 7}.png", number)
        self.write_tables()

    def draw(self, name, seed):
        image = photo(6, 6, seed=seed)
        image = image if self.depth == np.uint8 else image[:, :, 0].astype(np.uint16) * 257
        write(self.root / name, image)

    def change(self):
        time.sleep(0.02)
        for number in range(30, 33):
            self.draw(f"a/{number}_p{number % 9}.png", number)
        self.draw("b/03_p3.png", 50)
        (self.root / "a/04_p4.png").unlink()
        (self.root / "a/06_p6.png").rename(self.root / "a/40_p6.png")
        (self.root / "b/05_p5.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
        self.write_tables()

    def write_tables(self):
        names = sorted(p.relative_to(self.root).as_posix() for p in self.root.rglob("*.png"))
        for table, of in {
            "labels": lambda name: "x|y" if "p3" in name else "y",
            "numbers": lambda name: str(int(name[2:4]) / 4),
        }.items():
            with open(self.folder / f"{table}.csv", "w", newline="") as file:
                lines = [("path", "label", "age"), *((n, of(n), len(n)) for n in names)]
                csv.writer(file).writerows(lines)
        for split in ("train", "test"):
            listed = [name for name in names if ("p1" in name) == (split == "test")]
            (self.folder / f"{split}.txt").write_text("\n".join(listed))


OPTIONS = {
    "limit": {"limit": 15, "split": "val=0.3"},
    "shuffled": {"shuffle": True, "seed": 4, "split": "val=0.3"},
    "shuffled, no splits": {"shuffle": True},
    "folds": {"split": "test=0.2,folds=3"},
    "groups": {"group": "name:_(p[0-9]+)", "split": "val=0.3"},
    "no labels": {"labels": "none", "split": "val=0.3"},
    "numbers": {"labels": "{}/numbers.csv", "target": "number", "split": "val=0.3"},
    "several labels": {"labels": "{}/labels.csv", "target": "multilabel", "split": "val=0.3"},
    "lists": {"split": "train=@{0}/train.txt,test=@{0}/test.txt"},
    "exclude": {"exclude": "*p2*", "split": "val=0.3"},
    "float32": {"dtype": "float32", "split": "val=0.3"},
    "gray, padded": {"channels": "gray", "fit": "pad", "size": (4, 9)},
    "native": {"size": "native", "split": "val=0.3"},
    "classes": {"classes": ["b", "x", "a"]},
}


def compare_with_full_build(source, out, options):
    old, new = out.with_name("old"), out.with_name("new")
    shutil.copytree(out, old)
    source.change()
    time.sleep(0.02)  # the clock ticks: the bytes of the image that is rejected are not known
    result = imgmem.build(source.root, out, update=True, **options)
    if "@" not in options.get("split", "@"):
        options = {name: value for name, value in options.items() if name != "seed"}
        options["split"] = f"like:{old}"
    imgmem.build(source.root, new, **options)
    assert snapshot(out) == snapshot(new)
    return result


@pytest.mark.parametrize("name", list(OPTIONS))
def test_the_bytes_are_those_of_a_full_build(name, tmp_path):
    source = Source(tmp_path)
    named = {
        key: value.format(tmp_path) if isinstance(value, str) else value
        for key, value in OPTIONS[name].items()
    }
    options = SMALL | named
    imgmem.build(source.root, tmp_path / "out", **options)
    result = compare_with_full_build(source, tmp_path / "out", options)
    assert result.kept >= 8
    assert imgmem.build(source.root, tmp_path / "out", update=True, **options).already_done


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rows_of_16_bits_are_taken_back_where_that_is_exact(tmp_path, dtype):
    source = Source(tmp_path, depth=np.uint16)
    options = SMALL | {"dtype": "uint16", "channels": "gray"}
    imgmem.build(source.root, tmp_path / "first", **options)
    imgmem.normalize(tmp_path / "first", to=tmp_path / "out", dtype=dtype)
    if dtype == "float16":
        with pytest.raises(InputError, match="rounded 16-bit values"):
            imgmem.build(tmp_path / "out", tmp_path / "other", **SMALL)
    result = compare_with_full_build(source, tmp_path / "out", options)
    decoded = any("all images were decoded" in note for note in result.notes)
    assert decoded == (dtype == "float16")


def test_floats_of_the_files_are_decoded_again(tmp_path):
    source = Source(tmp_path, depth=np.uint16)
    options = SMALL | {"dtype": "float32", "levels": "none", "channels": "gray"}
    imgmem.build(source.root, tmp_path / "out", **options)
    compare_with_full_build(source, tmp_path / "out", options)
