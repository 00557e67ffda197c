"""Options that contradict each other, or the dataset, are refused before anything is done."""

import pytest
from support import images
from support.program import imgmem
from support.trees import snapshot


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contradictions")
    for seed in range(6):
        images.write(folder / f"photos/{'ab'[seed % 2]}/{seed}.png", images.photo(8, 8, seed))
    assert imgmem("build", folder / "photos", folder / "out", "--size", "8").returncode == 0
    return folder / "out"


@pytest.mark.parametrize(
    "arguments",
    [
        "normalize OUT --undo --method rescale",
        "normalize OUT --undo --mean 1,1,1 --std 1,1,1",
        "normalize OUT --mean 0.5,0.5,0.5",
        "normalize OUT --std 0.5,0.5,0.5",
        "normalize OUT --mean 0.5,0.5 --std 0.5,0.5",
        "normalize OUT --mean 0.5,99,0.5 --std 0.5,0.5,0.5",
        "normalize OUT --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --method rescale",
        "normalize OUT --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --stats-from OUT",
        "normalize OUT --scale 1",
        "normalize OUT --no-fsync",
        "sample OUT --rows 1,2 -n 3",
        "sample OUT --rows 1,2 --balanced",
        "sample OUT --balanced --per-class 2",
        "sample OUT --out sheet.txt",
        "stats OUT OUT --fail-on leaks",
        "stats OUT --fail-on nonsense",
        "stats OUT --threshold nonsense=3",
        "build OUT OUT",
        "build OUT OUT/inside",
        "build OUT new --split train=0.8,val=0.8",
        "build OUT new --split train=x",
        "build OUT new --size 0",
        "build OUT new --size 3x4x5",
        "build OUT new --memory 1KiB",
        "build OUT new --memory lots",
        "build OUT new --workers 0",
        "build OUT new --update --overwrite",
        "build OUT new --resplit",
        "build OUT new --background 1,2,300",
        "estimate OUT --limit much",
        "estimate OUT --sample 0",
    ],
)
def test_a_contradiction_is_a_usage_error_that_changes_nothing(dataset, tmp_path, arguments):
    before = snapshot(dataset)
    words = [
        word.replace("OUT", str(dataset)).replace("new", str(tmp_path / "new"))
        for word in arguments.split()
    ]
    done = imgmem(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert 1 <= done.stderr.count("\n") <= 2
    assert snapshot(dataset) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--seed abc", "'abc' is not a whole number"),
        ("--shuffle=yes", "See `imgmem build --help`."),
        ("--nonsense", "See `imgmem build --help`."),
    ],
)
def test_a_malformed_option_is_reported_plainly(tmp_path, arguments, said):
    done = imgmem("build", tmp_path, tmp_path / "out", *arguments.split())
    assert done.returncode == 2
    assert said in done.stderr
    assert "literal" not in done.stderr
