"""What names of folders and files hint at: splits, parts of one set, patients, masks."""

import re
from collections.abc import Iterable

_SPLIT_WORDS = {
    "train": ("train", "trn", "training"),
    "val": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "tst", "testing", "holdout", "pred", "predict", "prediction", "query"),
}
_SPLIT_OF = {word: split for split, words in _SPLIT_WORDS.items() for word in words}
_SPLIT_TOKEN = re.compile(
    f"({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})"
    r"(sets?|data|imgs?|images?|split|folder|dir)?[0-9]*"
)
_PART = re.compile(
    r"(.*[ ._-])?(parts?|batch(es)?|chunks?|shards?|sets?|dis[ck]s?|dirs?|folders?|volumes?|vol|"
    r"images?|imgs?|archives?|sub|fold|subset|sessions?)([ ._-]?[0-9]{1,4}|[ ._-][a-z])",
    re.IGNORECASE,
)
_DATE = re.compile(r"(19|20)[0-9]{2}([-_. ]?[01][0-9]([-_. ]?[0-3][0-9])?)?")
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
_COMMON_WORDS = """
    img image images im dsc dscn dscf pict photo photos pic picture frame frames pxl mvi gopr
    screenshot scan file untitled capture snap page sample test train val valid video vid left
    right front back top bottom side before after view cam camera crop tile patch
"""
_UNLABELED = frozenset({"unlabeled", "unlabelled", "unannotated", "unsup", "unsupervised"})
_IMAGES = frozenset(_IMAGE_WORDS.split())
_MASKS = frozenset(_MASK_WORDS.split())
_COMMON = frozenset(_COMMON_WORDS.split())
_NUMBERED = re.compile(r"(?P<label>.+?)[ ._-]*\(?[0-9]+\)?\.[^.]*$")
NUMBERED_PATTERN = r"name:^(.+?)[ ._-]*\(?[0-9]+\)?\.[^.]*$"
"""The label rule for names such as `cat.0.jpg` and `Abyssinian_12.jpg`."""


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


def beyond_split(name: str) -> set[str]:
    """The words of a name that hint neither at a split nor just at images."""
    return {
        token
        for token in tokens(name)
        if not _SPLIT_TOKEN.fullmatch(token) and token not in _IMAGES | {"set", "data"}
    }


def is_part(name: str) -> bool:
    """Whether a name hints at a part of a set: `part_1`, `batch-02`, `images_003`."""
    return bool(_PART.fullmatch(name))


def is_date(name: str) -> bool:
    """Whether a name is a year, a month or a day."""
    return bool(_DATE.fullmatch(name))


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


def shared_prefixes(names: Iterable[str]) -> list[str]:
    """The few prefixes that all names share, as in `cat.0.jpg`, `dog.0.jpg`; [] if they do not.

    Prefixes of cameras and the like do not count, nor do those with digits: they are series.
    """
    counts: dict[str, int] = {}
    other = total = 0
    for name in names:
        total += 1
        match = _NUMBERED.match(name)
        prefix = match["label"] if match else ""
        if re.fullmatch(r"[A-Za-z][A-Za-z _'-]+", prefix):
            counts[prefix] = counts.get(prefix, 0) + 1
        else:
            other += 1
        if other > max(2, total // 20) or len(counts) > max(50, total // 3):
            return []
    common = any(prefix.lower() in _COMMON for prefix in counts)
    few = 2 <= len(counts) <= total // 3 and min(counts.values()) >= 2
    return sorted(counts) if few and not common and other <= total // 20 else []
