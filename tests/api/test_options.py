"""Every option of a command is a keyword of its function, declared once."""

from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import click
import numpy as np
import pytest
from support.datasets import write_dataset
from support.trees import class_folders, snapshot

import imgmem
from imgmem import UsageError
from imgmem.cli import COMMANDS, main
from imgmem.core import specs
from imgmem.core.options import tables
from imgmem.core.options.option import Fields, applied, declared
from imgmem.core.stats.options import StatsOptions

TABLES = {
    "build": (tables.BuildOptions, specs.BuildSpec, specs.RejectPolicy, specs.OutPolicy),
    "stats": (StatsOptions, specs.StatsSpec),
    "normalize": (tables.NormalizeOptions, specs.NormalizeSpec),
    "sample": (tables.SampleOptions, specs.SampleSpec),
    "estimate": (tables.EstimateOptions, specs.EstimateSpec),
}
EVERY = [(command, name) for command, (table, *_) in TABLES.items() for name in declared(table)]


SETS_SEVERAL = {"query", "split"}
"""Options whose text says which field they set."""


def defaults(command):
    """The default of each field of the specs of a command, also of specs inside them."""
    found = {}
    made = [kind() for kind in (*TABLES[command][1:], specs.RunSpec)]
    for spec in made:
        for field in fields(spec):
            value = getattr(spec, field.name)
            found[field.name] = value
            if is_dataclass(value):
                made.append(value)
    return found


def option_of(command, name):
    return next(each for each in main.get_command(None, command).params if each.name == name)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_the_keywords_of_its_function(command):
    """Aside from how to print the result; a dry run is the function `preview_build`."""
    flags = {
        option.name
        for option in main.get_command(None, command).params
        if isinstance(option, click.Option)
    }
    hints = get_type_hints(getattr(imgmem, command))
    table = get_args(hints["options"])[0]
    assert flags - {"as_json", "quiet", "dry_run"} == set(declared(table))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_can_all_be_given_at_the_command_line_under_their_names(command):
    for name in declared(TABLES[command][0]):
        assert "--" + name.replace("_", "-") in option_of(command, name).opts


@pytest.mark.parametrize(("command", "name"), EVERY)
def test_every_option_sets_a_field_with_a_default(command, name):
    option = declared(TABLES[command][0])[name]
    assert option.field in defaults(command) or name in SETS_SEVERAL


@pytest.mark.parametrize(("command", "name"), EVERY)
def test_a_default_as_the_help_shows_it_is_the_default(command, name):
    option = declared(TABLES[command][0])[name]
    default = defaults(command).get(option.field)
    if option.facts.parse and default not in (None, (), "") and not option.facts.default:
        value = option.value(option.facts.show(default))
        assert (value[option.field] if isinstance(value, Fields) else value) == default


@pytest.mark.parametrize(("command", "name"), EVERY)
def test_every_option_has_a_heading_that_is_listed(command, name):
    assert declared(TABLES[command][0])[name].facts.heading in tables.HEADINGS


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"cat": 6, "dog": 4})


def test_plain_values_are_the_specs(photos, tmp_path):
    imgmem.build(photos, tmp_path / "a", size=24, split={"train": 0.8, "val": 0.2}, shuffle=True)
    imgmem.build(photos, tmp_path / "b", size="24x24", split="train=0.8,val=0.2", shuffle=True)
    spec = imgmem.BuildSpec(
        image=imgmem.ImageSpec(size=(24, 24)), splits=(("train", 0.8), ("val", 0.2)), shuffle=True
    )
    imgmem.build(photos, tmp_path / "c", spec=spec)
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b") == snapshot(tmp_path / "c")


def test_a_spec_is_the_base_that_keywords_change():
    image = imgmem.ImageSpec(size=(24, 32), fit="crop")
    base = imgmem.BuildSpec(image=image, seed=7), imgmem.RunSpec(workers=3)
    spec, run = applied(tables.BuildOptions, {"size": 48, "memory": "512MiB"}, *base)
    assert spec.image == imgmem.ImageSpec(size=(48, 48), fit="crop")
    assert (spec.seed, run) == (7, imgmem.RunSpec(workers=3, memory=2**29))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sise": 224}, "no option 'sise'\nDid you mean size?"),
        ({"on_eror": "skip"}, "Did you mean on_error?"),
        ({"fit": "crp"}, "fit: 'crp' is not one of stretch, crop, pad; did you mean 'crop'?"),
        ({"size": "large"}, "size: invalid size 'large'; use 224, 180x320 or native"),
        ({"split": "0.8"}, "split: invalid split '0.8'; did you mean train=0.8,val=0.2?"),
        ({"split": 0.8}, "did you mean train=0.8,val=0.2?"),
        ({"memory": "8"}, "memory: 8 is 8 bytes, less than 1MiB; did you mean 8GiB?"),
        ({"memory": "1"}, "memory: 1 is 1 byte, less than 1MiB"),
        ({"memory": "lots"}, "memory: 'lots' is not a size; use e.g. 512MiB"),
        ({"workers": 0}, "workers: 0 is less than 1"),
        ({"workers": 1.5}, "workers: 1.5 is not a whole number"),
        ({"shuffle": "yes"}, "shuffle: 'yes' is not True or False"),
        ({"background": "white"}, "background: invalid color 'white'; use R,G,B"),
        ({"max_rejects": "many"}, "max_rejects: invalid limit 'many'; use e.g. 100 or 1%"),
        ({"max_rejects": 1.5}, "max_rejects: invalid limit '1.5'"),
        ({"labels": 3}, "labels: 3 is not a path"),
    ],
)
def test_what_an_option_cannot_be_is_a_usage_error_that_helps(options, message, tmp_path):
    with pytest.raises(UsageError) as caught:
        imgmem.build(tmp_path, tmp_path / "out", **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "found"),
    [(224, (224, 224)), ("180x320", (180, 320)), ((180, 320), (180, 320)), ("native", None)],
)
def test_sizes(value, found):
    (spec,) = applied(tables.ImageOptions, {"size": value}, specs.ImageSpec())
    assert spec.size == found


@pytest.mark.parametrize(("value", "found"), [("1%", 0.01), (0.01, 0.01), ("100", 100), (0, 0)])
def test_limits_of_rejects(value, found):
    (policy,) = applied(tables.BuildOptions, {"max_rejects": value}, specs.RejectPolicy())
    assert policy.max_rejects == found


def test_grey_is_gray():
    (spec,) = applied(tables.ImageOptions, {"channels": "grey"}, specs.ImageSpec())
    assert spec.channels == "gray"


def test_classes_are_names_or_a_file_that_has_them(photos, tmp_path):
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    for name, classes in (("a", ["dog", "cat"]), ("b", tmp_path / "names.txt")):
        imgmem.build(photos, tmp_path / name, size=24, classes=classes)
    assert list(imgmem.open(tmp_path / "a").classes) == ["dog", "cat"]
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


@pytest.fixture
def dataset(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3)).astype(np.uint8)
    return write_dataset(tmp_path / "set", images, [0, 1] * 4, classes=("cat", "dog"))


def test_a_failed_check_holds_the_result_that_was_checked(dataset):
    with pytest.raises(imgmem.CheckFailed) as caught:
        imgmem.stats(dataset, fail_on="small")
    assert caught.value.result.shape == (8, 6, 6, 3)
    with pytest.raises(imgmem.CheckFailed) as caught:
        imgmem.estimate(dataset, limit="1MiB")
    assert caught.value.result.kind == "dataset"


def test_mean_and_std_are_a_method(dataset):
    done = imgmem.normalize(dataset, mean=(0.5, 0.5, 0.5), std=0.25, scale=1)
    assert done.normalization.method == "given"
    assert imgmem.normalize(dataset, undo=True).status == "undone"
    imgmem.normalize(dataset, method="rescale")
    assert imgmem.undo_normalize(dataset).status == "undone"


def test_a_query_is_classes_and_a_split(dataset):
    rows = imgmem.sample(dataset, query={"class": "dog"}, count=3).labels
    assert rows.tolist() == [1, 1, 1]


def test_verify_names_the_rows_that_cannot_be_trusted(dataset):
    assert imgmem.verify(dataset) == []
    data = bytearray((dataset / "X.npy").read_bytes())
    data[-1] ^= 1
    (dataset / "X.npy").write_bytes(data)
    (found,) = imgmem.verify(dataset)
    assert (found.array, found.stop) == ("X", 8)


def test_two_options_for_one_field_contradict_each_other():
    with pytest.raises(UsageError, match="query contradicts another option"):
        applied(tables.SampleOptions, {"split": "val", "query": "split=train"}, specs.SampleSpec())


def test_a_variable_holds_a_value_of_a_repeatable_option_on_each_line(tmp_path, monkeypatch):
    class_folders(tmp_path / "src", {"a": 2, "b": 2})
    (tmp_path / "my map.csv").write_text("a,x\n")
    monkeypatch.setenv("IMGMEM_BUILD_CLASS_MAP", f"b=y\n@{tmp_path}/my map.csv")
    assert main._run(["build", f"{tmp_path}/src", f"{tmp_path}/out", "--quiet"]) == 0
    assert list(imgmem.open(tmp_path / "out").classes) == ["x", "y"]


@pytest.mark.parametrize(
    "call",
    [
        lambda path, progress: imgmem.build(path / "src", path / "new", progress=progress),
        lambda path, progress: imgmem.estimate(path / "src", progress=progress),
        lambda path, progress: imgmem.stats(path / "d", progress=progress),
        lambda path, progress: imgmem.compare(path / "d", path / "d", progress=progress),
        lambda path, progress: imgmem.verify(path / "d", progress=progress),
        lambda path, progress: imgmem.normalize(path / "d", progress=progress),
        lambda path, progress: imgmem.undo_normalize(path / "d", progress=progress),
    ],
)
def test_progress_that_is_not_a_function_is_refused_before_any_work(tmp_path, call):
    class_folders(tmp_path / "src", {"a": 2})
    imgmem.build(tmp_path / "src", tmp_path / "d", size=8)
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match="progress is not a function: 5"):
        call(tmp_path, 5)
    assert snapshot(tmp_path) == before
