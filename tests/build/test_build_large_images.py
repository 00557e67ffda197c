"""Images that need more memory than is left beside others, and the limit on pixels."""

import filecmp
import json
import re

import numpy as np
import pytest
from support import program
from support.images import encode, photo, write

import imgmem
from imgmem import DatasetError, InputError, ResourceError
from imgmem.core.units import parse_bytes

MIB = 2**20
TIGHT = 110 * MIB
"""A budget that leaves the pool some 20 MiB beside the chunks."""


def plant(folder, *large):
    """Ten small images, and large ones (height, width) among them."""
    for number in range(10):
        write(folder / f"a/{number}.png", photo(40, 50, number))
    for number, (height, width) in enumerate(large):
        path = folder / f"a/{4 + number}_large.png"
        path.write_bytes(encode(np.full((height, width, 3), 90 + number, np.uint8)))
    return folder


def build(source, out, **options):
    return imgmem.build(source, out, size=32, workers=4, **({"memory": TIGHT} | options))


def same(one, two):
    names = ["X.npy", "y.npy", "rows.npy", "rows.csv", "dataset.json"]
    return filecmp.cmpfiles(one, two, names, shallow=False)[0] == names


def test_an_image_that_needs_most_of_the_budget_is_decoded_alone(tmp_path):
    source = plant(tmp_path / "src", (2600, 2800))
    options = ("--size", "32", "--workers", "4", "--memory", "110MiB", "--json")
    result = json.loads(program.imgmem("build", source, tmp_path / "tight", *options).stdout)
    assert result["shape"][0] == 11
    assert result["peak_memory"] <= TIGHT
    build(source, tmp_path / "ample", memory=1024 * MIB)
    assert same(tmp_path / "tight", tmp_path / "ample")


def test_an_update_decodes_it_alone_too_and_names_what_the_budget_is_too_small_for(tmp_path):
    source = plant(tmp_path / "src")
    build(source, tmp_path / "out")
    plant(source, (2400, 2600), (100, 100))
    assert build(source, tmp_path / "out", update=True).kept == 10
    build(source, tmp_path / "ample", memory=1024 * MIB)
    assert same(tmp_path / "out", tmp_path / "ample")
    plant(source, (2400, 2600), (100, 100), (5000, 5000))
    error = refused(source, tmp_path / "out", update=True)
    assert error.facts["images"] == ["a/6_large.png"]
    assert build(source, tmp_path / "out", update=True, memory=error.facts["memory"]).kept == 12


def refused(source, out, **options):
    with pytest.raises(ResourceError) as caught:
        build(source, out, **options)
    return caught.value


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_all_images_that_the_budget_is_too_small_for_are_named_at_once(tmp_path, on_error):
    source = plant(tmp_path / "src", (5000, 5000), (100, 100), (6000, 5000))
    error = refused(source, tmp_path / "out", on_error=on_error)
    assert error.exit_code == 5
    assert error.facts["images"] == ["a/4_large.png", "a/6_large.png"]
    assert "4_large.png" in str(error)
    assert "6_large.png" in str(error)
    assert (tmp_path / ".out.partial").is_dir()
    enough = error.facts["memory"]
    refused(source, tmp_path / "out", on_error=on_error, memory=enough - MIB)
    assert build(source, tmp_path / "out", on_error=on_error, memory=enough).shape[0] == 13


def test_the_memory_that_the_hint_names_is_enough(tmp_path):
    source = plant(tmp_path / "src", (5000, 5000))
    hint = refused(source, tmp_path / "out").hint
    named = re.search(r"memory='(\w+)'", str(hint))[1]
    assert build(source, tmp_path / "out", memory=parse_bytes(named)).shape[0] == 11


def test_estimate_names_the_same_memory_beforehand(tmp_path):
    source = plant(tmp_path / "src", (5000, 5000))
    error = refused(source, tmp_path / "out")
    estimate = imgmem.estimate(source, size=32, workers=4, memory=TIGHT)
    assert estimate.build.memory_bytes == error.facts["memory"]


def test_the_limit_that_the_hint_names_leaves_them_out_of_the_same_build(tmp_path):
    source = plant(tmp_path / "src", (5000, 5000))
    limit = refused(source, tmp_path / "out", on_error="skip").facts["max_pixels"]
    assert limit == 5000 * 5000 - 1
    result = build(source, tmp_path / "out", on_error="skip", max_pixels=limit)
    assert result.resumed_at == 5
    assert result.rejected == {"too-large": 1}
    build(source, tmp_path / "fresh", on_error="skip", max_pixels=limit)
    assert same(tmp_path / "out", tmp_path / "fresh")


def test_the_limit_may_be_raised_while_nothing_was_too_large(tmp_path):
    source = plant(tmp_path / "src", (300, 300))
    with pytest.raises(InputError, match="too-large"):
        build(source, tmp_path / "out", max_pixels=50_000)
    result = build(source, tmp_path / "out", max_pixels=100_000)
    assert result.resumed_at == 5
    build(source, tmp_path / "fresh", max_pixels=100_000)
    assert same(tmp_path / "out", tmp_path / "fresh")


def test_a_limit_with_which_what_is_done_would_be_otherwise_is_refused(tmp_path):
    source = plant(tmp_path / "src", (300, 300), (400, 400))
    (source / "a/9z.png").write_bytes(b"no image")
    (source / "a/9y.png").write_bytes(encode(photo(9, 9))[:50])
    with pytest.raises(InputError):
        build(source, tmp_path / "out", on_error="skip", max_rejects=1)
    with pytest.raises(DatasetError, match="max_pixels"):
        build(source, tmp_path / "out", on_error="skip", max_pixels=100_000)


def test_the_policy_on_errors_may_be_changed_on_an_unfinished_build(tmp_path):
    source = plant(tmp_path / "src")
    (source / "a/5z.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="5z"):
        build(source, tmp_path / "out")
    result = build(source, tmp_path / "out", on_error="skip")
    assert (result.resumed_at, result.shape[0]) == (6, 10)
