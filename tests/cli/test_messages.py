"""Messages that help at once, for mistakes that people make."""

import json

import pytest
from support.program import imgmem
from support.trees import class_folders

import imgmem as api


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"cat": 3})


def refused(*arguments, **options):
    """The two lines of a usage error."""
    done = imgmem(*map(str, arguments), **options)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_the_command_that_was_meant_is_named():
    assert "Did you mean `imgmem build`?" in refused("biuld", "a", "b")


def test_paths_without_a_command_are_a_build_that_lacks_its_name(photos):
    assert f"`imgmem build {photos} out`" in refused(photos, "out")


def test_an_unknown_command_lists_the_commands():
    assert "Commands: build, stats, normalize, sample, estimate." in refused("frobnicate")


def test_a_pattern_that_the_shell_expanded_is_counted_and_its_folder_named(photos):
    said = refused("build", *sorted(photos.rglob("*.png")), "out")
    assert "and 2 more are images" in said
    assert f"imgmem build {photos}/cat out --include '*.png'" in said


def test_too_many_arguments_are_named():
    assert "too many arguments: a b" in refused("normalize", "a", "b")


@pytest.mark.parametrize("spelling", ["gray", "grey"])
def test_gray_in_both_spellings(photos, tmp_path, spelling):
    done = imgmem("build", str(photos), str(tmp_path / "out"), "--channels", spelling, "--json")
    assert json.loads(done.stdout)["shape"][-1] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "0.8"), "did you mean train=0.8,val=0.2?"),
        (("--memory", "8"), "did you mean 8GiB?"),
        (("--fit", "squeeze"), "'stretch', 'crop', 'pad'"),
        (("--workers", "two"), "Invalid value for '--workers'"),
        (("--sise", "224"), "--size"),
    ],
)
def test_values_that_were_not_meant(options, message):
    assert message in refused("build", "a", "b", *options)


@pytest.mark.parametrize("address", ["s3://b/x", "gs://b/x", "https://example.org/x.zip"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "photos", "ADDRESS"),
        ("estimate", "photos", "--out", "ADDRESS"),
        ("normalize", "set", "--to", "ADDRESS"),
        ("sample", "set", "--out", "ADDRESS"),
        ("stats", "set", "--report", "ADDRESS"),
    ],
)
def test_an_address_is_refused_and_makes_nothing(tmp_path, address, arguments):
    words = [address if word == "ADDRESS" else word for word in arguments]
    assert f"{address} is an address" in refused(*words, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_version_with_those_of_the_decoders():
    document = json.loads(imgmem("--version", "--json").stdout)
    assert document["version"] == api.__version__
    assert {"pillow", "opencv", "simplejpeg", "numpy"} <= set(document["decoders"])


def test_json_before_the_command_is_refused():
    done = imgmem("--json", "stats", "x")
    assert done.returncode == 2
    assert "--json before a command is only for --version" in done.stderr


def test_a_finding_that_most_rows_have_says_that_its_threshold_does_not_fit(photos, tmp_path):
    imgmem("build", str(photos), str(tmp_path / "set"), "-q")
    said = imgmem("stats", str(tmp_path / "set"), "--threshold", "dark=255").stdout
    assert "that is most of 3 rows: set another limit, --threshold dark=..." in said


def test_a_scale_that_was_inferred_is_a_note(photos, tmp_path):
    imgmem("build", str(photos), str(tmp_path / "set"), "-q")
    words = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--on-read", "--json")
    document = json.loads(imgmem("normalize", str(tmp_path / "set"), *words).stdout)
    assert document["warnings"] == []
    assert document["notes"] == [
        "all of --mean and --std are at most 1: using the scale 0 to 1 (--scale 1)"
    ]
