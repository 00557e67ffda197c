"""Trees that can mean two things are doubted, and each remedy settles it. Plain trees are not."""

import pytest
from support.sources import doubted, placed
from support.trees import plant

from imgmem.core.specs import LabelSpec


def files(*folders, count=3, ending=".jpg"):
    """Names of `count` images in each folder, numbered on."""
    numbers = iter(range(10**6))
    return [f"{folder}/{next(numbers):04}{ending}" for folder in folders for _ in range(count)]


def each(above, below, count=3):
    return files(*(f"{a}/{b}" for a in above for b in below), count=count)


def again(*folders, names=("0001", "0002", "0003")):
    """The same file names in each folder."""
    return [f"{folder}/{name}.png" for folder in folders for name in names]


CLASSES = ("airplane", "forest", "street")
HASHED = [f"{name[:2]}/{name}.jpg" for name in ("00af3c99", "00b1e2d4", "a01f77c3", "ff02bc11")]
"""Files in folders that are called like the first two letters of their random names."""

DOUBTED = {
    "tiny-imagenet": (
        "missing-in-train",
        files("train/n01/images", "train/n02/images", "val/images", "test/images"),
    ),
    "typo-in-val": (
        "missing-in-train",
        files("train/cat", "train/dog", "val/cat", "val/dgo"),
    ),
    "signs-in-names": ("missing-in-train", files("train/a=b", "train/@c", "val/a=b", "val/@d,=")),
    "domains-with-commas": ("same-folders", each(("a,b", "@c_test"), ("x", "y"))),
    "twice": ("nested-copy", each((".", "cell_images"), ("Parasitized", "Uninfected"))),
    "wrapped-twice": (
        "nested-copy",
        [f"data/{name}" for name in each((".", "data"), ("a", "b", "c"))],
    ),
    "split-tree-twice": (
        "nested-copy",
        each(("train", "test", "set/train", "set/test"), CLASSES),
    ),
    "train-test1": ("hidden-splits", files("train", "test1")),
    "cats-and-dogs": (
        "hidden-splits",
        [*(f"train/{k}.{n}.jpg" for k in ("cat", "dog") for n in range(5)), *files("test1")],
    ),
    "intel": (
        "hidden-splits",
        [*each(("seg_train/seg_train", "seg_test/seg_test"), CLASSES), *files("seg_pred/seg_pred")],
    ),
    "training-set": ("hidden-splits", each(("training_set", "test_set"), CLASSES)),
    "Train-Valid-Holdout": ("hidden-splits", each(("TrainSet", "DevSet"), CLASSES)),
    "val-and-test-only": ("hidden-splits", each(("val", "test"), CLASSES)),
    "splits-and-extra": ("hidden-splits", [*each(("train", "val"), CLASSES), *files("plane")]),
    "train-and-samples": ("lone-split", files("train/cat", "train/dog", "samples")),
    "training-set-and-more": (
        "lone-split",
        files("data/training_set/images/cat", "data/training_set/images/dog", "data/more/images"),
    ),
    "labeled": ("unlabeled", files("labeled/cat", "labeled/dog", "unlabeled")),
    "classes-and-unlabeled": ("unlabeled", files("cat", "dog", "unlabelled_images")),
    "pred": ("unlabeled", files("yes", "no", "pred")),
    "unsup": ("unlabeled", files("train/pos", "train/neg", "train/unsup", "test/pos", "test/neg")),
    "test-without-classes": (
        "annotations",
        files("train/images/cat", "train/images/dog", "val/images/cat", "test/images"),
    ),
    "days-in-splits": ("annotations", each(("train/images", "val/images"), ("2019", "2020"))),
    "office-31": ("same-folders", each(("amazon", "dslr", "webcam"), CLASSES)),
    "office-31-images": (
        "same-folders",
        each(("amazon/images", "dslr/images", "webcam/images"), CLASSES),
    ),
    "idc-patients": ("same-folders", each(("8863", "10253", "12242"), ("0", "1"))),
    "sun397": ("initials", files("a/abbey", "a/airfield", "b/bar", "z/zoo")),
    "casting": (
        "splits-in-one",
        [*each(("data/train", "data/test"), ("ok", "defect")), *files("small/ok", "small/defect")],
    ),
    "copy-at-another-depth": (
        "same-folders",
        each(("natural_images", "data/natural_images"), CLASSES),
    ),
    "rps": ("same-folders", each(("rps", "rps-test-set"), ("rock", "paper", "scissors"))),
    "coco": ("hidden-splits", files("train2017", "val2017")),
    "cars": ("hidden-splits", files("cars_train/cars_train", "cars_test/cars_test")),
    "gtsrb": ("hidden-splits", files("Train/0", "Train/1", "Test", "Meta")),
    "mvtec": (
        "hidden-splits",
        files("train/good", "test/good", "test/broken", "ground_truth/broken"),
    ),
    "sign-language": (
        "hidden-splits",
        files("asl_train/asl_train/A", "asl_train/asl_train/B", "asl_test/asl_test"),
    ),
    "market": ("hidden-splits", files("bounding_box_train", "bounding_box_test", "query")),
    "images-and-masks-in-splits": ("masks", files("train/images", "train/masks", "val/images")),
    "class-then-split": ("same-folders", each(("cat", "dog"), ("train", "test"))),
    "domains-in-splits": (
        "same-folders",
        each(("train/photo", "train/sketch", "val/photo", "val/sketch"), CLASSES),
    ),
    "patients": ("people", files("patient_001", "patient_002", "patient_010")),
    "p017": ("people", files("p017", "p018", "p021")),
    "videos": ("people", files("video1", "video2", "video3")),
    "parts": ("parts", files("part_1", "part_2", "part_3")),
    "parts-of-classes": ("parts", each(("batch1", "batch2"), CLASSES)),
    "nih": ("parts", files("images_001/images", "images_002/images")),
    "years": ("parts", each(("2019", "2020", "2021"), CLASSES)),
    "days": ("parts", files("2021-03-04", "2021-03-05")),
    "thumbnails": (
        "thumbnails",
        [f"{k}/{k}{n}.jpg" for k in ("cat", "dog") for n in range(3)]
        + [f"thumbnails/{k}{n}.png" for k in ("cat", "dog") for n in range(3)],
    ),
    "thumbs-in-classes": (
        "thumbnails",
        [f"{k}{t}/{n}.jpg" for k in ("cat", "dog") for t in ("", "/Thumbs") for n in range(3)],
    ),
    "masks": ("masks", files("images", "masks")),
    "voc": ("masks", files("JPEGImages", "SegmentationClass", "SegmentationObject")),
    "pets": ("masks", files("images", "annotations/trimaps")),
    "carvana": ("masks", files("train", "train_masks")),
    "masks-in-classes": ("masks", each(("COVID", "Normal"), ("images", "masks"))),
    "masks-by-name": (
        "masks-by-name",
        [f"{k}/{n}{m}.png" for k in ("benign", "normal") for n in range(4) for m in ("", "_mask")],
    ),
    "yolo": (
        "annotations",
        [
            *files("train/images", "valid/images", "test/images"),
            *files("train/labels", "valid/labels", "test/labels", ending=".txt"),
        ],
    ),
    "loose": ("loose-images", [*files("cat", "dog"), "logo.jpg"]),
    "many-loose": ("loose-images", [*files("cat", "dog"), *(f"{n}.jpg" for n in range(9))]),
    "loose-next-to-splits": ("loose-images", [*each(("train", "val"), CLASSES), "cover.jpg"]),
    "loose-next-to-train": ("loose-images", [*each(("train",), CLASSES), "cover.jpg"]),
    "loose-in-train": ("loose-images", [*each(("train", "val"), CLASSES), "train/x.jpg"]),
    "val-without-classes": ("loose-images", [*each(("train",), CLASSES), *files("val")]),
    "one-folder-of-both": ("loose-images", [*files("data/cat", "data/dog"), "data/x.jpg"]),
    "two-of-each": (
        "name-prefixes",
        [f"{k}.{n}.jpg" for k in ("cat", "dog") for n in range(2)],
    ),
    "flat-with-a-logo": (
        "name-prefixes",
        [*(f"{k} ({n}).jpg" for k in ("cat", "dog") for n in range(20)), "logo[1].png"],
    ),
    "numbers-first": (
        "name-prefixes",
        [f"{n:04}_{('cat', 'dog')[n % 2]}.jpg" for n in range(8)],
    ),
    "hashed": ("hashed-folders", HASHED),
    "hashed-twice": ("hashed-folders", [f"{n[0]}/{n[1]}/{n.partition('/')[2]}" for n in HASHED]),
    "hashed-in-splits": ("hashed-folders", [f"{s}/{n}" for n in HASHED for s in ("train", "val")]),
    "copied-folder": ("copies", files("cat", "dog", "cat (copy)", "dog - Copy")),
    "downloaded-again": ("copies", files("cat", "dog", "cat (1)")),
    "domains-with-splits": (
        "same-folders",
        [*each(("amazon/train", "amazon/test", "webcam/train", "webcam/test"), CLASSES)],
    ),
    "labels-in-names": (
        "name-prefixes",
        [f"img_{n}_label_{n % 3}.jpg" for n in range(12)],
    ),
    "classes-in-names": (
        "name-prefixes",
        [f"{n}-Class={'ab'[n % 2]} x.jpg" for n in range(12)],
    ),
    "camera": ("parts", files("DCIM/100CANON", "DCIM/101CANON")),
    "phone": ("parts", files("100APPLE", "101APPLE", "102_PANA")),
    "months": ("parts", files("January", "February", "sept 2021")),
    "numbered-months": ("parts", files("01-January", "02-February")),
    "days-first": ("parts", files("04.05.2021", "05.05.2021")),
    "events": ("parts", files("2021-05-04 birthday", "2021-05-05")),
    "weeks": ("parts", files("week1", "week2")),
    "class-and-split": ("hidden-splits", files("cat_train", "cat_test", "dog_train", "dog_test")),
    "split-and-class": ("hidden-splits", files("x/trainA", "x/testA", "x/trainB", "x/testB")),
    "split-class-folders": (
        "hidden-splits",
        files("Train-cat/a", "Valid-cat/a", "Train-dog/b", "Valid-dog/c"),
    ),
    "cityscapes": (
        "masks",
        each(("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"), ("aa", "bb")),
    ),
    "super-resolution": ("counterparts", again("HR", "LR_x2", "LR_x4")),
    "div2k": (
        "counterparts",
        [f"D_HR/{n:04}.png" for n in range(1, 5)] + [f"D_LR/X2/{n:04}x2.png" for n in range(1, 5)],
    ),
    "stereo": ("counterparts", again("left", "right")),
    "noise": ("counterparts", again("train/noisy", "train/clean", "test/noisy", "test/clean")),
    "formats": ("counterparts", again("jpg", "png")),
    "same-names": (
        "counterparts",
        again("one", "two", names=[f"IMG_{3 * n}" for n in range(700, 725)]),
    ),
    "not-from-the-first": (
        "counterparts",
        again("canon", "sony", names=[f"{n:04}" for n in range(801, 831)]),
    ),
    "case": ("alike", files("train/Cat", "train/Dog", "val/cat", "val/dog")),
    "blank": ("alike", files("cat", "cat ", "dog")),
    "unicode": ("alike", files("caf\u00e9", "cafe\u0301", "bar")),
    "seven": ("same-number", files("7", "007", "8")),
    "dogs-vs-cats-flat": (
        "name-prefixes",
        [f"{k}.{n}.jpg" for k in ("cat", "dog") for n in range(5)],
    ),
    "pets-flat": (
        "name-prefixes",
        [f"images/{k}_{n}.jpg" for k in ("Abyssinian", "great_pyrenees") for n in range(5)],
    ),
    "prefixes-in-splits": (
        "name-prefixes",
        [f"{s}/{k}-{n}.png" for s in ("train", "val") for k in ("happy", "sad") for n in range(4)],
    ),
}


@pytest.mark.parametrize("case", DOUBTED)
def test_what_can_mean_two_things_is_doubted_by_name(tmp_path, case):
    name, tree = DOUBTED[case]
    plant(tmp_path, *tree)
    assert [doubt.name for doubt in doubted(tmp_path)[0]] == [name]


@pytest.mark.parametrize("case", DOUBTED)
def test_every_remedy_settles_the_doubt(tmp_path, case):
    plant(tmp_path, *DOUBTED[case][1])
    (doubt,), _ = doubted(tmp_path)
    assert doubt.remedies
    for remedy in doubt.remedies:
        again, labeling = doubted(tmp_path, **as_spec(remedy.options))
        assert again == (), (remedy, again)
        assert labeling.counts
        rejects = labeling.counts.get(None, {}) if labeling.rule != "none" else {}
        assert not rejects, remedy


def as_spec(options):
    """A remedy's options as the fields of a spec."""
    return {{"split": "split_from"}.get(name, name): value for name, value in options.items()}


PLAIN = {
    "numbered-classes": files("part (1)x", "bird (1)", "bird (2)"),
    "a-label-for-each": [f"img_label_{n}.jpg" for n in range(12)],
    "classic-names": [f"classic_{n % 3}_{n}.jpg" for n in range(12)],
    "classes": files("cat", "dog"),
    "one-class": files("cat"),
    "flat": [f"{n}.jpg" for n in range(9)],
    "flat-cameras": [*(f"IMG_{n:04}.jpg" for n in range(9)), *(f"DSC{n:05}.JPG" for n in range(9))],
    "flat-frames": [f"frame_{n}.png" for n in range(9)],
    "people-with-one-image": files(*(f"Person_{chr(65 + n)}" for n in range(20)), count=1),
    "people-by-name": files("Aaron_Eckhart", "Abel_Pacheco", "Zhang_Ziyi", count=2),
    "orl-faces": files("s1", "s2", "s3", "s40"),
    "train-among-vehicles": files("bus", "car", "plane", "train", "truck"),
    "class-images": files("cat/images", "dog/images"),
    "digits": files(*map(str, range(11))),
    "padded-digits": files(*(f"{n:05}" for n in range(43))),
    "one-to-102": files(*map(str, range(1, 103)), count=1),
    "good-bad": files("good", "bad"),
    "good-bad-images": files("good/images", "bad/images"),
    "state-farm": files(*(f"c{n}" for n in range(10))),
    "wordnet": files("n01440764", "n01443537", "n02979186"),
    "cub": files("001.Black_footed_Albatross", "002.Laysan_Albatross", "200.Common_Yellowthroat"),
    "sub-folders-that-differ": files("cat/persian", "cat/siamese", "dog/beagle", "dog/poodle"),
    "years-below-classes": each(("cat", "dog"), ("2019", "2020")),
    "batches-below-classes": each(("cat", "dog"), ("batch1", "batch2")),
    "patients-below-classes": each(("normal", "tumor"), ("patient_1", "patient_2")),
    "image-sets": files("lung_image_sets/aca", "lung_image_sets/n", "colon_image_sets/other"),
    "splits-wrapped-once-more": each(("training/training", "validation/validation"), CLASSES),
    "splits-with-images": each(("train/images", "val/images"), ("cat", "dog")),
    "splits-with-a-wrapper": [*each(("train/pets",), ("cat", "dog")), *files("val/pets/cat")],
    "one-class-of-days": each(("train/cat", "val/cat"), ("2019", "2020")),
    "one-class-that-differs": files("train/cat/a", "train/cat/b", "val/cat/c", "val/cat/d"),
    "thumbs-of-their-own": files("fingers", "thumbs"),
    "system-folders": files("cat", "dog", "lost+found", "cat/__pycache__"),
    "labeled-or-not": files("labeled", "unlabeled"),
    "kinds-of-trains": files("plane", "train"),
    "jpg-wrapper": files("jpg"),
    "places-with-metadata": [*files("images/pie", "images/soup"), "meta/train.txt"],
    "textures-with-labels": [*files("images/banded", "images/dotted"), "labels/train1.txt"],
    "deep": files("cat/2021/may", "cat/2021/june", "dog"),
    "wrapped": files("data/photos/cat", "data/photos/dog"),
    "splits": each(("train", "val", "test"), CLASSES),
    "Splits": each(("Train", "Test"), CLASSES),
    "splits-wrapped": each(("set/train", "set/validation"), CLASSES),
    "train-only": each(("train",), CLASSES),
    "loose-test": [*each(("train", "val"), CLASSES), *files("test")],
    "flat-splits": files("train", "val"),
    "splits-that-lack-a-class": [*each(("train",), CLASSES), *files("val/forest")],
    "splits-with-years": each(("train/cat", "train/dog", "val/cat", "val/dog"), ("2019", "2020")),
    "images-wrapper": files("images/cat", "images/dog"),
    "flat-images": files("images"),
    "face-masks": files("with_mask", "without_mask"),
    "mask-no-mask": files("mask", "no_mask"),
    "emotions": files("angry", "happy", "sad", "neutral"),
    "plant-village": files("Tomato___healthy", "Tomato___Late_blight", "Apple___Apple_scab"),
    "textures": [f"{k}/{k}_{n:04}.jpg" for k in ("banded", "blotchy") for n in range(4)],
    "with-documents": [*files("cat", "dog"), "LICENSE", "readme.txt", "labels.csv", "docs/a.pdf"],
    "macos": [*files("cat", "dog"), "__MACOSX/cat/._1.jpg", ".DS_Store", "cat/Thumbs.db"],
    "empty-class": [*files("cat", "dog"), "emu/"],
    "satellite": files("AnnualCrop", "Forest", "SeaLake"),
    "ages": files(*map(str, (1, 2, 7, 26, 99))),
    "ranges": files("0-10", "11-20", "21-30"),
    "letters-first": [f"{k}/{k}{n}.jpg" for k in "ABC" for n in range(1, 12)],
    "numbers-first": [f"{k:02}/{k:02}{n:06}.jpg" for k in range(3) for n in range(4)],
    "random-names": [f"{k}/{name.partition('/')[2]}" for k in ("a0", "b1") for name in HASHED],
    "things-of-a-class-in-splits": [
        f"{s}/{k}/{k}_{n}/1.jpg"
        for s in ("train", "val")
        for k in ("airport", "zoo")
        for n in (0, 1)
    ],
    "positive-negative": files("Positive", "Negative"),
    "yes-no": files("yes", "no"),
    "types": files("type_1", "type_2", "type_3"),
    "class-numbers": files("class_1", "class_2"),
    "sets-of-classes": each(("train", "test"), ("class1", "class2", "class3")),
    "leaf-numbers": files("leaf1", "leaf2"),
    "numbered-alike": again("cat", "dog"),
    "numbered-in-splits": again("train/cat", "train/dog", "val/cat", "val/dog"),
    "named-and-numbered": again("cat", "dog", names=("photo (1)", "photo (2)")),
    "named-alike": again("cat", "dog", names=("a", "b", "c")),
    "alike-in-splits": [
        f"{s}/{k}/{s}.{n}.jpg" for s in ("train", "val") for k in ("cat", "dog") for n in range(25)
    ],
    "views-that-differ": files("left", "right"),
    "many-classes-of-the-same-angles": again(*"abcdefg", names=("a090", "a180", "a270")),
    "flat-views": [f"{n}_{view}.png" for n in range(6) for view in ("rgb", "infra")],
    "month-among-flowers": files("may", "rose", "tulip"),
    "eight-digits": files("10253000", "20253001"),
    "kinds-of-kinds": files("animals/cat", "animals/dog", "plants/oak", "plants/elm"),
    "test-station": files("test_station", "bus_station", "train_station"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_a_plain_tree_is_not_doubted(tmp_path, case):
    plant(tmp_path, *PLAIN[case])
    assert doubted(tmp_path)[0] == ()


def test_there_are_plain_trees_enough():
    assert len(PLAIN) >= 30


def test_an_explicit_rule_is_never_doubted_for_the_tree(tmp_path):
    plant(tmp_path, *DOUBTED["office-31"][1])
    assert doubted(tmp_path, labels="folder:1")[0] == ()
    assert {label for label, _ in placed(tmp_path, labels="parent").values()} == set(CLASSES)


@pytest.mark.parametrize(
    ("case", "classes"),
    [
        ("twice", ("Parasitized", "Uninfected")),
        ("intel", CLASSES),
        ("office-31", CLASSES),
        ("office-31-images", CLASSES),
        ("cats-and-dogs", ("cat", "dog")),
        ("typo-in-val", ("cat", "dog")),
        ("case", ("Cat", "Dog")),
        ("pets-flat", ("Abyssinian", "great_pyrenees")),
        ("masks-in-classes", ("COVID", "Normal")),
        ("tiny-imagenet", ("n01", "n02")),
        ("train-and-samples", ("cat", "dog")),
        ("training-set-and-more", ("cat", "dog")),
        ("labeled", ("cat", "dog")),
        ("thumbnails", ("cat", "dog")),
        ("thumbs-in-classes", ("cat", "dog")),
        ("unsup", ("neg", "pos")),
        ("test-without-classes", ("cat", "dog")),
        ("two-of-each", ("cat", "dog")),
        ("flat-with-a-logo", ("cat", "dog")),
        ("numbers-first", ("cat", "dog")),
        ("labels-in-names", ("0", "1", "2")),
        ("domains-with-splits", CLASSES),
        ("copied-folder", ("cat", "dog")),
        ("classes-in-names", ("a", "b")),
        ("class-and-split", ("cat", "dog")),
        ("split-and-class", ("A", "B")),
        ("split-class-folders", ("cat", "dog")),
        ("cityscapes", None),
        ("stereo", None),
    ],
)
def test_the_first_remedy_is_the_likely_one(tmp_path, case, classes):
    plant(tmp_path, *DOUBTED[case][1])
    (doubt,), _ = doubted(tmp_path)
    _, labeling = doubted(tmp_path, **as_spec(doubt.remedies[0].options))
    assert labeling.classes == classes


def test_a_remedy_keeps_what_was_given(tmp_path):
    plant(tmp_path, *DOUBTED["twice"][1], "x/1.jpg")
    (doubt,), _ = doubted(tmp_path, exclude="x,y")
    assert doubt.remedies[0].options["exclude"][0] == "x,y"
    assert LabelSpec(exclude="x,y").exclude == "x,y"


@pytest.mark.parametrize(
    ("case", "classes"),
    [
        ("splits-with-images", ("cat", "dog")),
        ("splits-with-a-wrapper", ("cat", "dog")),
        ("one-class-of-days", ("cat",)),
        ("system-folders", ("cat", "dog")),
        ("one-class-that-differs", ("cat",)),
    ],
)
def test_classes_of_plain_trees_are_those_that_the_author_means(tmp_path, case, classes):
    plant(tmp_path, *PLAIN[case])
    assert doubted(tmp_path)[1].classes == classes


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (DOUBTED["office-31"][1], "all hold the same sub-folders (airplane, forest, street)"),
        (files("x/a", "x/b", "y/a", "y/b", "y/c"), "the folders x, y share the sub-folders a, b"),
        (DOUBTED["masks"][1], "the folder masks looks like masks"),
        (DOUBTED["voc"][1], "the folders SegmentationClass, SegmentationObject look like"),
        (DOUBTED["labeled"][1], "the folder unlabeled looks like"),
        (files("train/a", "test/a", "test/b"), "lacks the class b, which test has"),
        (files("train/a", "test/b", "val/b"), "lacks the class b, which test and val have"),
        (files("train/a", "test/b", "test/c"), "lacks the classes b, c, which test has"),
        ([*files("data/cat", "data/dog"), "cover.png"], "next to class folders (cat, dog)"),
        ([*files("train/cat", "train/dog", "val/cat"), "x.png"], "class folders (cat, dog)"),
        ([*files("train", "val"), "x.png"], "next to splits (train, val)"),
        ([*files("data/cat"), "cover.png"], "next to class folders (cat)"),
    ],
)
def test_what_is_said_of_a_doubt_is_true_of_the_tree(tmp_path, tree, said):
    plant(tmp_path, *tree)
    (doubt,), _ = doubted(tmp_path)
    assert said in doubt.evidence


def test_folders_in_class_folders_are_noted_with_the_rule_that_takes_them(tmp_path):
    plant(tmp_path, *PLAIN["kinds-of-kinds"])
    _, labeling = doubted(tmp_path)
    assert labeling.classes == ("animals", "plants")
    (note,) = labeling.notes
    assert "labels='parent' takes the innermost folders instead (cat, dog, elm, oak)" in note
    assert doubted(tmp_path, labels="parent")[1].notes == ()


def test_splits_with_further_names_next_to_another_folder_are_seen(tmp_path):
    splits = ("d2/d2/images/TRAIN", "d2/d2/images/TEST", "d2/d2/images/TEST_SIMPLE")
    plant(tmp_path, *each(splits, CLASSES), *files("d1/d1/JPEGImages"))
    (doubt,), _ = doubted(tmp_path)
    assert doubt.name == "splits-in-one"
    assert doubt.remedies[0].options == {"exclude": ("./d1",)}


def test_the_note_has_the_classes_that_its_rule_takes(tmp_path):
    plant(tmp_path, *files("lower/marks/cecum", "lower/findings/polyps", "upper/marks/pylorus"))
    (note,) = doubted(tmp_path)[1].notes
    assert "(cecum, polyps, pylorus)" in note
    assert doubted(tmp_path, labels="parent")[1].classes == ("cecum", "polyps", "pylorus")


@pytest.mark.parametrize("case", ["classes", "years-below-classes", "class-images", "splits"])
def test_folders_that_cannot_be_classes_are_not_noted(tmp_path, case):
    plant(tmp_path, *PLAIN[case])
    assert not any("parent" in note for note in doubted(tmp_path)[1].notes)


@pytest.mark.parametrize("ending", [".txt", ".xml", ".json"])
@pytest.mark.parametrize("folders", [("images", "labels"), ("", ""), ("images/train", "a/train")])
def test_files_about_the_images_of_an_unlabeled_folder_are_noted(tmp_path, ending, folders):
    images, others = folders
    plant(tmp_path, *files(images or "."), *files(others or ".", ending=ending))
    (note,) = (each for each in doubted(tmp_path)[1].notes if "boxes" in each)
    assert f"{ending} files next to" in note
    plant(tmp_path / "labeled", *files("cat", "dog"), *files("cat", "dog", ending=ending))
    assert not any("boxes" in each for each in doubted(tmp_path / "labeled")[1].notes)
