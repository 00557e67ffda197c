"""What `estimate` finds out from headers, and what it concludes."""

import os
import random
import struct
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import write_dataset
from support.images import encode, oriented, photo, write
from support.trees import class_folders

from imgmem.core import forecast
from imgmem.core.build.operation import build
from imgmem.core.errors import CheckFailed, InputError, UsageError
from imgmem.core.estimate import header_stats
from imgmem.core.estimate.naive import BASE_BYTES
from imgmem.core.estimate.operation import estimate, limit_check
from imgmem.core.normalize.operation import normalize
from imgmem.core.progress import no_progress
from imgmem.core.rows import facts as row_facts
from imgmem.core.sources import Entry, Listing, folder, walk
from imgmem.core.specs import BuildSpec, EstimateSpec, ImageSpec, RunSpec

NATIVE = EstimateSpec(image=ImageSpec(size=None))
MIB = 2**20


def test_no_pixel_is_decoded(tmp_path):
    """Files that end right after their headers give the same forecast as whole ones."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for number, ending in enumerate((".jpg", ".png", ".bmp", ".gif")):
        file = write(whole / f"a/{number}{ending}", photo(300, 400, number))
        (cut / "a").mkdir(parents=True, exist_ok=True)
        (cut / f"a/{number}{ending}").write_bytes(file.read_bytes()[:1000])
    found = estimate(whole, spec=NATIVE).images
    of_headers = estimate(cut, spec=NATIVE).images
    assert replace(of_headers, source_bytes=found.source_bytes) == found
    assert estimate(whole, spec=NATIVE).images.row_shape == (300, 400, 3)


def test_a_header_behind_a_long_exif_block_is_found(tmp_path):
    """60 KB of EXIF before the frame header: the first page of the file does not do."""
    plain = encode(photo(30, 40), "JPEG")
    segment = b"Exif\0\0" + bytes(60_000)
    padded = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
    (tmp_path / "a.jpg").write_bytes(padded + bytes(70_000))
    assert estimate(tmp_path, spec=NATIVE).images.row_shape == (30, 40, 3)


def test_bad_headers_are_counted_and_not_fatal(tmp_path):
    class_folders(tmp_path, {"a": 3})
    (tmp_path / "a/empty.jpg").write_bytes(b"")
    (tmp_path / "a/page.jpg").write_text("<html>not found</html>")
    (tmp_path / "a/gone.jpg").symlink_to("nowhere")
    write(tmp_path / "a/large.png", np.zeros((50, 50, 3), np.uint8))
    spec = EstimateSpec(image=ImageSpec(max_pixels=2000))
    images = estimate(tmp_path, spec=spec).images
    assert (images.listed, images.rows) == (7, 3)
    assert images.rejected == {"empty": 1, "not-an-image": 1, "unreadable": 1, "too-large": 1}


def test_native_sizes_are_upright(tmp_path):
    """Two portraits, one of them stored lying down with an EXIF orientation."""
    write(tmp_path / "a.jpg", photo(40, 30), "JPEG")
    write(tmp_path / "b.jpg", photo(30, 40), "JPEG", exif=oriented(6))
    assert estimate(tmp_path, spec=NATIVE).images.row_shape == (40, 30, 3)


def test_unequal_native_sizes_cost_the_list_and_cannot_be_built(tmp_path):
    write(tmp_path / "a.png", photo(40, 30))
    write(tmp_path / "b.png", photo(100, 50))
    result = estimate(tmp_path, spec=NATIVE)
    assert (result.images.row_shape, result.build, result.normalize) == (None, None, None)
    assert (result.images.smallest, result.images.largest) == ((40, 30), (100, 50))
    assert [stage.name for stage in result.naive["float64"].stages] == ["read"]
    assert result.images.values == 3 * (40 * 30 + 100 * 50)


def test_gray_rows_take_a_third(tmp_path):
    class_folders(tmp_path, {"a": 2})
    gray = EstimateSpec(image=ImageSpec(size=(100, 100), channels="gray"))
    images = estimate(tmp_path, spec=gray).images
    assert (images.row_shape, images.values) == ((100, 100, 1), 20_000)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_disk_forecast_of_build_is_what_build_takes(tmp_path, dtype):
    """Never less than the finished dataset, and at most a tenth and 20 KB more."""
    class_folders(tmp_path / "photos", {"cats": 40, "dogs": 60})
    spec = BuildSpec(image=ImageSpec(size=(32, 32)), dtype=dtype)
    need = estimate(tmp_path / "photos", spec=EstimateSpec(image=spec.image, dtype=dtype)).build
    build(tmp_path / "photos", tmp_path / "out", spec=spec)
    taken = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    arrays = sum((tmp_path / "out" / name).stat().st_size for name in ("X.npy", "y.npy"))
    assert arrays <= taken - 10_000 <= need.disk_bytes <= 1.1 * taken + 20_000


def test_the_forecast_knows_the_size_of_a_row_of_facts():
    assert row_facts.ROW_FACTS.itemsize == forecast.ROW_FACTS_BYTES


def test_what_is_lacking_is_said_before_it_is_missed(tmp_path):
    """A budget that cannot hold the largest image, and one below any use."""
    write(tmp_path / "a.png", np.zeros((5000, 5000, 3), np.uint8))
    small = estimate(tmp_path, run=RunSpec(memory=100 * MIB)).build
    assert not small.fits
    assert "the largest image needs more" in small.verdict
    enough = int(small.verdict.split("'")[1].removesuffix("MiB")) * MIB
    assert estimate(tmp_path, run=RunSpec(memory=enough)).build.fits
    tiny = estimate(tmp_path, run=RunSpec(memory=20 * MIB)).build
    assert not tiny.fits
    assert "below the floor" in tiny.verdict


def test_a_dataset_is_forecast_from_its_record(tmp_path):
    """Shapes come from dataset.json; there is nothing to build, normalize is still to do."""
    path = write_dataset(tmp_path / "data", np.zeros((50, 60, 70, 3), np.uint8))
    result = estimate(path)
    values = 50 * 60 * 70 * 3
    assert (result.kind, result.build) == ("dataset", None)
    assert result.images.row_shape == (60, 70, 3)
    assert result.naive["float64"].peak_bytes == BASE_BYTES + 24 * values
    assert result.normalize.disk_bytes == pytest.approx((3 + 4) * values, rel=0.02)  # one chunk


def test_a_dataset_that_is_there_takes_its_disk_until_it_is_replaced(tmp_path):
    out = write_dataset(tmp_path / "out", np.zeros((50, 64, 64, 3), np.uint8))
    write(tmp_path / "photos/a/0.png", photo(9, 9))
    for result in (estimate(out), estimate(tmp_path / "photos", out=out)):
        assert any("600.1 KiB" in n and "both are on the disk" in n for n in result.images.notes)
    notes = estimate(tmp_path / "photos", out=tmp_path / "new").images.notes
    assert not any("both are on the disk" in note for note in notes)


def test_a_normalized_dataset_only_needs_to_be_loaded(tmp_path):
    path = write_dataset(tmp_path / "data", np.arange(1200, dtype=np.uint8).reshape(4, 10, 10, 3))
    normalize(path)
    result = estimate(path)
    assert result.normalize is None
    assert [stage.name for stage in result.naive["float32"].stages] == ["load"]
    assert result.naive["float32"].peak_bytes == BASE_BYTES + 4 * 1200


def test_image_options_are_refused_next_to_a_dataset(tmp_path):
    path = write_dataset(tmp_path / "data", np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="do not apply"):
        estimate(path, spec=EstimateSpec(image=ImageSpec(size=(5, 5))))


def test_a_source_without_images_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no images found"):
        estimate(tmp_path)
    with pytest.raises(InputError):
        estimate(tmp_path / "missing")


def test_the_limit_judges_the_dtype_asked_for(tmp_path):
    class_folders(tmp_path, {"a": 2})
    result = estimate(tmp_path)
    limit = result.naive["float32"].peak_bytes
    assert limit_check(result, EstimateSpec(limit=limit, naive_dtype="float32")) is None
    failure = limit_check(result, EstimateSpec(limit=limit, naive_dtype="float64"))
    assert isinstance(failure, CheckFailed)
    assert failure.facts["peak_bytes"] == result.naive["float64"].peak_bytes


def test_the_free_space_is_that_of_the_directory_to_be_made(tmp_path):
    class_folders(tmp_path / "photos", {"a": 2})
    available = estimate(tmp_path / "photos", out=tmp_path / "not/yet/there").available
    assert available.directory == str(tmp_path)


# Samples ---------------------------------------------------------------------------------


class Listed:
    """A source of JPEG headers: `facts` is name → (height, width, bytes of the file)."""

    address = None
    labeled = False
    spool_bytes = 0
    remote = False

    def __init__(self, facts):
        self.facts = facts
        self.ignored, self.notes = Counter(), []

    def entries(self):
        for name, (_, _, size) in self.facts.items():
            yield Entry(name, size, 0)

    def read_head(self, name, locator, length):
        height, width, _ = self.facts[name]
        frame = struct.pack(">BHHB", 8, height, width, 3) + bytes((1, 17, 0, 2, 17, 1, 3, 17, 1))
        scan = b"\xff\xda\0\x0c\3" + bytes((1, 0, 2, 0, 3, 0, 0, 63, 0))
        return b"\xff\xd8\xff\xc0" + struct.pack(">H", 17) + frame + scan


def population(seed, count=2000):
    """Thumbnails, photographs and a few giants; bytes go with pixels, loosely."""
    chance = random.Random(seed)
    facts = {}
    for number in range(count):
        side = chance.choice([64] * 60 + [500] * 38 + [4000] * 2)
        height, width = (int(side * chance.uniform(0.7, 1.3)) for _ in range(2))
        size = int(height * width * chance.lognormvariate(-1.5, 0.4)) + 5000
        facts[f"{seed}/{number}.jpg"] = (height, width, size)
    return facts


def total_of(facts, sample):
    """(values, relative error) by a census of `facts`."""
    source = Listed(facts)
    found = header_stats.scan_headers(
        source, Listing(entries=source.entries()), NATIVE.image, sample=sample, progress=no_progress
    )
    assert found.examined == min(sample, len(facts))
    return found.values.total(found.weight)


def test_a_sample_states_its_uncertainty_and_keeps_to_it():
    """In at least 36 of 40 mixed folders the truth is inside the stated 95 % interval."""
    inside = 0
    for seed in range(40):
        facts = population(seed)
        truth = sum(3 * height * width for height, width, _ in facts.values())
        total, error = total_of(facts, 200)
        assert 0 < error < 0.25
        inside += abs(total - truth) <= error * total
    assert inside >= 36


def test_a_sample_of_everything_is_exact():
    facts = population(1, 100)
    assert total_of(facts, 100) == (sum(3 * h * w for h, w, _ in facts.values()), 0)
    assert total_of(facts, 1000) == total_of(facts, 100)


def test_a_sample_does_not_depend_on_the_order_of_the_listing():
    facts = population(2)
    assert total_of(facts, 50) == total_of(dict(reversed(facts.items())), 50)


@given(giant=st.integers(0, 299))
def test_one_giant_among_thumbnails_is_never_missed(giant):
    facts = {f"{number}.jpg": (64, 64, 6000) for number in range(300)}
    facts[f"{giant}.jpg"] = (4000, 6000, 8_000_000)
    source = Listed(facts)
    found = header_stats.scan_headers(
        source, Listing(entries=source.entries()), NATIVE.image, sample=20, progress=no_progress
    )
    assert (4000, 6000) in found.sizes


def test_rejects_in_a_sample_stand_for_as_many_of_the_rest(tmp_path):
    """Of 200 equal files a quarter is damaged: rows and their uncertainty follow from 80."""
    picture = encode(photo(20, 20), "JPEG")
    for number in range(200):
        (tmp_path / f"{number}.jpg").write_bytes(
            b"\0" * len(picture) if number % 4 == 0 else picture
        )
    images = estimate(tmp_path, spec=EstimateSpec(sample=80)).images
    assert images.examined == 80
    assert 0 < images.error < 0.25
    assert abs(images.rows - 150) <= images.error * images.rows


class Looked:
    """Entries of a directory, whose `stat` is counted."""

    def __init__(self, entry, count):
        self._entry, self._count = entry, count

    def __getattr__(self, name):
        return getattr(self._entry, name)

    def stat(self):
        self._count["stat"] += 1
        return self._entry.stat()


@pytest.mark.parametrize("labels", ["folder", "table"])
def test_a_sample_of_a_folder_asks_for_the_facts_of_its_own_files_alone(
    tmp_path, monkeypatch, labels
):
    """On a network share each of them is a round trip: a million would take hours."""
    source = class_folders(tmp_path / "photos", {"a": 30, "b": 30})
    (source / "a" / "link.png").symlink_to(source / "b")  # a folder, though its name is a file's
    names = sorted(path.relative_to(source) for path in source.glob("*/*.png") if path.is_file())
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(f"{name},{name.parts[0]}\n" for name in names))
    count, scandir, stat = Counter(), os.scandir, os.stat

    @contextmanager
    def looked(path):
        with scandir(path) as entries:
            yield (Looked(entry, count) for entry in entries)

    def counted_stat(path, **options):
        count[str(path)] += 1
        return stat(path, **options)

    monkeypatch.setattr(walk.os, "scandir", looked)
    monkeypatch.setattr(folder.os, "scandir", scandir)
    monkeypatch.setattr(folder.os, "stat", counted_stat)
    options = {"labels": str(table)} if labels == "table" else {}
    images = estimate(source, sample=5, **options).images
    asked = [path for path in count if path.endswith(".png")]
    assert (count["stat"], len(asked), images.examined) == (0, 5, 5)


def test_a_sample_of_names_states_its_uncertainty_in_native_sizes(tmp_path):
    for number in range(60):
        write(tmp_path / f"{number}.jpg", photo(20 + number, 30))
    whole = estimate(tmp_path, size="native").images
    images = estimate(tmp_path, size="native", sample=30).images
    assert 0 < images.error < 0.3
    assert abs(images.values - whole.values) <= images.error * whole.values
    assert images.source_bytes == pytest.approx(whole.source_bytes, rel=0.3)
    everything = estimate(tmp_path, size="native", sample=100).images
    assert everything == replace(whole)


def test_what_is_not_an_image_is_distinguished_by_its_name_alone(tmp_path):
    """The listing without sizes finds what the listing with sizes finds."""
    source = class_folders(tmp_path / "photos", {"a": 3, "b": 3})
    os.mkfifo(source / "a" / "pipe.jpg")
    (source / "a" / "gone.jpg").symlink_to("nowhere")
    (source / "a" / "again.jpg").symlink_to(source / "b" / "00.png")
    (source / "b" / "loop.jpg").symlink_to("loop.jpg")
    found = estimate(source, sample=100).images
    assert found == estimate(source).images
    assert found.ignored == {"FIFO, socket or device": 1}
    assert found.rejected == {"unreadable": 2}
