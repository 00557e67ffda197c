"""`imgmem.prepare`: one new image as a row of a dataset, for inference."""

import os
from dataclasses import fields
from math import inf
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import Images
from imgmem.core.decode.foreign import named
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import check_size, decode_into
from imgmem.core.errors import DatasetError, ImgmemError, InputError, RejectedImage, UsageError
from imgmem.core.read.convert import Conversion, Converter
from imgmem.core.specs import Fit, ImageSpec, Resize, row_dtype
from imgmem.core.storage import store
from imgmem.core.storage.record import Record

New = str | os.PathLike[str] | bytes | NDArray[Any]

_FIELDS = tuple(field.name for field in fields(ImageSpec))


def image_options_of(record: Record) -> dict[str, Any]:
    """The fields of an ImageSpec that a dataset records; its size is that of the rows."""
    _, height, width, depth = record.shape
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in record.image.items()
        if name in _FIELDS
    }
    return known | {"size": (height, width), "channels": "rgb" if depth == 3 else "gray"}


def image_spec_of(path: str, record: Record) -> ImageSpec:
    """How the rows of the dataset at `path` were made of images. DatasetError for options that
    cannot be."""
    try:
        spec = ImageSpec(**image_options_of(record))
        if _is_possible(spec):
            return spec
    except (TypeError, ImgmemError):
        pass
    raise store.damaged(os.path.join(path, store.RECORD), "its image options are not possible")


def _is_possible(spec: ImageSpec) -> bool:
    levels, background = spec.levels, spec.background
    return (
        spec.fit in get_args(Fit)
        and spec.resize in get_args(Resize)
        and type(spec.max_pixels) is int
        and type(spec.shorter) in (int, type(None))
        and (levels in (None, "none") or _are_numbers(levels, 2))
        and (background == "drop" or _are_numbers(background, 3))
    )


def _are_numbers(values: object, count: int) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(type(value) in (int, float) and abs(value) < inf for value in values)
    )


def prepare(image: New, *, like: str | os.PathLike[str]) -> Images:
    """One new image exactly as a row of a dataset: made as `build` makes it, and normalized as is
    recorded.

    Args:
        image: A path, the bytes of an image file, or pixels: (H, W), (H, W, 1) or (H, W, 3) RGB,
            uint8 or uint16.
        like: The dataset that a model was trained on, or a folder with its `dataset.json` alone.

    Returns:
        (H, W, C): what `build` and `normalize` would have written, uint8, uint16, float32 or
        float16.

    Raises:
        InputError: The image cannot be read, or `build` would reject it; there is no dataset.
        UsageError: The pixels have another shape or type.
        DatasetError: `dataset.json` is damaged.
    """
    record = store.read_record(os.fspath(like))
    spec = image_spec_of(os.fspath(like), record)
    name, data = _read(image)
    block = np.empty((1, *record.shape[1:]), row_dtype(record.original_dtype, spec))
    try:
        header = read_header(data)
        check_size(header, spec, (block.shape[1], block.shape[2]))
        decode_into(data, spec, block[0], header=header)
    except RejectedImage as reject:
        found = named(reject, name)
        raise InputError(
            f"{name} rejected ({found.reason}): {found.detail}",
            hint="Repair the file, or give another one.",
            path=name,
            reason=found.reason,
        ) from None
    rows = _normalized(record, block.astype(record.original_dtype, copy=False))
    return rows.reshape(rows.shape[1:])


def _normalized(record: Record, block: Images) -> Images:
    done = record.normalization
    if done is None:
        return block
    wanted = np.dtype(done.dtype)
    conversion = Conversion(block.dtype, wanted, "NHWC", done)
    out = np.empty(block.shape, wanted)
    Converter(conversion, *block.shape[1:3]).from_block(block)(1, out)
    return out


def _read(image: New) -> tuple[str, bytes]:
    """What to call an image, and its bytes."""
    if isinstance(image, bytes):
        return "the image", image
    if isinstance(image, np.ndarray):
        return "the array", _as_file(image)
    path = os.fspath(image)
    try:
        with open(path, "rb", opener=store.open_regular) as file:
            return path, file.read()
    except (OSError, DatasetError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a regular file"
        raise InputError(
            f"{path} cannot be read: {why}", hint="Check the path.", path=path
        ) from None


def _as_file(pixels: NDArray[Any]) -> bytes:
    """Pixels as a PPM or PGM file, which holds them as they are."""
    depth = 1 if pixels.ndim == 2 else pixels.shape[-1]
    good = pixels.ndim in (2, 3) and depth in (1, 3) and pixels.size
    if not good or pixels.dtype not in (np.uint8, np.uint16):
        raise UsageError(
            f"an array of {pixels.shape} {pixels.dtype} is not an image",
            hint="Pass (H, W), (H, W, 1) or (H, W, 3) RGB, uint8 or uint16.",
        )
    height, width = pixels.shape[:2]
    highest = int(np.iinfo(pixels.dtype).max)
    head = f"P{6 if depth == 3 else 5}\n{width} {height}\n{highest}\n".encode()
    return head + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
