"""What the naive conversion takes: the arithmetic behind `estimate`. See scripts/naive.py.

    images = [read(path) for path in paths]            # a list of uint8 arrays
    X = np.array(images)                               # copies them
    X = X / 255.0                                      # float64; or X.astype(np.float32)
    X = (X - X.mean((0, 1, 2))) / X.std((0, 1, 2))     # needs two more arrays of X's size

The list stays: `images` still names it, and allocators seldom return so many small blocks
anyway. In the last line X, X - mean and the deviations inside `std` are alive at once; the
division then reuses the second. Measured with NumPy 2.4: see tests/estimate/test_naive.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from imgmem.core.specs import NaiveDtype

BASE_BYTES = 64 * 2**20
"""Resident memory of Python with NumPy and OpenCV once they have read an image (measured)."""
OBJECT_BYTES = 216
"""An array object, its shape and its slot in the list (measured: 215 bytes an image)."""
DECODE_COPIES = 2
"""Pictures of full size, in color, alive while one is decoded and put in order."""
ITEM_BYTES: dict[NaiveDtype, int] = {"uint8": 1, "float32": 4, "float64": 8}


@dataclass(frozen=True, slots=True)
class Stage:
    """What the process holds at most, in bytes, during `step`.

    name: of the stage, as scripts/naive.py prints it.
    """

    name: str
    step: str
    bytes: int


Stages = tuple[Stage, ...]


def conversion(
    *, rows: int, values: int, largest: int, stackable: bool, dtype: NaiveDtype
) -> Stages:
    """The stages of converting `rows` images with `values` array elements in all.

    largest: pixels of the largest picture, before it is resized.
    stackable: False where the images are of unequal sizes, so that `np.array` fails.
    """
    listed = BASE_BYTES + values + rows * OBJECT_BYTES
    decoding = DECODE_COPIES * 3 * largest
    read = Stage("read", "reading the images into a list", listed + decoding)
    if not stackable:
        return (read,)
    array = Stage("array", "copying the list with np.array", listed + values)
    return (read, array, *_floats(listed, values, 1, dtype))


def loading(values: int, stored: str, item_bytes: int, dtype: NaiveDtype) -> Stages:
    """The stages of loading an `X.npy` of `values` elements whole, and converting it."""
    array = Stage("load", f"loading X.npy ({stored}) whole", BASE_BYTES + values * item_bytes)
    return (array, *_floats(BASE_BYTES, values, item_bytes, dtype))


def _floats(held: int, values: int, item_bytes: int, dtype: NaiveDtype) -> Iterator[Stage]:
    """Conversion and standardizing, while `held` bytes are kept as well."""
    if dtype == "uint8":
        return
    floats = values * ITEM_BYTES[dtype]
    how = "dividing by 255.0 (float64)" if dtype == "float64" else f"converting to {dtype}"
    yield Stage("float", how, held + values * item_bytes + floats)
    yield Stage("standardize", f"standardizing in {dtype}", held + 3 * floats)


def peak(stages: Stages) -> Stage:
    """The stage that takes most."""
    return max(stages, key=lambda stage: stage.bytes)


def first_over(stages: Stages, available: float) -> Stage | None:
    """The first stage that takes more than `available` bytes, or None."""
    return next((stage for stage in stages if stage.bytes > available), None)


def rows_that_fit(stages: Stages, rows: int, available: int) -> int:
    """How many of these images could go through the stages at once in `available` bytes."""
    if not rows:
        return 0
    per_row = (peak(stages).bytes - BASE_BYTES) / rows
    return max(0, int((available - BASE_BYTES) // per_row))
