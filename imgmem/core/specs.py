"""What the user asks for: frozen specs, the one home of every default and choice.

Only what is in `BuildSpec` (with its `ImageSpec`) can change the bytes of a dataset;
`RunSpec` and `RejectPolicy` can not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args, runtime_checkable

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.thresholds import Check, Thresholds

Fit = Literal["stretch", "crop", "pad"]
Channels = Literal["rgb", "gray"]
BuildDtype = Literal["uint8", "uint16", "float32"]
FloatDtype = Literal["float32", "float16"]
Method = Literal["standardize", "rescale", "minmax", "given"]
Resize = Literal["auto", "area", "pillow"]
OnError = Literal["stop", "skip"]
NaiveDtype = Literal["uint8", "float32", "float64"]
Target = Literal["class", "multilabel", "number"]

EXECUTORS = ("auto", "threads", "processes")
FITS: tuple[str, ...] = get_args(Fit)
CHANNELS: tuple[str, ...] = get_args(Channels)
BUILD_DTYPES: tuple[str, ...] = get_args(BuildDtype)
FLOAT_DTYPES: tuple[str, ...] = get_args(FloatDtype)
TRAIN = "train"
"""The split whose rows give the constants of `normalize`, where there is one."""
ALL = "all"
"""What all rows are called where a split may be named."""
FOLDS = "folds"
"""What `split` calls the number of folds."""
FOLD = "fold"
"""What the name of a fold begins with; its number follows, from 1."""
NOT = "!"
"""What stands before the name of a split that is left out."""
NEAR_DUPLICATES = "near-duplicates"
"""The value of `group` for rows of a dataset that look the same."""
DROP_REASON = "dropped-"
"""What the reason begins with for which `drop` left out a row: it is not a fault of the image."""
SplitChoice: TypeAlias = str | Sequence[str] | None
"""A split, several of them, "!name" for all but one, or None for all rows."""

CHANNEL_NAMES = {1: ("gray",), 3: ("red", "green", "blue")}
"""Channels by how many there are, in their order."""

METHODS: tuple[str, ...] = ("standardize", "rescale", "minmax")
NAIVE_DTYPES: tuple[NaiveDtype, ...] = get_args(NaiveDtype)
TARGETS: tuple[str, ...] = get_args(Target)

MAX_PIXELS = 178_956_970
"""Twice Pillow's `Image.MAX_IMAGE_PIXELS`: where Pillow raises DecompressionBombError."""

DEFAULT_MEMORY = 2**30
"""Bytes to stay under where `--memory` is not given, unless less is available:"""
DEFAULT_MEMORY_SHARE = 4
"""then one part in this many of what is,"""
MIN_DEFAULT_MEMORY = 96 * 2**20
"""but, in small containers, this much: below it there is little that could be done."""


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """How one image becomes one row.

    size: (height, width) in pixels, or None for the images' own ("native") size.
    shorter: with fit="crop", the shorter side of the whole image before its center is cropped to
        `size`; None to crop as much as the shape of `size` allows.
    background: pixel values 0–255 (R, G, B) under transparent pixels and around `pad`, or "drop"
        to take the colors of transparent pixels as they are (and black around `pad`).
    levels: (low, high), the values in the files that become 0 and 255; None for all that the
        format allows; "none" to keep them.
    max_pixels: an image whose header says more is rejected before it is decoded.
    """

    size: tuple[int, int] | None = (224, 224)
    fit: Fit = "stretch"
    channels: Channels = "rgb"
    shorter: int | None = None
    resize: Resize = "auto"
    background: tuple[int, int, int] | Literal["drop"] = (0, 0, 0)
    max_pixels: int = MAX_PIXELS
    levels: tuple[float, float] | Literal["none"] | None = None

    def __post_init__(self) -> None:
        if self.channels == "grey":  # type: ignore[comparison-overlap]  # the British spelling
            object.__setattr__(self, "channels", "gray")
        if self.shorter is None:
            return
        if self.fit != "crop" or self.size is None:
            raise UsageError(
                f"{option('shorter')} is the side of the image before a crop",
                hint=f"Add {option('fit', 'crop')} and {option('size')}.",
            )
        if self.shorter < max(self.size):
            raise UsageError(
                f"{option('shorter', self.shorter)} is smaller than the crop of "
                f"{self.size[0]}x{self.size[1]}",
                hint=f"Give {option('shorter', max(self.size))} or more.",
            )

    @property
    def stretch(self) -> tuple[float, float] | None:
        """The values that become 0 and 255, where they were given."""
        return None if self.levels == "none" else self.levels

    @property
    def padding(self) -> tuple[int, int, int]:
        """The color around `pad`."""
        return (0, 0, 0) if self.background == "drop" else self.background

    @property
    def depth(self) -> int:
        """Channels in a row: 3 or 1."""
        return 3 if self.channels == "rgb" else 1


def require_storable(dtype: str, image: ImageSpec) -> None:
    """UsageError where rows of `dtype` cannot hold what `image` asks for."""
    if dtype == "uint16" and image.stretch:
        raise UsageError(
            f"{option('levels')} makes values from 0 to 255, and {option('dtype', 'uint16')} keeps "
            "those of the files",
            hint="Leave out one of them.",
        )
    if dtype == "uint8" and image.levels == "none":
        raise UsageError(
            f"{option('levels', 'none')} keeps the values of the files, which uint8 cannot hold",
            hint=f"Add {option('dtype', 'uint16')} or {option('dtype', 'float32')}.",
        )
    if row_dtype(dtype, image) != "uint8" and image.background not in ((0, 0, 0), "drop"):
        raise UsageError(
            f"{option('background')} is a color from 0 to 255; rows hold the values of files",
            hint=f"Leave it out, or give {option('background', 'drop')}.",
        )


def row_dtype(dtype: str, image: ImageSpec) -> str:
    """The dtype in which rows are made: uint8, unless they keep the values of the files."""
    return dtype if dtype == "uint16" or image.levels == "none" else "uint8"


@dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """Which images of a source count, and what their labels and splits are.

    The values are those of the command line (see the guide on labels), or plain ones.

    labels: "folder" (decided from the tree), "folder:N", "parent", "path", "name:REGEX",
    "path:REGEX", "none", or the path of a label table.
    tables: further label tables: with that of `labels` they are one; with a rule they go before it.
    columns: the roles of a label table's columns: "path=id,label=breed", or a mapping.
    target: "class" makes every distinct value of the label a class, whatever it looks like;
    "multilabel" takes any number of classes an image, "number" one or several numbers. By default
    there is one class per image, and what looks like a number or a list is a doubt.
    no_label: words that mean that an image has no label, with target="multilabel"; "" for an
    empty cell.
    group: what images no split may part: a column of a table, "folder:N" or "name:REGEX".
    class_map, split_map: new names, found=name: renames, joins, and drops (to an empty name).
    split_lists: (split, FILE) pairs: the lists of the images of each split.
    split_from: "folder:N", the folder that is the split; None for the source's own splits.
    include, exclude: globs of paths below the source, or "@FILE".
    auto_split: take `train`, `val` and `test` folders as splits.
    """

    labels: str = "folder"
    tables: tuple[str, ...] = ()
    columns: str | Mapping[str, str] | tuple[str, ...] = ()
    target: Target | None = None
    no_label: tuple[str, ...] = ()
    group: str | None = None
    class_map: str | Mapping[str, str] | tuple[str, ...] = ()
    split_from: str | None = None
    split_lists: tuple[tuple[str, str], ...] = ()
    split_map: str | Mapping[str, str] | tuple[str, ...] = ()
    include: str | tuple[str, ...] = ()
    exclude: str | tuple[str, ...] = ()
    auto_split: bool = True


@dataclass(frozen=True, kw_only=True)
class BuildSpec(LabelSpec):
    """Everything that decides the bytes of a dataset, the source aside.

    classes: pinned class names in order, or None for the sorted names found.
    more_classes: whether classes that are not among those pinned come after them.
    classes_from: the path of a list, or of a dataset, that has these names.
    allow_mismatch: accept such a dataset though its image options are others.
    splits: (name, fraction) pairs in row order; empty for no split.
    like: the path of a dataset that gives image options, classes and target.
    drop: what is left out of a dataset as source, whose other rows are copied: "duplicates",
        "near-duplicates", "conflicts", "blank", "leaks:SPLIT".
    split_like: the path of a dataset whose splits known images keep, with its rule and seed.
    folds: into how many equal parts train, or what `splits` leave, is divided; None for none.
    merge: the sources are several datasets, whose rows are copied.
    """

    image: ImageSpec = field(default_factory=ImageSpec)
    dtype: BuildDtype = "uint8"
    classes: tuple[str, ...] | None = None
    more_classes: bool = False
    classes_from: str | None = None
    allow_mismatch: bool = False
    splits: tuple[tuple[str, float], ...] = ()
    folds: int | None = None
    split_like: str | None = None
    like: str | None = None
    drop: tuple[str, ...] = ()
    merge: bool = False
    shuffle: bool = False
    seed: int = 0
    limit: int | None = None

    @property
    def copies(self) -> bool:
        """Whether the rows of datasets are copied as they are, with what is known of them."""
        return bool(self.drop) or self.group == NEAR_DUPLICATES or self.merge

    def __post_init__(self) -> None:
        require_storable(self.dtype, self.image)


@dataclass(frozen=True, kw_only=True)
class RejectPolicy:
    """What to do with images that cannot be trusted.

    max_rejects: a count (int), a fraction of the images (float 0–1), or None for no limit;
    only with on_error="skip".
    """

    on_error: OnError = "stop"
    max_rejects: int | float | None = None


@dataclass(frozen=True, kw_only=True)
class OutPolicy:
    """What to do with what is at OUT already.

    overwrite: replace a finished dataset once the new one is complete.
    update: the same, but copy the rows of images that have not changed, and keep their splits.
    resplit: with `update`, draw all splits again.
    restart: discard an unfinished build and start over.
    """

    overwrite: bool = False
    update: bool = False
    resplit: bool = False
    restart: bool = False


@dataclass(frozen=True, kw_only=True)
class NormalizeSpec:
    """What `normalize` writes.

    mean, std: per channel, for the method "given", on the 0–`scale` scale.
    scale: 1, 255 (65535 for uint16 features), or None to infer it (all means ≤ 1 is read as
        scale 1).
    stats_from: another dataset whose rows (or recorded normalization) give the constants.
    stats_split: the splits whose rows give them, "all" for all rows; None for train, or for all
        rows where there are neither train nor folds.
    allow_mismatch: accept such a dataset though its image options are others.
    on_read: leave uint8 or uint16 on disk and record the transform, which readers then apply.
    to: write a new dataset here and leave this one as it is.
    undo: restore the original data instead.
    """

    method: Method = "standardize"
    dtype: FloatDtype = "float32"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: Literal[1, 255, 65535] | None = None
    stats_from: str | None = None
    stats_split: SplitChoice = None
    allow_mismatch: bool = False
    on_read: bool = False
    to: str | None = None
    undo: bool = False


@dataclass(frozen=True, kw_only=True)
class EstimateSpec(LabelSpec):
    """What to predict.

    image, dtype and labels: as `build` would be given them. float_dtype: what `normalize` would.
    sample: read the headers of this many images only; None for all.
    naive_dtype: which naive conversion `limit` (bytes) judges.
    out: where `build` would write.
    """

    image: ImageSpec = field(default_factory=ImageSpec)
    dtype: BuildDtype = "uint8"
    float_dtype: FloatDtype = "float32"
    naive_dtype: NaiveDtype = "float64"
    sample: int | None = None
    limit: int | None = None
    out: str = "."

    def __post_init__(self) -> None:
        require_storable(self.dtype, self.image)


@runtime_checkable
class ExecutorLike(Protocol):
    """What a `concurrent.futures.Executor` offers, as far as imgmem uses it."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Any:
        """Call `work(*arguments)` some time; returns a `concurrent.futures.Future`."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """How hard to work; never changes the result.

    workers: threads; None for the CPUs that affinity and cgroup allow.
    memory: bytes of anonymous memory for the whole process tree; None for the default.
    fsync: False leaves durability to the operating system (scratch disks).
    executor: what decodes in `build`: "threads", "processes", "auto" for what is likely to be
    faster, "dask:ADDRESS" for the workers of a Dask scheduler (its address, or the path of its
    file), or an executor that stays the caller's.
    """

    workers: int | None = None
    memory: int | None = None
    fsync: bool = True
    executor: str | ExecutorLike = "auto"


@dataclass(frozen=True, kw_only=True)
class StatsSpec:
    """What `stats` describes and checks.

    split: of this split only, of several, or of all but some.
    by_class: also the pixel values of each class.
    verify: compare all data with its checksums first.
    fail_on: the checks to make.
    report: write an HTML page here.
    listed: write the paths of duplicates (all but the first), conflicts and blank images here.
    overwrite: replace these files where they exist.
    """

    split: SplitChoice = None
    by_class: bool = False
    verify: bool = False
    thresholds: Thresholds = Thresholds()
    fail_on: tuple[Check, ...] = ()
    report: str | None = None
    listed: str | None = None
    overwrite: bool = False


class NumberLimit(NamedTuple):
    """A limit on a number to predict. sign: ">=", "<=", ">", "<" or "="."""

    name: str
    sign: str
    value: float


SampleGroup = Literal["class", "split", "duplicates"]
SAMPLE_COUNT = 16


@dataclass(frozen=True, kw_only=True)
class SampleSpec:
    """Which rows to show.

    count: how many at most; None for SAMPLE_COUNT. balanced: equally many of each class.
    per_class: this many of each class. rows: these, in this order, and no others.
    split, classes: only rows of this split (of several, of all but some), of any of these classes
    (by name); empty for all. numbers: only rows whose numbers are within these limits.
    group: put rows of a class, of a split, or that look the same, side by side.
    seed: random order is a sort by a hash of seed and row.
    out: write the rows here; the extension says in which form.
    overwrite: replace that file where it exists.
    """

    count: int | None = None
    balanced: bool = False
    per_class: int | None = None
    rows: tuple[int, ...] = ()
    split: SplitChoice = None
    classes: tuple[str, ...] = ()
    numbers: tuple[NumberLimit, ...] = ()
    group: SampleGroup | None = None
    seed: int = 0
    out: str | None = None
    overwrite: bool = False
