"""Hints that splits part patients, videos and bursts: where they are given, and where not."""

import csv
import random
import re
import shlex
import tracemalloc
import uuid
from collections import defaultdict

import pytest
from support.images import photo, write
from support.program import imgmem as run_imgmem

import imgmem
from imgmem.core.rows.leak_hints import NamedRow, leak_hints
from imgmem.core.sources import Entry, Listing
from imgmem.core.sources.groups import grouped
from imgmem.core.specs import LabelSpec

SMALL = {"size": 4, "workers": 1}
DRAW = random.Random(0)


def draw(low, high):
    return DRAW.randint(low, high)


def hexes(digits):
    return f"{DRAW.getrandbits(4 * digits):0{digits}x}"


def times():
    """`20150619_114756`"""
    return f"20{draw(10, 24)}{draw(1, 12):02}{draw(1, 28):02}_{clock()}"


def clock(separator=""):
    return separator.join(f"{draw(0, most):02}" for most in (23, 59, 59))


def malaria():
    for patient in range(80):
        taken = times()
        for cell in range(draw(40, 160)):
            folder = DRAW.choice(["Parasitized", "Uninfected"])
            name = f"C{patient + 33}P{patient % 9}thinF_IMG_{taken}a_cell_{cell}.png"
            yield f"cell_images/{folder}/{name}", folder


def breakhis():
    for patient in range(82):
        a, b = DRAW.choice([("B", "A"), ("B", "TA"), ("M", "DC"), ("M", "LC")])
        slide = f"SOB_{a}_{b}-14-{DRAW.choice(['22549AB', '2523', '4372'])}{patient}"
        for power in (40, 100, 200, 400):
            for n in range(draw(8, 24)):
                yield f"{b}/{slide}-{power}-{n:03}.png", b


def nih():
    for patient in range(1500):
        for n in range(1 if patient % 2 else draw(2, 14)):
            yield f"images_{patient // 700:03}/{patient:08}_{n:03}.png", f"finding {n % 5}"


def retinopathy():
    for patient in range(10, 600):
        for side in ("left", "right"):
            yield f"train/{patient}_{side}.jpeg", str(draw(0, 4))


def videos():
    for video in range(40):
        for frame in range(30):
            yield f"vid{video}_frame_{frame:04}.png", str(video % 3)


def bursts():
    for burst in range(1200, 1300):
        for n in range(1, 6):
            yield f"c{burst % 3}/IMG_{burst}_BURST{n:03}.jpg", f"c{burst % 3}"


def timed_bursts():
    for _ in range(100):
        taken = times()
        for n in range(1, 6):
            yield f"IMG_{taken}_BURST{n:03}.jpg", None


def patients():
    for patient in range(30):
        for n in range(6):
            yield f"p{patient:03}_{n:02}.jpg", "ab"[patient % 2]


def tracks():
    for kind in range(12):
        for track in range(15):
            for n in range(20):
                yield f"Train/{kind}/{kind:05}_{track:05}_{n:05}.png", str(kind)


def persons_in_views():
    for person in range(100):
        for n in range(8):
            yield f"{person:04}_c{n % 6}s1_{draw(0, 99999):06}_0{n}.jpg", "standing"


def by_class(name, classes, count=60):
    """Files of each class, as `name(class, number)` calls them."""
    return [(f"{c}/{name(c, n)}", c) for c in classes for n in range(count)]


def dirs(count, pattern):
    return [pattern.format(n) for n in range(count)]


def flat(name, count=2000):
    return [(name(n), DRAW.choice("abc")) for n in range(count)]


def ages():
    for _ in range(9000):
        age, gender, race = draw(1, 100), draw(0, 1), draw(0, 4)
        name = f"{age}_{gender}_{race}_201701{draw(10, 28)}{clock()}525.jpg.chip.jpg"
        yield name, DRAW.choice("mf")


def fruits():
    for kind in dirs(40, "Fruit {}"):
        for n in range(100):
            yield f"{kind}/{n}_100.jpg", kind
            yield f"{kind}/r_{n}_100.jpg", kind


def ucf():
    for kind in ("Archery", "Biking"):
        for n in range(20):
            for clip in range(4):
                for frame in range(9):
                    yield f"{kind}/v_{kind}_g{n:02}_c{clip:02}_{frame:04}.jpg", kind


PETS = ["Abyssinian", "american_bulldog", "Bengal", "beagle"]
WORDNET = [f"n{number:08}" for number in range(1440764, 1440764 + 30)]
PEOPLE = ["Aaron_Eckhart", "Abel_Pacheco", "Zico", *dirs(60, "Name_Person{}")]

GROUPS = {
    "malaria cells, patients": (malaria, "C33P0thinF"),
    "BreakHis, patients": (breakhis, r"SOB_[BM]_\w+-14-\w+"),
    "NIH ChestX-ray14, patients": (nih, "00000000"),
    "retinopathy, both eyes": (retinopathy, "10"),
    "GTSRB, tracks": (tracks, "00000_00000"),
    "Market-1501, persons": (persons_in_views, "0000"),
    "UCF101, groups of clips": (ucf, "v_Archery_g00"),
    "frames of videos": (videos, "vid0"),
    "bursts": (bursts, "IMG_1200"),
    "bursts by time": (timed_bursts, r"IMG_\d{8}_\d{6}"),
    "patients": (patients, "p000"),
}
"""Files, and a regular expression of what the hint makes the group of the first."""
NO_GROUPS = {
    "numbers": lambda: flat(lambda n: f"{n:04}.png"),
    "img_0001": lambda: flat(lambda n: f"img_{n:04}.jpg"),
    "DSC_0001": lambda: flat(lambda n: f"DSC_{n:04}.JPG"),
    "IMG-0001 in each folder": lambda: by_class(lambda _, n: f"IMG-{n:04}.jpg", "abcdef"),
    "numbers with an extra in each folder": lambda: by_class(
        lambda _, n: f"img_{n:04}_crop.jpg", "abcdef"
    ),
    "cat.12": lambda: [(f"train/{k}.{n}.jpg", k) for k in ("cat", "dog") for n in range(900)],
    "DCIM folders": lambda: flat(lambda n: f"{100 + n // 999}_{n % 999:04}.jpg"),
    "dates": lambda: flat(lambda n: f"2019-{n % 12 + 1:02}-{n % 28 + 1:02}_{n:04}.jpg"),
    "times": lambda: flat(lambda _: f"IMG_{times()}.jpg"),
    "WhatsApp": lambda: flat(lambda n: f"IMG-2019{n % 12 + 1:02}{n % 28 + 1:02}-WA{n:04}.jpg"),
    "screenshots": lambda: flat(
        lambda n: f"Screenshot_2019-{n % 12 + 1:02}-{n % 28 + 1:02}-{clock('-')}.png"
    ),
    "hashes": lambda: flat(lambda _: f"{hexes(32)}.jpg"),
    "UUIDs": lambda: flat(lambda _: f"{uuid.UUID(int=DRAW.getrandbits(128))}.jpg"),
    "ISIC": lambda: flat(lambda n: f"ISIC_{24306 + n:07}.jpg"),
    "cassava": lambda: flat(lambda _: f"{draw(10**8, 10**9)}.jpg"),
    "APTOS": lambda: flat(lambda _: f"{hexes(12)}.png"),
    "Places365": lambda: flat(lambda n: f"Places365_val_{n:08}.jpg"),
    "ImageNet validation": lambda: flat(lambda n: f"ILSVRC2012_val_{n:08}.JPEG"),
    "COCO": lambda: flat(lambda n: f"COCO_train2014_{n * 7:012}.jpg"),
    "VOC": lambda: flat(lambda n: f"{2007 + n % 6}_{n:06}.jpg"),
    "sequential with a prefix": lambda: flat(lambda n: f"scan_batch2_{n:06}.png"),
    "ImageNet": lambda: by_class(lambda c, _: f"{c}_{draw(1, 99999)}.JPEG", WORDNET),
    "Tiny ImageNet, labeled otherwise": lambda: flat(lambda n: f"{WORDNET[n % 12]}_{n}.JPEG", 6000),
    "Stanford Dogs": lambda: [
        (f"{w}-Dog{n}/{w}_{draw(1, 9999)}.jpg", f"{w}-Dog{n}")
        for n, w in enumerate(WORDNET)
        for _ in range(80)
    ],
    "Pets": lambda: flat(lambda n: f"{PETS[n % 4]}_{n // 4}.jpg"),
    "Pets, cat or dog": lambda: flat(lambda n: f"Breed{chr(97 + n % 26)}_{n}.jpg"),
    "EuroSAT": lambda: by_class(lambda c, n: f"{c}_{n}.jpg", ["Forest", "River"], 900),
    "CIFAR": lambda: by_class(lambda c, n: f"{c}_s_{n:06}.png", ["frog", "lorry"], 900),
    "LFW, persons": lambda: by_class(lambda c, n: f"{c}_{n:04}.jpg", PEOPLE, 5),
    "CUB-200": lambda: by_class(
        lambda c, n: f"Bird_{c}_{n:04}_{draw(1, 99999)}.jpg", dirs(40, "{}.Bird")
    ),
    "Caltech-256": lambda: by_class(lambda c, n: f"{c[:3]}_{n:04}.jpg", dirs(40, "{:03}.thing")),
    "Omniglot": lambda: by_class(lambda c, n: f"{c[-4:]}_{n:02}.png", dirs(60, "Latin/{:04}"), 20),
    "Chars74K": lambda: by_class(lambda c, n: f"img{c[-3:]}-{n:05}.png", dirs(62, "Sample{:03}")),
    "Fruits-360": fruits,
    "UTKFace, ages": ages,
    "MIT Indoor": lambda: by_class(lambda c, n: f"{c}_{n:04}_gif.jpg", ["bar", "airport_inside"]),
    "colorectal tiles": lambda: flat(
        lambda n: f"{hexes(4)}_CRC-Prim-HE-0{n % 9}_{n:03}.tif_Row_{n % 7}_Col_{n % 5}.tif"
    ),
    "PlantVillage": lambda: flat(
        lambda n: f"{uuid.UUID(int=DRAW.getrandbits(128))}___FREC_Scab {n}.JPG"
    ),
    "AFHQ": lambda: flat(lambda n: f"flickr_cat_{n:06}.jpg"),
}


def hints(files, columns=(), cells=lambda _: ()):
    """Of files of which a fifth, drawn one by one, is in val."""
    choose = random.Random(1)
    return list(
        leak_hints(
            (
                NamedRow(path, label, "val" if choose.random() < 0.2 else "train", cells(path))
                for path, label in files
            ),
            columns,
        )
    )


def rule_in(hint):
    """The value that the hint proposes for `group`."""
    return eval(str(hint).rpartition("group=")[2])  # as Python spells it


@pytest.mark.parametrize("name", NO_GROUPS)
def test_ordinary_names_are_not_groups(name):
    files = list(NO_GROUPS[name]())
    assert len(files) >= 120
    assert hints(files) == []


@pytest.mark.parametrize("name", GROUPS)
def test_names_of_groups_give_one_hint_whose_rule_finds_them(name):
    files, group = list(GROUPS[name][0]()), GROUPS[name][1]
    (hint,) = hints(files)
    listing = Listing(entries=[Entry(files[0][0], 1, 0)])
    (entry,) = grouped(listing, LabelSpec(group=rule_in(hint))).entries
    assert re.fullmatch(group, entry.extra[0])


@pytest.mark.parametrize("whole", [True, False])
def test_splits_that_keep_groups_together_give_no_hint(whole):
    rows = [
        NamedRow(path, label, "val" if whole and path < "p010" else "train")
        for path, label in patients()
    ]
    assert list(leak_hints(rows)) == []


def test_a_few_groups_in_two_splits_give_no_hint():
    rows = [NamedRow(f"p{n // 4}_{n}.jpg", None, "val" if n % 400 == 0 else "train")
            for n in range(1600)]  # fmt: skip
    assert list(leak_hints(rows)) == []


def test_memory_does_not_grow_with_the_names():
    tracemalloc.start()
    try:
        assert (
            list(leak_hints(NamedRow(f"p{n}_1.jpg", None, "ab"[n % 2]) for n in range(30_000)))
            == []
        )
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_many_prefixes_give_the_same_hint_in_any_order():
    rows = [NamedRow(f"p{n // 3}_{n}.jpg", None, "ab"[n % 2]) for n in range(30_000)]
    (hint,) = leak_hints(rows)
    random.Random(2).shuffle(rows)
    assert list(leak_hints(rows)) == [hint]
    assert "100%" in hint


LESIONS = {f"ISIC_{n:07}.jpg": f"HAM_{n // 3:07}" for n in range(600)}
FILES = [(name, "abc"[n % 3]) for n, name in enumerate(LESIONS)]


def test_a_column_of_ids_is_a_hint():
    (hint,) = hints(FILES, ("lesion_id",), lambda path: (LESIONS[path],))
    assert rule_in(hint) == "lesion_id"


@pytest.mark.parametrize("name", ["Patient ID", "patient_id", "PatientId", "subject", "video_no"])
def test_numbers_in_a_column_of_a_groups_name_are_a_hint(name):
    (hint,) = hints(FILES, (name,), lambda path: (str(int(path[5:12]) // 3),))
    assert rule_in(hint) == name


@pytest.mark.parametrize("name", ["Patient Age", "patient_sex", "width", "users"])
def test_numbers_in_other_columns_are_none(name):
    assert hints(FILES, (name,), lambda path: (str(int(path[5:12]) // 3),)) == []


@pytest.mark.parametrize(
    "cell",
    [
        lambda n: str(n % 90),  # ages
        lambda n: f"{n % 50}.5",  # sizes
        lambda n: f"2019-05-{n % 28 + 1:02}T10:00",
        lambda n: f"Canon EOS {n % 5}D",
        lambda n: f"scan{n}",
        lambda n: ["scalp", "ear"][n % 2],
        lambda n: "",
    ],
)
def test_other_columns_are_none(cell):
    number = {name: n for n, (name, _) in enumerate(FILES)}
    assert hints(FILES, ("column",), lambda path: (cell(number[path]),)) == []


@pytest.fixture
def scans(tmp_path, monkeypatch):
    """`scans/a/p000_00.png` …, four of each of twelve patients, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for n in range(48):
        write(
            tmp_path / "scans" / "ab"[n // 4 % 2] / f"p{n // 4:03}_{n % 4:02}.png",
            photo(8, 8, seed=n),
        )
    return "scans"


def hinted(notes):
    return [note for note in notes if "look like groups" in note]


def test_build_its_dry_run_and_stats_say_so_once(scans):
    for draw in ({"split": "val=0.25"}, {"split": "folds=3"}, {"split": "test=0.2,folds=3"}):
        preview = imgmem.preview_build(scans, "out", **draw, **SMALL)
        built = imgmem.build(scans, "out", **draw, **SMALL, overwrite=True)
        (hint,) = hinted(built.notes)
        assert hinted(preview.notes) == [hint]
        assert hinted(imgmem.stats("out", workers=1).notes) == [hint]


def test_the_command_that_is_proposed_keeps_groups_together(scans):
    draw = ("build", scans, "out", "--split", "val=0.25", "--size", "4")
    shown = run_imgmem(*draw).stdout
    words = shlex.split(shown.rpartition("splits with ")[2].splitlines()[0])
    assert run_imgmem(*draw, *words, "--overwrite").returncode == 0
    splits = defaultdict(set)
    with open("out/rows.csv", newline="") as file:
        for row in csv.DictReader(file):
            splits[row["path"][2:6]].add(row["split"])
    assert len(splits) == 12
    assert {len(found) for found in splits.values()} == {1}


@pytest.mark.parametrize("given", [{}, {"split": "val=0.2", "group": "name:^(p[0-9]+)"}])
def test_without_drawn_splits_or_with_groups_there_is_no_hint(scans, given):
    assert hinted(imgmem.build(scans, "out", **given, **SMALL).notes) == []
    assert hinted(imgmem.stats("out", workers=1).notes) == []


def test_splits_of_the_source_give_no_hint(tmp_path):
    for n in range(48):
        split = "train" if n % 4 else "val"
        write(tmp_path / "d" / split / "a" / f"p{n // 4:03}_{n % 4:02}.png", photo(8, 8, seed=n))
    assert hinted(imgmem.build(tmp_path / "d", tmp_path / "out", **SMALL).notes) == []
    assert hinted(imgmem.stats(tmp_path / "out", workers=1).notes) == []
