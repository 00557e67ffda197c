"""Class indices under `update`: known classes keep theirs, new ones come after them."""

import os

import pytest
from support.images import photo, write
from support.trees import snapshot

import imgmem
from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.sticky import require_sticky, with_known_classes, without_new_pin
from imgmem.core.errors import InputError
from imgmem.core.specs import BuildSpec, ImageSpec
from imgmem.core.storage import store
from imgmem.core.storage.record import Record

KNOWN = ("ant", "bee", "cat")


def record(classes=KNOWN, pinned=None):
    options = {"options": {"classes": pinned and list(pinned)}}
    return Record(
        shape=(1, 1, 1, 3), dtype="uint8", classes=classes, splits={}, checksums={}, build=options
    )


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        (KNOWN, []),
        ((*KNOWN, "dog"), []),
        (("ant", "asp", "bee", "cat"), ["bee", "cat"]),
        (("ant", "cat"), ["bee", "cat"]),
        (("ant", "bee"), ["cat"]),
        (("ant", "bees", "cat"), ["bee"]),
        (("bee", "cat", "zebra"), ["ant", "bee", "cat"]),
        (None, list(KNOWN)),
    ],
)
def test_known_classes_have_to_keep_their_index(now, changed):
    if not changed:
        require_sticky(record(), now, "out")
        return
    with pytest.raises(InputError) as caught:
        require_sticky(record(), now, "out")
    assert caught.value.facts["classes"] == changed
    assert "classes='out'" in caught.value.hint and "overwrite=True" in caught.value.hint


def test_what_is_labeled_only_now_has_any_classes():
    require_sticky(record(classes=None), ("a", "b"), "out")


@pytest.mark.parametrize(
    ("spec", "of", "classes"),
    [
        ({}, record(), None),
        ({}, record(pinned=KNOWN), KNOWN),
        ({"classes": ("x",)}, record(pinned=KNOWN), ("x",)),
        ({"classes_from": "out"}, record(), KNOWN),
        ({"classes_from": "./out/dataset.json"}, record(pinned=KNOWN), KNOWN),
        ({"classes_from": "out"}, None, None),
        ({}, None, None),
    ],
)
def test_classes_are_kept_where_they_were_pinned_or_the_dataset_gives_them(spec, of, classes):
    found = with_known_classes(BuildSpec(**spec), of, "out")
    assert found.classes == classes
    assert found.classes_from is None
    assert found.more_classes == (classes == KNOWN)


def test_a_list_of_classes_remains_what_is_to_be_read():
    assert with_known_classes(BuildSpec(classes_from="f.txt"), record(), "out").classes_from
    unlabeled = record(classes=None)
    assert with_known_classes(BuildSpec(classes_from="out"), unlabeled, "out").classes_from


def test_pinning_what_is_so_anyway_changes_nothing():
    inputs = BuildInputs(options={"classes": list(KNOWN)}, decoders={}, listing="", listing_now="")
    assert without_new_pin(inputs, record(), KNOWN).options == {"classes": None}
    assert without_new_pin(inputs, record(), (*KNOWN, "dog")) == inputs
    assert without_new_pin(inputs, record(pinned=KNOWN), KNOWN) == inputs


@pytest.mark.parametrize(
    ("pinned", "folders", "classes"),
    [
        (("b", "a"), "abcd", ("b", "a", "c", "d")),
        (("b", "x", "a"), "ab", ("b", "x", "a")),
        (tuple(map(str, range(9, -1, -1))), ["11", "10", "3"], (*"9876543210", "10", "11")),
    ],
)
def test_new_classes_come_after_those_that_are_pinned(tmp_path, pinned, folders, classes):
    for seed, name in enumerate(folders):
        write(tmp_path / "src" / name / "0.png", photo(4, 4, seed=seed))
    spec = BuildSpec(image=ImageSpec(size=(4, 4)), classes=pinned, more_classes=True)
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=spec)
    assert store.read_record(str(tmp_path / "out")).classes == classes
    imgmem.build(tmp_path / "src", tmp_path / "listed", size=4, classes=classes)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "listed")


def test_several_labels_grow_by_columns(tmp_path):
    lines = ["path,label", "0.png,b|d", "1.png,a"]
    for number in range(2):
        write(tmp_path / "src" / f"{number}.png", photo(4, 4, seed=number))
    (tmp_path / "t.csv").write_text("\n".join(lines))
    spec = BuildSpec(
        image=ImageSpec(size=(4, 4)), classes=("b", "c"), more_classes=True, target="multilabel",
        labels=os.fspath(tmp_path / "t.csv"),
    )  # fmt: skip
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=spec)
    assert store.read_record(str(tmp_path / "out")).classes == ("b", "c", "a", "d")
