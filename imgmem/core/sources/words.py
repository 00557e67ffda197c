"""What names of folders and files hint at: splits, parts of one set, patients, masks."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_SPLIT_WORDS = {
    "train": ("train", "trn", "training"),
    "val": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "tst", "testing", "holdout", "pred", "predict", "prediction", "query"),
}
_SPLIT_OF = {word: split for split, words in _SPLIT_WORDS.items() for word in words}
SPLIT_WORDS = tuple(sorted(_SPLIT_OF, key=len, reverse=True))
"""Words that hint at a split, the longest first."""
_SPLIT_TOKEN = re.compile(
    f"({'|'.join(SPLIT_WORDS)})"
    r"(sets?|data|imgs?|images?|split|folder|dir)?[0-9]*"
)
_PART = re.compile(
    r"(.*[ ._-])?(parts?|batch(es)?|chunks?|shards?|sets?|dis[ck]s?|dirs?|folders?|volumes?|vol|"
    r"images?|imgs?|archives?|sub|fold|subset|sessions?|days?|weeks?|rolls?)"
    r"([ ._-]?[0-9]{1,4}|[ ._-][a-z])",
    re.IGNORECASE,
)
_CAMERA = re.compile(r"[1-9][0-9]{2}(?=[0-9_]*[A-Z_])[A-Z0-9_]{5}")
"""A folder of a camera by the rules of DCF: `100CANON`, `101_PANA`, `102APPLE`."""
_MONTHS = "january february march april may june july august september october november december"
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_SPELLED = f"{_MONTHS} {_DAYS}".split()
_NAMED = {"sept", *_SPELLED, *(name[:3] for name in _SPELLED)}
_YEAR, _MONTH, _DAY = "(19|20)[0-9]{2}", "[01]?[0-9]", "[0-3]?[0-9]"
_DATE = re.compile(
    f"{_YEAR}([-_. ]?[01][0-9]([-_. ]?[0-3][0-9])?)?|{_YEAR}([-_. ]{_MONTH}){{1,2}}"
    f"|({_DAY}[-_. ])?{_MONTH}[-_. ]{_YEAR}|{_YEAR}[-_.][01][0-9][-_.][0-3][0-9][-_. ].+"
)
_PERSON = re.compile(
    r"(.*[ ._-])?(patients?|pat|case|stud(y|ies)|scans?|slides?|videos?|vid|clips?|sequences?|seq|"
    r"specimens?|donors?|subjects?|subj|sub)[ ._-]?[a-z]?[0-9]+|p[0-9]{3,}",
    re.IGNORECASE,
)
_IMAGE_WORDS = """
    images image imgs img jpegimages pictures photos pics frames originals original inputs input
    raw rgb jpg jpeg png jpgs pngs
"""
_MASK_WORDS = """
    mask masks label labels annotation annotations annots annos anno gt groundtruth seg segs
    segmentation segmentations segmentationclass segmentationobject trimap trimaps depth depths
    instances semantic bbox bboxes keypoints contours mattes alpha
"""
_UNLABELED_WORDS = """
    unlabeled unlabelled unannotated unsup unsupervised pred preds predict prediction predictions
"""
_COMMON_WORDS = """
    img image images im dsc dscn dscf pict photo photos pic picture frame frames pxl mvi gopr
    screenshot scan file untitled capture snap page sample test train val valid video vid left
    right front back top bottom side before after view cam camera crop tile patch
"""
_UNLABELED = frozenset(_UNLABELED_WORDS.split())
_IMAGES = frozenset(_IMAGE_WORDS.split())
_MASKS = frozenset(_MASK_WORDS.split())
_COMMON = frozenset(_COMMON_WORDS.split())
_WORDS = re.compile(r"[A-Za-z][A-Za-z _'-]+")
_BEFORE = re.compile(r"(?P<label>.+?)[ ._-]*\(?(?P<number>[0-9]+)\)?")
_AFTER = re.compile(r"(?P<number>[0-9]+)[ ._-]+(?P<label>.+)")
_SAID = re.compile(
    r"(?:^|[ ._-])(?P<word>(?:label|class|cls|category)[ ._=-]?)"
    r"(?P<label>[A-Za-z0-9]+)(?=[ ._-]|$)",
    re.IGNORECASE,
)
"""What says in a name that its label follows: `img_0_label_3.jpg`."""
NUMBERED_PATTERN = r"name:^(.+?)[ ._-]*\(?[0-9]+\)?\.[^.]*$"
"""The label rule for names such as `cat.0.jpg` and `Abyssinian_12.jpg`."""
NUMBERED_BEFORE_PATTERN = r"name:^[0-9]+[ ._-]+(.+)\.[^.]*$"
"""The label rule for names such as `0001_cat.jpg`."""
SHOWN_OTHERS = 5
_REMEMBERED = 1000
"""Numbers of files that are remembered, to tell views of one thing; after so many names it is
clear whether they share words."""
_VIEWS = """
    hr lr hq lq left right rgb nir ir thermal visible infrared noisy noise clean input output
    target before after colou?r gr[ae]y low high blur blurry sharp hazy clear jpg jpeg png
    tif bmp source reference edges original degraded ground
"""
_VIEW = re.compile(f"((?:{'|'.join(_VIEWS.split())})(x?[0-9])?|x[0-9])", re.IGNORECASE)
_LAST_VIEW = re.compile(f"(?<=[0-9])[ _-]?{_VIEW.pattern}$", re.IGNORECASE)


def tokens(name: str) -> list[str]:
    """The words of a name, in lower case: `segTrain_2` → seg, train, 2."""
    parted = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return [token.lower() for token in re.split(r"[^A-Za-z0-9]+", parted) if token]


def split_meant(name: str) -> str | None:
    """The split that a name hints at (`seg_train`, `test1`, `Training Set`), or None."""
    for token in tokens(name):
        if match := _SPLIT_TOKEN.fullmatch(token):
            return _SPLIT_OF[match[1]]
    return None


def splits_meant(names: Iterable[str]) -> tuple[str, ...]:
    """The split of each path, by its folders and what is before its extensions, where all hint at
    one, train among them, and not all at the same; else ()."""
    splits = [split_meant(re.sub(r"\.[^/]*$", "", name)) for name in names]
    if "train" not in splits or None in splits or len(set(splits)) < 2:
        return ()
    return tuple(split for split in splits if split)


def beyond_split(name: str) -> set[str]:
    """The words of a name that hint neither at a split nor just at images."""
    return {
        token
        for token in tokens(name)
        if not _SPLIT_TOKEN.fullmatch(token) and token not in _IMAGES | {"set", "data"}
    }


def is_part(name: str) -> bool:
    """Whether a name hints at a part of a set: `part_1`, `batch-02`, `images_003`, `100CANON`."""
    return bool(_PART.fullmatch(name) or _CAMERA.fullmatch(name))


def is_date(name: str) -> bool:
    """Whether a name is a year, a month or a day: `2021-05`, `04.05.2021`, `May`, `Jan 2021`,
    `01-January`, `2021-05-04 birthday`."""
    if _DATE.fullmatch(name):
        return True
    words = re.findall(r"[^\W\d_]+|[0-9]+", name.lower())
    spelled = [word for word in words if not word.isdigit()]
    numbers = [word for word in words if word.isdigit()]
    return len(spelled) == 1 and spelled[0] in _NAMED and len(numbers) <= 2


def is_person(name: str) -> bool:
    """Whether a name hints at one patient, video or specimen: `patient_07`, `p017`."""
    return bool(_PERSON.fullmatch(name))


def is_images(name: str) -> bool:
    """Whether a name says no more than that there are images in it."""
    return name.lower().replace("_", "") in _IMAGES


def is_masks(name: str) -> bool:
    """Whether a name hints at masks or annotations."""
    joined = "".join(tokens(name))
    return joined in _MASKS or any(token in _MASKS for token in tokens(name) if token[:3] != "seg")


def is_view(name: str) -> bool:
    """Whether a name may say which of several images of one thing is in it: `HR`, `left`."""
    return any(_VIEW.fullmatch(token) for token in tokens(name))


def without_view(stem: str) -> str:
    """The name of a file less a last word that says which image of one thing it is: `0001x2`."""
    return _LAST_VIEW.sub("", stem)


def is_unlabeled(name: str) -> bool:
    """Whether a name says that the images in it have no label: `unlabeled`, `train_unsup`."""
    return any(token in _UNLABELED for token in tokens(name))


def is_thumbnails(name: str) -> bool:
    """Whether a name says that small copies of other images are in it."""
    return name.lower() in {"thumbnail", "thumbnails", "thumbs"}


def is_series(name: str) -> bool:
    """Whether a name says only which part of something it is."""
    return is_part(name) or is_date(name) or is_person(name)


def without_mask(name: str) -> str:
    """A name less the words that hint at masks: `train_masks` → train."""
    return "_".join(token for token in tokens(name) if token not in _MASKS)


class NamePattern(NamedTuple):
    """What the names of images share. rule: the label rule for it. words: the labels.
    others: the first names that do not have it; missing: how many do not."""

    rule: str
    words: list[str]
    others: list[str]
    missing: int


def pattern_of_names(names: Iterable[str]) -> NamePattern | None:
    """What names share that say their label (`img_0_label_3.jpg`), or have a few words before
    their numbers (`cat.0.jpg`, `dog.0.jpg`) or after them (`0001_cat.jpg`); None if they do not.

    Words of cameras and the like do not count, nor those with digits: they are series.
    """
    said, before, after = _Said(), _Shared(_BEFORE), _Shared(_AFTER)
    for number, name in enumerate(names, 1):
        said.add(name)
        before.add(name)
        after.add(name)
        if number >= _REMEMBERED and not said.all and before.hopeless and after.hopeless:
            return None
    if found := said.found():
        return found
    if words := before.words():
        return NamePattern(NUMBERED_PATTERN, words, before.others, before.count)
    if (words := after.words()) and not after.repeated:
        return NamePattern(NUMBERED_BEFORE_PATTERN, words, after.others, after.count)
    return None


class _Said:
    """The labels that names say to be labels, counted. all: whether every name has said one, by
    the same word."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._counts: Counter[str] = Counter()
        self.all = True

    def add(self, name: str) -> None:
        match = _SAID.search(name) if self.all else None
        if match:
            self._words.add(match["word"])
            self._counts[match["label"]] += 1
        self.all = match is not None and len(self._words) == 1

    def found(self) -> NamePattern | None:
        """None where they do not seem to be labels: one alone, or hardly any image each."""
        few = 2 <= len(self._counts) <= self._counts.total() // 2
        if not (self.all and few):
            return None
        rule = f"name:(?:^|[ ._-]){re.escape(*self._words)}([A-Za-z0-9]+)"
        return NamePattern(rule, sorted(self._counts), [], 0)


class _Shared:
    """The words next to the numbers of names, counted.

    others: the first names without; count: how many. repeated: a number came before two words,
    as in views of one thing.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._common = False
        self._numbers: dict[str, str] = {}
        self.others: list[str] = []
        self.count = 0
        self.repeated = False

    def add(self, name: str) -> None:
        self._total += 1
        match = self._pattern.fullmatch(name.rpartition(".")[0])
        if match is None or not _WORDS.fullmatch(match["label"]):
            self.count += 1
            self.others += [name] if self.count <= SHOWN_OTHERS else []
            return
        self._counts[match["label"]] += 1
        self._common = self._common or match["label"].lower() in _COMMON
        if self._pattern is _AFTER and len(self._numbers) < _REMEMBERED:
            first = self._numbers.setdefault(match["number"], match["label"])
            self.repeated = self.repeated or first != match["label"]

    @property
    def hopeless(self) -> bool:
        """Whether too many names have no such word, or too many different ones, or one that cameras
        use."""
        many = max(50, self._total // 3)
        few = self.count <= max(2, self._total // 20) and len(self._counts) <= many
        return self._common or not few

    def words(self) -> list[str]:
        """The words, [] where they do not seem to be labels: one, or hardly any image each."""
        lone = [word for word, count in self._counts.items() if count == 1]
        if len(self._counts) < 2 or self.hopeless or len(lone) > self._total // 20:
            return []
        return sorted(self._counts)
