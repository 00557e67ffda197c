"""Class indices from night to night: `update` never moves one, and says what settles it."""

import os
import shutil

import numpy as np
import pytest
from support.datasets import rows
from support.images import photo, write
from support.trees import snapshot

import imgmem
from imgmem.core.errors import InputError

SMALL = {"size": 4, "workers": 1, "fsync": False}


class Nights:
    """A source in class folders and its dataset, which is updated every night."""

    def __init__(self, folder, folders, **options):
        self.source, self.out = folder / "src", folder / "out"
        self.options = SMALL | options
        self._seed = 0
        for name in folders:
            self.add(name)
        self.build(update=True)

    def add(self, name, count=2):
        for _ in range(count):
            self._seed += 1
            write(self.source / name / f"{self._seed:03}.png", photo(4, 4, seed=self._seed))

    def remove(self, name):
        shutil.rmtree(self.source / name)

    def build(self, **options):
        return imgmem.build(self.source, self.out, **self.options | options)

    def refused(self, **options):
        """The error of an update that may not be done; nothing has changed then."""
        before = snapshot(self.out.parent)
        with pytest.raises(InputError, match="class indices") as caught:
            self.build(update=True, **options)
        assert snapshot(self.out.parent) == before
        assert (
            f"classes='{self.out}'" in caught.value.hint and "overwrite=True" in caught.value.hint
        )
        return str(caught.value)

    @property
    def classes(self):
        found = imgmem.open(self.out)
        labels = {row["class"]: int(row["label"]) for row in rows(self.out)}
        assert labels.items() <= {name: at for at, name in enumerate(found.classes)}.items()
        return found.classes


def test_a_new_class_that_sorts_last_is_only_added(tmp_path):
    nights = Nights(tmp_path, ["bee", "cat"])
    nights.add("dog")
    result = nights.build(update=True)
    assert (nights.classes, result.kept, result.added) == (["bee", "cat", "dog"], 4, 2)
    shutil.copytree(nights.out, tmp_path / "updated")
    nights.build(overwrite=True)
    assert snapshot(tmp_path / "updated") == snapshot(nights.out)


def test_a_new_class_in_between_stops_and_classes_puts_it_behind(tmp_path):
    nights = Nights(tmp_path, ["bee", "cat"])
    nights.add("ant")
    assert "bee 0 → 1, cat 1 → 2" in nights.refused()
    assert nights.build(update=True, classes=nights.out).kept == 4
    assert nights.classes == ["bee", "cat", "ant"]
    assert nights.build(update=True).already_done  # the plain command goes on working
    for name in ("b", "a"):
        nights.add(name)
    assert nights.build(update=True).kept == 6
    assert nights.classes == ["bee", "cat", "ant", "a", "b"]
    nights.remove("cat")
    nights.build(update=True)
    assert nights.classes == ["bee", "cat", "ant", "a", "b"]


def test_overwrite_numbers_all_classes_again(tmp_path):
    nights = Nights(tmp_path, ["bee", "cat"])
    nights.add("ant")
    nights.refused()
    nights.build(overwrite=True)
    assert nights.classes == ["ant", "bee", "cat"]


@pytest.mark.parametrize("gone", ["ant", "bee", "cat"])
def test_a_class_that_vanished_keeps_its_index(tmp_path, gone):
    nights = Nights(tmp_path, ["ant", "bee", "cat"])
    nights.remove(gone)
    assert f"{gone} (" in nights.refused()
    nights.build(update=True, classes=nights.out)
    nights.add("dog")
    nights.build(update=True)
    assert nights.classes == ["ant", "bee", "cat", "dog"]
    nights.add(gone)
    assert nights.build(update=True).class_counts[gone] == 2


@pytest.mark.parametrize("new", ["ape", "zebra"])
def test_a_class_folder_that_was_renamed_is_a_new_class(tmp_path, new):
    nights = Nights(tmp_path, ["ant", "bee"])
    os.replace(nights.source / "ant", nights.source / new)
    assert "ant (0) is gone" in nights.refused()
    nights.build(update=True, classes=nights.out)
    assert nights.classes == ["ant", "bee", new]


def test_classes_that_are_numbers_are_added_by_value(tmp_path):
    nights = Nights(tmp_path, [str(number) for number in range(10)])
    nights.add("10")
    nights.build(update=True)
    assert nights.classes == [str(number) for number in range(11)]
    nights.add("extra")
    assert "2 → 3" in nights.refused()


def test_mapped_classes_are_known_by_their_new_names(tmp_path):
    nights = Nights(tmp_path, ["ant", "bee", "wasp"], class_map="bee=Stinger,wasp=Stinger")
    nights.add("cat")
    nights.build(update=True, classes=nights.out)
    assert nights.classes == ["Stinger", "ant", "cat"]


def test_a_list_of_classes_may_grow_at_its_end(tmp_path):
    names = tmp_path / "classes.txt"
    names.write_text("cat\nbee\n")
    nights = Nights(tmp_path, ["bee", "cat"], classes=names)
    nights.add("ant")
    with pytest.raises(InputError, match="classes not in classes: ant"):
        nights.build(update=True)
    names.write_text("cat\nant\nbee\n")
    assert "bee 1 → 2" in nights.refused()
    names.write_text("cat\nbee\nant\n")
    assert nights.build(update=True).kept == 4
    assert nights.classes == ["cat", "bee", "ant"]
    assert nights.build(update=True).already_done


def test_the_first_night_has_no_known_classes(tmp_path):
    nights = Nights(tmp_path, ["bee", "cat"], classes=tmp_path / "out")
    assert nights.build(update=True).already_done
    nights.add("ant")
    nights.build(update=True)
    assert nights.classes == ["bee", "cat", "ant"]


def test_of_an_unchanged_source_nothing_is_written_whichever_way_classes_are_given(tmp_path):
    nights = Nights(tmp_path, ["bee", "cat"])
    before = snapshot(nights.out)
    assert nights.build(update=True, classes=nights.out).already_done
    assert snapshot(nights.out) == before


def test_columns_of_several_labels_are_added(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("path,label\n0.png,b\n1.png,b|c\n")
    for number in range(3):
        write(tmp_path / "src" / f"{number}.png", photo(4, 4, seed=number))
    options = {"labels": table, "target": "multilabel", **SMALL}
    imgmem.build(tmp_path / "src", tmp_path / "out", **options)
    table.write_text("path,label\n0.png,b\n1.png,b|c\n2.png,a|c\n")
    with pytest.raises(InputError, match="b 0 → 1"):
        imgmem.build(tmp_path / "src", tmp_path / "out", update=True, **options)
    imgmem.build(
        tmp_path / "src", tmp_path / "out", update=True, classes=tmp_path / "out", **options
    )
    assert imgmem.open(tmp_path / "out").classes == ["b", "c", "a"]
    assert np.load(tmp_path / "out/y.npy").tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_a_build_with_the_list_of_all_classes_has_the_same_bytes(tmp_path):
    nights = Nights(tmp_path, ["bee", "cat", "dog"], split="val=0.5")
    nights.add("ant")
    nights.remove("cat")
    shutil.copytree(nights.out, tmp_path / "old")
    nights.build(update=True, classes=nights.out)
    options = {"split": f"like:{tmp_path / 'old'}", "classes": ["bee", "cat", "dog", "ant"]}
    imgmem.build(nights.source, tmp_path / "new", **SMALL, **options)
    assert snapshot(nights.out) == snapshot(tmp_path / "new")
