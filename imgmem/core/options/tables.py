"""The options of each command: one line each, for the command line, Python and the guide.

A line holds the option's type in Python, its help and its heading. Its default is that of the
field of a spec that it sets (`specs`).
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypedDict

from imgmem.core import specs
from imgmem.core.messages import option
from imgmem.core.options import values
from imgmem.core.options.option import Option

HEADINGS = (
    "Labels", "Splits", "Method", "Rows", "Pixels", "Naive conversion", "Checks", "Errors",
    "Resources", "Output",
)  # fmt: skip
"""The headings of a help page, in their order; a command has those that its options name."""

LABELS, SPLITS, METHOD, ROWS, PIXELS, NAIVE, CHECKS, ERRORS, RESOURCES, OUTPUT = HEADINGS

Path = str | os.PathLike[str]


class ResourceOptions(TypedDict, total=False):
    """How hard to work; never changes the result."""

    workers: Annotated[
        int | None,
        Option("Number of worker threads.", RESOURCES, least=1, default="the CPUs allowed here"),
    ]
    memory: Annotated[
        int | str | None,
        Option(
            "Memory budget, e.g. 512MiB.", RESOURCES, parse=values.byte_count, metavar="SIZE",
            default="1GiB or a quarter of what is available",
        ),
    ]  # fmt: skip


class ImageOptions(TypedDict, total=False):
    """How one image becomes one row."""

    size: Annotated[
        int | str | tuple[int, int],
        Option(
            'Output size, height x width, or "native" if all images have the same size.', PIXELS,
            parse=values.image_size, show=values.size_text, metavar="224|HxW|native",
        ),
    ]  # fmt: skip
    fit: Annotated[
        specs.Fit,
        Option("stretch: ignore aspect ratio; crop: center crop; pad: letterbox.", PIXELS),
    ]
    shorter: Annotated[
        int | None,
        Option(
            f"With {option('fit', 'crop')}: resize the shorter side to N, then crop the center.",
            PIXELS, least=1,
        ),
    ]  # fmt: skip
    channels: Annotated[
        specs.Channels, Option("Output channels.", PIXELS, aliases={"grey": "gray"})
    ]
    resize: Annotated[
        specs.Resize,
        Option(
            "auto: fast, near-area quality; area: exact area averaging; pillow: antialiased "
            "bilinear, as torchvision's Resize on PIL images.",
            PIXELS,
        ),
    ]
    background: Annotated[
        str | Sequence[int],
        Option(
            "Background color for transparent pixels and padding; drop: ignore transparency.",
            PIXELS, parse=values.background, show=values.numbers_text, metavar="R,G,B|drop",
        ),
    ]  # fmt: skip
    levels: Annotated[
        str | Sequence[float] | None,
        Option(
            "File values that become 0 and 255, e.g. 0,4095 for 12-bit data in 16-bit files; none: "
            f"keep the values, with {option('dtype', 'float32')}.",
            PIXELS, parse=values.levels, metavar="LOW,HIGH|none",
            default="the format's whole range",
        ),
    ]  # fmt: skip
    max_pixels: Annotated[
        int, Option("Reject larger images without decoding them.", PIXELS, least=1)
    ]
    dtype: Annotated[
        specs.BuildDtype,
        Option(
            "dtype of X.npy. uint8, float32: pixel values 0-255; uint16: the values of the files.",
            PIXELS,
        ),
    ]


class LabelOptions(TypedDict, total=False):
    """Where classes come from."""

    labels: Annotated[
        Path | Sequence[Path],
        Option(
            "Where labels come from: folder (decided from the tree), parent, folder:N, path, "
            "name:REGEX, path:REGEX, none, or FILE, a label table (.csv, .tsv, .txt, .jsonl ...); "
            "several tables are read as one; a rule before them is for images they do not list.",
            LABELS, parse=values.labels, metavar="RULE|FILE", multiple=True,
        ),
    ]  # fmt: skip
    columns: Annotated[
        str | Mapping[str, str] | Sequence[str],
        Option(
            "Columns of the label table, e.g. path=id,label=breed,split=Usage,group=patient; or "
            "arrays of an .npz, e.g. image=x,label=y.",
            LABELS, parse=values.as_given, metavar="ROLE=NAME,…", multiple=True,
        ),
    ]  # fmt: skip
    class_map: Annotated[
        str | Mapping[str, str] | Sequence[str],
        Option(
            "Rename, merge (two to one name) or drop (to an empty name) classes; a file "
            "holds JSON, CSV or lines of two names.",
            LABELS, parse=values.as_given, metavar="FOUND=NAME,…|@FILE", multiple=True,
        ),
    ]  # fmt: skip
    target: Annotated[
        specs.Target | None,
        Option(
            "class: every distinct value is a class; multilabel: any number of classes per image; "
            "number: a number to predict.",
            LABELS,
        ),
    ]
    no_label: Annotated[
        str | Sequence[str],
        Option(
            f'With {option("target", "multilabel")}: the word for no label, e.g. "No Finding"; "" '
            "for an empty cell.",
            LABELS, parse=values.words, metavar="WORD", multiple=True, may_be_empty=True,
        ),
    ]  # fmt: skip
    include: Annotated[
        str | Sequence[str],
        Option(
            "Use only images whose path below SOURCE matches; a file lists paths, one per line.",
            LABELS, parse=values.as_given, metavar="GLOB,…|@FILE", multiple=True,
        ),
    ]  # fmt: skip
    exclude: Annotated[
        str | Sequence[str],
        Option(
            "Leave out images whose path matches.", LABELS, parse=values.as_given,
            metavar="GLOB,…|@FILE", multiple=True,
        ),
    ]  # fmt: skip
    split_map: Annotated[
        str | Mapping[str, str] | Sequence[str],
        Option(
            "Rename the splits of the source, or drop them (to an empty name).", SPLITS,
            parse=values.as_given, metavar="FOUND=NAME,…|@FILE", multiple=True,
        ),
    ]  # fmt: skip


class _OwnBuildOptions(TypedDict, total=False):
    group: Annotated[
        str | None,
        Option(
            "Keep groups within one split: a column of the label table, folder:N, name:REGEX, or "
            "near-duplicates (SOURCE is a dataset, whose rows are copied).", SPLITS,
            metavar="COLUMN|folder:N|name:REGEX|near-duplicates",
        ),
    ]  # fmt: skip
    classes: Annotated[
        Path | Sequence[str] | None,
        Option(
            "Fix class names and indices: a text file (one per line) or another dataset.", LABELS,
            parse=values.classes, metavar="FILE|DATASET",
        ),
    ]  # fmt: skip
    allow_mismatch: Annotated[
        bool,
        Option(f"Accept {option('classes')} from a dataset with other image options.", LABELS),
    ]
    split: Annotated[
        str | Mapping[str, float | str],
        Option(
            "Split fractions, e.g. train=0.8,val=0.2; folds=5 divides train into fold1 to "
            "fold5; like:DATASET reuses the splits of a dataset; folder:N uses the N-th folder as "
            "the split; name=@FILE lists the images of a split.",
            SPLITS, parse=values.splits,
            metavar="name=fraction,…|folds=N|like:DATASET|folder:N|name=@FILE,…",
        ),
    ]  # fmt: skip
    auto_split: Annotated[bool, Option("Use train/val/test folders as splits.", SPLITS)]
    shuffle: Annotated[bool, Option("Shuffle rows within each split.", SPLITS)]
    seed: Annotated[
        int, Option(f"Random seed of {option('split')} and {option('shuffle')}.", SPLITS)
    ]
    limit: Annotated[
        int | None,
        Option("Use at most N images, spread evenly across classes.", LABELS, least=1),
    ]
    like: Annotated[
        Path | None,
        Option(
            "Use the image options, classes and target of a dataset (for its splits: "
            f"{option('split', 'like:DATASET')}).",
            LABELS, parse=values.local, metavar="DATASET",
        ),
    ]  # fmt: skip
    drop: Annotated[
        str | Sequence[str],
        Option(
            "Copy a dataset without rows that stats finds: duplicates, near-duplicates, conflicts, "
            "blank, leaks:SPLIT (drops the rows in SPLIT).", ERRORS,
            parse=values.drops, metavar="WORD,…",
        ),
    ]  # fmt: skip
    on_error: Annotated[
        specs.OnError, Option("What to do with an image that fails to decode cleanly.", ERRORS)
    ]
    max_rejects: Annotated[
        int | float | str | None,
        Option(
            f"With {option('on_error', 'skip')}: fail if more than N (or N%) images are "
            "rejected.", ERRORS, parse=values.max_rejects, metavar="N|N%",
        ),
    ]  # fmt: skip
    overwrite: Annotated[
        bool, Option("Replace OUT once the new dataset is complete.", OUTPUT, variable=False)
    ]
    update: Annotated[
        bool,
        Option(
            "Bring OUT up to date after SOURCE has changed: rows of unchanged images are copied "
            "from OUT and keep their splits.", OUTPUT, variable=False,
        ),
    ]  # fmt: skip
    resplit: Annotated[
        bool,
        Option(f"With {option('update', True)}: draw all splits again.", SPLITS, variable=False),
    ]
    restart: Annotated[
        bool, Option("Discard an unfinished build of OUT and start over.", OUTPUT, variable=False)
    ]
    fsync: Annotated[
        bool,
        Option(f"{option('fsync', False)}: faster, but a power loss may corrupt OUT.", RESOURCES),
    ]
    executor: Annotated[
        str | specs.ExecutorLike,
        Option(
            "Decode in threads, processes, auto (processes for many tiny images), or on the "
            "workers of a Dask scheduler, e.g. dask:tcp://host:8786.",
            RESOURCES, parse=values.executor, metavar="auto|threads|processes|dask:ADDRESS",
        ),
    ]  # fmt: skip


class BuildOptions(LabelOptions, ImageOptions, ResourceOptions, _OwnBuildOptions, total=False):
    """The options of `build`."""


class EstimateOptions(LabelOptions, ImageOptions, ResourceOptions, total=False):
    """The options of `estimate`."""

    float_dtype: Annotated[specs.FloatDtype, Option("dtype after `normalize`.", PIXELS)]
    out: Annotated[
        Path | None,
        Option("Where build would write.", OUTPUT, parse=values.local, metavar="PATH", default="."),
    ]
    sample: Annotated[
        int | None,
        Option("Sample N image headers instead of reading all.", RESOURCES, least=1),
    ]
    limit: Annotated[
        int | str | None,
        Option(
            "Exit 1 if the naive peak exceeds this.", NAIVE, parse=values.byte_count,
            metavar="SIZE",
        ),
    ]  # fmt: skip
    naive_dtype: Annotated[
        specs.NaiveDtype, Option(f"Naive dtype that {option('limit')} applies to.", NAIVE)
    ]


class UndoOptions(ResourceOptions, total=False):
    """The options of `undo_normalize`."""

    to: Annotated[
        Path | None,
        Option(
            "Write the result to NEW instead of in place.", OUTPUT, parse=values.local,
            metavar="NEW",
        ),
    ]  # fmt: skip
    fsync: Annotated[
        bool,
        Option(
            f"{option('fsync', False)}, only with {option('to')}: faster, but a power loss may "
            "corrupt NEW.",
            RESOURCES,
        ),
    ]


class NormalizeOptions(UndoOptions, total=False):
    """The options of `normalize`."""

    method: Annotated[
        Literal["standardize", "rescale", "minmax"],
        Option(
            "standardize: mean 0, std 1; rescale: 0-255 to 0-1; minmax: min to 0, max to 1. "
            "Computed per channel, from the train split if there is one.", METHOD,
        ),
    ]  # fmt: skip
    mean: Annotated[
        float | str | Sequence[float] | None,
        Option("Per-channel mean to subtract.", METHOD, parse=values.numbers, metavar="NUMBER,…"),
    ]
    std: Annotated[
        float | str | Sequence[float] | None,
        Option("Per-channel std to divide by.", METHOD, parse=values.numbers, metavar="NUMBER,…"),
    ]
    scale: Annotated[
        Literal[1, 255, 65535, "1", "255", "65535"] | None,
        Option(
            f"Pixel range that {option('mean')} and {option('std')} refer to.", METHOD,
            parse=values.pixel_scale, metavar="[1|255|65535]", default="1 if all are at most 1",
        ),
    ]  # fmt: skip
    stats_from: Annotated[
        Path | None,
        Option("Use another dataset's statistics.", METHOD, parse=values.local, metavar="OTHER"),
    ]
    allow_mismatch: Annotated[
        bool,
        Option(f"Accept {option('stats_from')} with other image options.", METHOD),
    ]
    stats_split: Annotated[
        str | Sequence[str] | None,
        Option(
            "Compute the constants from these splits, or from all rows.", METHOD,
            parse=values.split_choice, metavar="NAME,…|'!NAME'|all",
            default="train if there is one",
        ),
    ]  # fmt: skip
    dtype: Annotated[specs.FloatDtype, Option("Output dtype.", OUTPUT)]
    on_read: Annotated[bool, Option("Keep uint8 or uint16 on disk; normalize on read.", OUTPUT)]
    undo: Annotated[bool, Option("Restore the original data.", OUTPUT, variable=False)]


class SampleOptions(TypedDict, total=False):
    """The options of `sample`."""

    count: Annotated[
        int | None,
        Option("Number of rows.", ROWS, least=1, short="-n", default=str(specs.SAMPLE_COUNT)),
    ]
    balanced: Annotated[bool, Option("Sample classes evenly; not for numbers.", ROWS)]
    per_class: Annotated[int | None, Option("Rows per class.", ROWS, least=1)]
    rows: Annotated[
        str | Iterable[int],
        Option("Exact row indices.", ROWS, parse=values.row_numbers, metavar="3,17,20-25"),
    ]
    split: Annotated[
        str | Sequence[str] | None,
        Option(
            "Use only this split, several, or all but one.", ROWS,
            parse=values.split_choice, metavar="NAME,…|'!NAME'",
        ),
    ]  # fmt: skip
    query: Annotated[
        str | Mapping[str, str | Sequence[str]],
        Option(
            "Filter by class and split, or by a number.", ROWS, parse=values.query,
            metavar="class=cat,split=val|age>=60",
        ),
    ]  # fmt: skip
    group: Annotated[
        specs.SampleGroup | None, Option("Group rows by class, split or duplicate set.", ROWS)
    ]
    seed: Annotated[int, Option("Random seed.", ROWS)]
    out: Annotated[
        Path | None,
        Option(
            "A contact sheet (.png, .jpg), a batch (.npz, .npy), or a folder of images.", OUTPUT,
            parse=values.local, metavar="PATH",
        ),
    ]  # fmt: skip
    overwrite: Annotated[
        bool, Option(f"Replace the file of {option('out')} if it exists.", OUTPUT, variable=False)
    ]
