"""Datasets of several labels and of numbers, as they are built."""

import csv
import json
import shlex

import numpy as np
import pytest
from support.images import photo, write
from support.program import imgmem as run
from support.trees import snapshot

import imgmem
from imgmem.core.errors import InputError, Interrupted
from imgmem.core.forecast import BuildDemand
from imgmem.core.specs import RunSpec

SMALL = {"size": 4, "workers": 1}
TAGS = "id,tags\np4,b|a\np0,c\np2,\np1,a|c\n"
POINTS = "id,x,y\np4,0.1,2\np0,-3,7.25\np2,1e-3,4\np1,5,6\n"
SEVERAL = {"target": "multilabel", "no_label": ""}
NUMBERS = {"target": "number", "columns": "label=x,label=y"}


@pytest.fixture
def built(tmp_path):
    """Builds from a table next to six images, and says where."""

    def build(text, name="out", **options):
        for number in range(6):
            write(tmp_path / f"photos/p{number}.png", photo(8, 8, seed=number))
        (tmp_path / "l.csv").write_text(text)
        out = tmp_path / name
        given = {"labels": tmp_path / "l.csv"} | SMALL | options
        imgmem.build(tmp_path / "photos", out, **given)
        return out

    return build


def build_words(folder):
    """A command line without options, for what `built` has left in a folder."""
    return ["build", folder / "photos", folder / "new", "--labels", folder / "l.csv"]


def rows(dataset):
    with open(dataset / "rows.csv", newline="") as file:
        return [(row["path"], row["label"], row["class"]) for row in csv.DictReader(file)]


def record(dataset):
    return json.loads((dataset / "dataset.json").read_text())


def test_several_labels_are_flags_in_the_order_of_the_classes(built):
    out = built(TAGS, **SEVERAL)
    y = np.load(out / "y.npy")
    assert (y.dtype, y.tolist()) == (np.uint8, [[0, 0, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]])
    assert rows(out) == [
        ("p0.png", "2", "c"), ("p1.png", "0|2", "a|c"), ("p2.png", "", ""), ("p4.png", "0|1", "a|b")
    ]  # fmt: skip
    found = record(out)
    assert (found["target"], found["classes"], found["requires"]) == (
        "multilabel", ["a", "b", "c"], ["target"]
    )  # fmt: skip


def test_numbers_are_float32_in_the_order_of_their_names(built):
    out = built(POINTS, **NUMBERS)
    y = np.load(out / "y.npy")
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.float32([[-3, 7.25], [5, 6], [1e-3, 4], [0.1, 2]]))
    assert rows(out)[2:] == [("p2.png", "0.001|4.0", ""), ("p4.png", "0.1|2.0", "")]
    found = record(out)
    assert (found["target"], found["target_names"], found["classes"]) == (
        "number",
        ["x", "y"],
        None,
    )


def test_one_number_is_a_vector(built):
    y = np.load(built("id,age\np4,31\np0,4.5\n", target="number") / "y.npy")
    assert (y.dtype, y.tolist()) == (np.float32, [4.5, 31.0])


@pytest.mark.parametrize(("text", "options"), [(TAGS, SEVERAL), (POINTS, NUMBERS)])
def test_any_number_of_workers_gives_the_same_bytes(built, text, options):
    one = built(text, "one", **options)
    three = built(text, "three", **options | {"workers": 3})
    assert snapshot(one) == snapshot(three)
    assert imgmem.stats(one, verify=True).shape[0] == 4


@pytest.mark.parametrize(("text", "options"), [(TAGS, SEVERAL), (POINTS, NUMBERS)])
def test_a_dataset_as_source_keeps_its_target(built, tmp_path, text, options):
    out = built(text, **options)
    imgmem.build(out, tmp_path / "again", split="val=0.5", **SMALL)
    before = {path: rest for path, *rest in rows(out)}
    assert {path: rest for path, *rest in rows(tmp_path / "again")} == before
    names = ("target", "classes", "target_names")
    assert [record(tmp_path / "again").get(n) for n in names] == [record(out).get(n) for n in names]


@pytest.mark.parametrize(("text", "options"), [(TAGS, SEVERAL), (POINTS, NUMBERS)])
def test_an_opened_dataset_hands_out_its_targets(built, text, options):
    with imgmem.open(built(text, **options)) as data:
        y = np.load(data.path + "/y.npy")
        np.testing.assert_array_equal(data.labels, y)
        np.testing.assert_array_equal(data[1][1], y[1])
        np.testing.assert_array_equal(data[[2, 0]][1], y[[2, 0]])
        for _, labels, at in data.batches(3, rows=True):
            np.testing.assert_array_equal(labels, y[at])
        assert data.target == options["target"]


def test_classes_are_counted_once_for_each_of_their_rows(built):
    with imgmem.open(built(TAGS, **SEVERAL)) as data:
        assert data.class_counts.tolist() == [2, 1, 2]


def test_pinned_classes_make_the_columns(built):
    out = built(TAGS, classes=("c", "x", "a", "b"), **SEVERAL)
    assert np.load(out / "y.npy")[0].tolist() == [1, 0, 0, 0]
    with pytest.raises(InputError, match="b"):
        built(TAGS, "other", classes=("c", "a"), **SEVERAL)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("id,tags\np0,a|b\np1,\n", {"target": "multilabel"}),
        ("id,age\np0,1\np1,\n", {"target": "number"}),
    ],
)
def test_a_line_without_a_target_is_a_reject_with_its_line(built, text, options):
    with pytest.raises(InputError, match="line 3: it has no label"):
        built(text, **options)
    out = built(text, "skipped", on_error="skip", **options)
    assert np.load(out / "y.npy").shape[0] == 1


def test_a_dry_run_counts_each_class_and_each_image_once(built, tmp_path):
    built(TAGS, **SEVERAL)
    found = imgmem.preview_build(
        tmp_path / "photos", tmp_path / "new", labels=tmp_path / "l.csv", split="val=0.5",
        **SMALL, **SEVERAL,
    )  # fmt: skip
    assert {each.name: each.images for each in found.classes} == {"a": 2, "b": 1, "c": 2}
    assert sum(found.splits.values()) == 4


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [(TAGS, SEVERAL, 2), (POINTS, NUMBERS, np.float32(np.nan))],
)
def test_a_target_that_cannot_be_is_damage(built, text, options, value):
    out = built(text, **options)
    y = np.load(out / "y.npy")
    y[1, 1] = value
    data = (out / "y.npy").read_bytes()
    (out / "y.npy").write_bytes(data[:128] + y.tobytes())
    with imgmem.open(out) as opened, pytest.raises(imgmem.DatasetError, match="row 1 has"):
        opened.labels  # noqa: B018


@pytest.mark.parametrize(
    ("text", "options", "target", "bytes_a_row"),
    [
        (TAGS, SEVERAL, "multilabel", 3),
        (POINTS, NUMBERS, "number", 8),
        ("id,age\np4,31\np0,4.5\n", {"target": "number"}, "number", 4),
    ],
)
def test_a_forecast_counts_the_bytes_of_targets(
    built, tmp_path, text, options, target, bytes_a_row
):
    out = built(text, **options)
    given = {"labels": tmp_path / "l.csv", "size": 4, "target": target}
    given |= {name: options[name] for name in ("columns", "no_label") if name in options}
    found = imgmem.estimate(tmp_path / "photos", **given).images
    assert (found.target, found.label_bytes) == (target, bytes_a_row)
    stored = imgmem.estimate(out).images
    assert (stored.target, stored.label_bytes) == (target, bytes_a_row)


def test_a_dry_run_shows_the_range_of_each_number(built, tmp_path):
    built(POINTS, **NUMBERS)
    found = imgmem.preview_build(
        tmp_path / "photos", tmp_path / "new", labels=tmp_path / "l.csv", **SMALL, **NUMBERS
    )
    assert [(each.name, each.minimum, each.maximum) for each in found.numbers] == [
        ("x", -3, 5), ("y", 2, 7.25)
    ]  # fmt: skip
    flags = ["--target", "number", "--columns", "label=x,label=y", "--dry-run", "--size", "4"]
    done = run(*build_words(tmp_path), *flags)
    assert done.returncode == 0
    assert "x: -3 to 5" in done.stdout


@pytest.mark.parametrize(
    ("text", "flags", "said"),
    [
        (TAGS, ["--target", "multilabel", "--no-label", ""], "a 2, b 1, c 2"),
        (POINTS, ["--target", "number", "--columns", "label=x,label=y"], "x, y"),
    ],
)
def test_the_command_line_builds_and_says_what_labels_are(built, tmp_path, text, flags, said):
    built("id,tags\np0,a\n", "unused")
    (tmp_path / "l.csv").write_text(text)
    done = run(*build_words(tmp_path), "--size", "4", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


def test_without_the_target_the_command_is_shown(built, tmp_path):
    built("id,tags\np0,a\n", "unused")
    (tmp_path / "l.csv").write_text("id,tags\np0,a|b\np1,b\n")
    done = run(*build_words(tmp_path))
    assert done.returncode == 3
    shown = next(line for line in done.stderr.splitlines() if "--target multilabel" in line)
    assert run(*shlex.split(shown)[1:], "--size", "4").returncode == 0


@pytest.mark.parametrize(("text", "options"), [(TAGS, SEVERAL), (POINTS, NUMBERS)])
def test_an_interrupted_build_resumes_to_the_same_targets(built, tmp_path, text, options):
    straight = built(text, "straight", **options)
    calls = iter(range(3))

    def interrupt(progress):
        if progress.phase == "build" and next(calls, None) == 1:
            raise KeyboardInterrupt

    given = {"labels": tmp_path / "l.csv", "size": 4} | options
    tight = RunSpec(
        workers=1,
        memory=BuildDemand.of(rows=4, values=48, itemsize=1, workers=1, cpus=1).floor,
    )
    with pytest.raises(Interrupted), pytest.MonkeyPatch.context() as patched:
        patched.setattr("imgmem.core.forecast.CHUNK_BYTES", 48)
        patched.setattr("imgmem.core.build.filling.TASK_BYTES", 1)
        imgmem.build(tmp_path / "photos", tmp_path / "out", progress=interrupt, run=tight, **given)
    result = imgmem.build(tmp_path / "photos", tmp_path / "out", **given)
    assert 0 < result.resumed_at < 4
    assert snapshot(tmp_path / "out") == snapshot(straight)


@pytest.mark.parametrize(
    ("classes", "flags"),
    [("a=c", [[0, 1], [0, 1], [0, 0], [1, 1]]), ("a=", [[0, 1], [0, 1], [0, 0], [1, 0]])],
)
def test_labels_of_a_dataset_are_renamed_and_dropped(built, tmp_path, classes, flags):
    out = built(TAGS, **SEVERAL)
    imgmem.build(out, tmp_path / "again", class_map=classes, **SMALL)
    assert record(tmp_path / "again")["classes"] == (["c", "b"] if "c" in classes else ["b", "c"])
    found = dict(
        zip(
            (p for p, *_ in rows(tmp_path / "again")),
            np.load(tmp_path / "again/y.npy"),
            strict=True,
        )
    )
    order = record(tmp_path / "again")["classes"]
    expected = {f"p{n}.png": row for n, row in zip((0, 1, 2, 4), flags, strict=True)}
    for path, row in expected.items():
        assert [found[path][order.index(name)] for name in ("b", "c")] == row


def test_another_target_than_that_of_a_dataset_is_refused(built, tmp_path):
    out = built(POINTS, **NUMBERS)
    with pytest.raises(imgmem.UsageError, match="the source has numbers"):
        imgmem.build(out, tmp_path / "again", target="class", **SMALL)
