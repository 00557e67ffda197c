"""Findings: what is planted is found, and distinct pictures are left alone."""

import cv2
import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo, write

import imgmem
from imgmem.core.build.operation import build
from imgmem.core.specs import BuildSpec, ImageSpec
from imgmem.core.stats.findings import Finding
from imgmem.core.thresholds import Thresholds

SIDE = 96


def photos(count):
    return np.stack([photo(SIDE, SIDE, seed) for seed in range(count)])


def found(path, **limits) -> dict[str, Finding]:
    findings = imgmem.stats(path, threshold=Thresholds(**limits)).findings
    return {finding.kind: finding for finding in findings}


def rows(finding):
    return [tuple(source.row for source in item.rows) for item in finding.items]


def test_an_ordinary_dataset_has_nothing_to_look_at(tmp_path):
    path = write_dataset(tmp_path / "set", photos(20), [0, 1] * 10, splits={"train": (0, 20)})
    assert found(path) == {}


def test_rows_of_the_same_bytes_are_duplicates(tmp_path):
    images = photos(8)
    images[[5, 7]] = images[2]
    path = write_dataset(tmp_path / "set", images, digests=[0, 1, 2, 3, 4, 2, 6, 2])
    assert rows(found(path)["duplicates"]) == [(2, 5, 7)]
    assert list(found(path)) == ["duplicates"]


def test_rows_that_look_the_same_are_near_duplicates(tmp_path):
    images = photos(8)
    images[6] = cv2.convertScaleAbs(images[1], alpha=0.9)
    path = write_dataset(tmp_path / "set", images)
    assert rows(found(path)["near-duplicates"]) == [(1, 6)]
    assert not found(path)["near-duplicates"].items[0].exact


def test_duplicates_across_splits_are_leaks_and_across_classes_conflicts(tmp_path):
    images = photos(10)
    images[8] = images[0]
    images[9] = cv2.convertScaleAbs(images[3], beta=9)
    path = write_dataset(
        tmp_path / "set",
        images,
        [0, 0, 0, 0, 0, 1, 1, 1, 0, 1],
        splits={"train": (0, 6), "val": (6, 10)},
        digests=[0, 1, 2, 3, 4, 5, 6, 7, 0, 9],
    )
    assert rows(found(path)["leaks"]) == [(0, 8), (3, 9)]
    assert [item.exact for item in found(path)["leaks"].items] == [True, False]
    assert rows(found(path)["conflicts"]) == [(3, 9)]


def test_an_exact_pair_that_leaks_is_not_listed_again_with_rows_that_look_like_it(tmp_path):
    images = photos(6)
    images[4] = images[0]
    images[5] = cv2.convertScaleAbs(images[0], beta=9)
    path = write_dataset(
        tmp_path / "set",
        images,
        splits={"train": (0, 3), "val": (3, 6)},
        digests=[0, 1, 2, 3, 0, 5],
    )
    assert rows(found(path)["leaks"]) == [(0, 4)]
    assert rows(found(path)["near-duplicates"]) == [(0, 4, 5)]


def test_a_near_group_has_the_distance_of_its_hashes_and_an_exact_one_has_none(tmp_path):
    images = photos(5)
    images[2], images[4] = images[1], cv2.convertScaleAbs(images[0], alpha=0.8)
    path = write_dataset(tmp_path / "set", images, digests=[0, 1, 1, 3, 4])
    (near,), (exact,) = (found(path)[k].items for k in ("near-duplicates", "duplicates"))
    assert 0 <= near.distance <= 6
    assert exact.distance is None


def drawn_digits(count):
    """(n, 28, 28, 1) digits of one font, as different from each other as a hand draws them."""
    chance, images = np.random.default_rng(0), np.zeros((count, 28, 28, 1), np.uint8)
    for image in images:
        place = (int(chance.integers(2, 7)), int(chance.integers(21, 26)))
        digit, size = str(chance.integers(10)), float(chance.uniform(0.6, 0.9))
        cv2.putText(image, digit, place, 0, size, 255, int(chance.integers(1, 4)))
        turn = cv2.getRotationMatrix2D((14, 14), float(chance.uniform(-15, 15)), 1)
        image[..., 0] = cv2.warpAffine(image, turn, (28, 28))
    return images


def test_digits_are_no_near_duplicates_of_each_other(tmp_path):
    count = 600
    path = write_dataset(
        tmp_path / "set", drawn_digits(count), splits={"train": (0, 500), "val": (500, count)}
    )
    assert any("near duplicates" in note for note in imgmem.stats(path).notes)
    assert not {"near-duplicates", "leaks"} & set(found(path))


def test_near_duplicates_are_not_searched_where_near_is_none(tmp_path):
    images = photos(4)
    images[3] = cv2.convertScaleAbs(images[0], alpha=0.7, beta=20)
    path = write_dataset(tmp_path / "set", images)
    assert "near-duplicates" in found(path)
    assert "near-duplicates" not in found(path, near=None)


def test_rows_of_one_split_do_not_leak(tmp_path):
    images = photos(4)
    images[1] = images[0]
    path = write_dataset(
        tmp_path / "set", images, splits={"a": (0, 2), "b": (2, 4)}, digests=[0, 0, 2, 3]
    )
    assert list(found(path)) == ["duplicates"]


def test_blank_rows_are_no_near_duplicates(tmp_path):
    images = photos(6)
    images[[1, 3, 4]] = [[[[200]]], [[[90]]], [[[91]]]]
    path = write_dataset(tmp_path / "set", images)
    assert sorted(rows(found(path)["blank"])) == [(1,), (3,), (4,)]
    assert "near-duplicates" not in found(path)


def test_dark_bright_and_blurred_rows_come_worst_first(tmp_path):
    images = photos(12)
    images[2], images[3] = images[2] // 12, images[3] // 9
    images[5], images[6] = 255 - images[5] // 40, 255 - images[6] // 14
    images[8], images[9] = (cv2.GaussianBlur(images[8], (0, 0), s) for s in (4, 6))
    path = write_dataset(tmp_path / "set", images)
    limits = {"blank": 0.5, "blurred": 0.05}
    assert rows(found(path, **limits)["dark"]) == [(2,), (3,)]
    assert rows(found(path, **limits)["bright"]) == [(5,), (6,)]
    assert set(rows(found(path, **limits)["blurred"])) == {(8,), (9,)}
    values = [item.value for item in found(path, **limits)["bright"].items]
    assert values == sorted(values, reverse=True)
    assert values[-1] >= 235


def test_small_and_elongated_sources_are_found_by_their_size(tmp_path):
    for number, size in enumerate([(100, 100), (20, 30), (40, 170), (170, 40), (40, 159)]):
        write(tmp_path / "source" / f"{number}.png", photo(*size, number))
    build(tmp_path / "source", tmp_path / "set", spec=BuildSpec(image=ImageSpec(size=(64, 64))))
    assert rows(found(tmp_path / "set")["small"]) == [(1,)]
    assert found(tmp_path / "set")["small"].items[0].value == 20
    assert rows(found(tmp_path / "set")["elongated"]) == [(2,), (3,)]


def test_blank_rows_of_transparent_drawings_name_the_background(tmp_path):
    for number in range(3):
        image = np.zeros((20, 20, 4), np.uint8)
        image[number:9, 3:9, 3] = 255
        write(tmp_path / f"src/a/{number}.png", image)
    build(tmp_path / "src", tmp_path / "set", size=20)
    assert any("background" in note for note in imgmem.stats(tmp_path / "set").notes)


def test_a_threshold_that_most_rows_exceed_is_noted(tmp_path):
    path = write_dataset(tmp_path / "set", photos(12) // 12)
    assert (
        "100% of the rows are dark: dark=20 does not fit this dataset" in imgmem.stats(path).notes
    )


@pytest.mark.parametrize("kind", ["dark", "bright", "blurred", "small", "elongated", "blank"])
def test_every_threshold_counts(tmp_path, kind):
    path = write_dataset(tmp_path / "set", photos(3))
    strict = {"dark": 256, "bright": 0, "blurred": 99, "small": 9999, "elongated": 0.5, "blank": 99}
    loose = {"dark": 0, "bright": 256, "blurred": 0, "small": 0, "elongated": 9, "blank": 0}
    base = {"blank": 0.0}
    assert found(path, **base | {kind: strict[kind]})[kind].count == 3
    assert kind not in found(path, **base | {kind: loose[kind]})


def test_more_findings_than_are_listed_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("imgmem.core.stats.findings.LISTED", 4)
    path = write_dataset(tmp_path / "set", np.zeros((9, 8, 8, 1), np.uint8), digests=[0] * 9)
    assert found(path)["blank"].count == 9
    assert len(found(path)["blank"].items) == 4


def test_a_split_is_looked_at_by_itself(tmp_path):
    images = photos(6)
    images[4] = images[1]
    path = write_dataset(
        tmp_path / "set", images, splits={"a": (0, 3), "b": (3, 6)}, digests=[0, 1, 2, 3, 1, 5]
    )
    assert imgmem.stats(path, split="b").findings == []


# Precision and recall -----------------------------------------------------------------------

DISTINCT = 200
PLANTED = 40


def encoded(picture, quality):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [1, quality])[1], cv2.IMREAD_COLOR)


def resized(picture, factor):
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


CHANGES = {
    "re-encoded": lambda picture: encoded(picture, 40),
    "resized": lambda picture: resized(picture, 0.5),
    "resized and re-encoded": lambda picture: encoded(resized(picture, 0.6), 60),
    "brightened": lambda picture: cv2.convertScaleAbs(picture, alpha=1.15, beta=10),
    "shifted": lambda picture: np.roll(picture, 1, (0, 1)),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Groups found in a real build of 200 distinct pictures, of which 40 each are planted
    again in five ways; sets of numbers of pictures, by kind of change."""
    root = tmp_path_factory.mktemp("planted")
    for number in range(DISTINCT):
        picture = photo(160, 200, number)
        write(root / f"source/train/c/{number:04}.png", picture)
        if number < PLANTED:
            source = (root / f"source/train/c/{number:04}.png").read_bytes()
            (root / "source/val/c").mkdir(parents=True, exist_ok=True)
            (root / f"source/val/c/{number:04}-exact.png").write_bytes(source)
            for name, change in CHANGES.items():
                write(root / f"source/val/c/{number:04}-{name}.png", change(picture))
    build(root / "source", root / "set", spec=BuildSpec(image=ImageSpec(size=(128, 128))))
    return found(root / "set")


def pairs(finding):
    """(picture, change) of every planted file that stands in a group with its original."""
    for item in finding.items:
        names = [source.path.rsplit("/", 1)[-1].removesuffix(".png") for source in item.rows]
        originals = {name for name in names if "-" not in name}
        yield from (name for name in names if name.partition("-")[0] in originals and "-" in name)


def test_all_exact_duplicates_are_found(planted):
    exact = [name for name in pairs(planted["duplicates"]) if name.endswith("-exact")]
    assert len(exact) == PLANTED
    assert all(item.exact for item in planted["duplicates"].items)


@pytest.mark.parametrize("change", CHANGES)
def test_at_least_95_percent_of_changed_images_are_found(planted, change):
    near = [name for name in pairs(planted["near-duplicates"]) if name.endswith(f"-{change}")]
    assert len(near) >= 0.95 * PLANTED


def test_all_of_them_leak(planted):
    assert planted["leaks"].count >= PLANTED


def test_distinct_images_are_not_flagged(planted):
    """A group of near duplicates holds one picture's changes and no other picture."""
    for kind in ("duplicates", "near-duplicates"):
        for item in planted[kind].items:
            numbers = {source.path.rsplit("/", 1)[-1][:4] for source in item.rows}
            assert len(numbers) == 1


def test_sharp_images_are_not_blurred_and_blurred_ones_are():
    """Blurred by 3 pixels at a row of 224: a twentieth is what `blurred` stands at."""
    from imgmem.core.rows.measures import measure

    sharp = np.stack([photo(224, 224, seed) for seed in range(30)])
    soft = np.stack([cv2.GaussianBlur(picture, (0, 0), 3) for picture in sharp])
    assert (measure(sharp)["sharpness"] > Thresholds().blurred).all()
    assert (measure(soft)["sharpness"] <= Thresholds().blurred).mean() >= 0.95
