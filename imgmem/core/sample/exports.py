"""A sample as a file: contact sheet, batch, or folder of images; complete or not there."""

import csv
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import astuple, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.machine import process
from imgmem.core.paths import is_inside, local_path, require_folder_of
from imgmem.core.rows.origins import RowOrigin
from imgmem.core.sample.sheet import Section, Tile, draw, sheet_bytes
from imgmem.core.sample.take import Sample
from imgmem.core.storage import durable, store
from imgmem.core.storage.destination import entries

MAX_SHEET_BYTES = 2**30
"""A sheet that takes more memory than this shows more than anybody looks at."""
JPEG_QUALITY = 92
_INSIDE = ".sample.new"
"""Where a folder that exists is filled, until it is complete."""


def check_out(out: str, dataset: str) -> None:
    """UsageError unless `save` can write a sample of the dataset to `out`."""
    local_path(out)
    require_folder_of(out)
    if is_inside(out, dataset):
        raise UsageError(
            f"{out} is inside the dataset", hint="Write the sample somewhere else.", path=out
        )
    if _extension(out) not in _WRITERS:
        raise UsageError(
            f"a sample cannot be written to {out}",
            hint=f"End the name in {', '.join(filter(None, _WRITERS))}, or in / for a folder.",
        )
    is_folder = _writer(out) is _folder
    if os.path.isdir(out) and (not is_folder or set(entries(out)) - {_INSIDE}):
        raise UsageError(
            f"{out} is a folder{' that is not empty' if is_folder else ''}",
            hint="Choose another name, or empty it first.",
            path=out,
        )


@process.settings()
def save(sample: Sample, out: str) -> None:
    """Write a sample in the format that the extension of `out` selects.

    Existing files are overwritten; a folder must be empty.

    Args:
        sample: The rows.
        out: .png or .jpg for a contact sheet; .npz for a batch with images, labels and rows;
            .npy for the images alone; no extension, or a "/", for a folder of images.

    Raises:
        UsageError: Another extension, a folder that is not empty, or a sample without rows.
        ResourceError: It cannot be written.
    """
    check_out(out, sample.path)
    if not len(sample.rows):
        raise UsageError("the sample has no rows that could be written", hint="Ask for others.")
    target = out.rstrip("/")
    try:
        _writer(out)(sample, target)
    except BaseException:
        _discard(target + durable.NEW)
        _discard(os.path.join(target, _INSIDE))
        raise


def _discard(path: str) -> None:
    """Remove an unfinished file or folder, if there is one."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        durable.unlink(path)


def _extension(out: str) -> str:
    return "" if out.endswith("/") else os.path.splitext(out)[1].lower()


def _writer(out: str) -> Callable[[Sample, str], None]:
    return _WRITERS[_extension(out)]


def caption(source: RowOrigin) -> tuple[str, ...]:
    """The lines under an image: its label, its row and split, its file."""
    where = f"row {source.row}" + (f", {source.split}" if source.split else "")
    name = source.path.rsplit("/", 1)[-1]
    label = source.shown_label
    return (where, name) if label is None else (label, where, name)


def contact_sheet(sample: Sample) -> NDArray[np.uint8]:
    """The images of a sample on a sheet, RGB, each group under its title."""
    sections, first = [], 0
    for title, count in sample.groups:
        tiles = tuple(_tile(sample, place) for place in range(first, first + count))
        sections.append(Section(title, tiles))
        first += count
    size = sample.pixels.shape[1:3]
    if (needed := sheet_bytes(sections, (size[0], size[1]))) > MAX_SHEET_BYTES:
        raise ResourceError(
            f"a contact sheet of {len(sample.rows)} images is too large",
            hint="Ask for fewer rows, or write them to a folder.",
            needed_bytes=needed,
        )
    return draw(sections, (size[0], size[1]))


def _tile(sample: Sample, place: int) -> Tile:
    return Tile(lambda: sample.pixels[place], caption(sample.sources[place]))


def _sheet(sample: Sample, out: str) -> None:
    durable.write_file(out, encode(contact_sheet(sample), _extension(out)))


def encode(image: NDArray[np.uint8], extension: str) -> bytes:
    """An RGB or gray image as the bytes of a PNG or JPEG file."""
    order = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[-1] == 3 else image
    options = [] if extension == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(extension, order, options)[1].tobytes()


def _batch(sample: Sample, out: str) -> None:
    arrays: dict[str, Any] = {"images": sample.images, "rows": sample.rows}
    if sample.labels is not None:
        arrays["labels"] = sample.labels
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    durable.write_file(out, file.getvalue())


def _images(sample: Sample, out: str) -> None:
    file = io.BytesIO()
    np.save(file, sample.images, allow_pickle=False)
    durable.write_file(out, file.getvalue())


def _folder(sample: Sample, out: str) -> None:
    """PNG files named by row (a class's name is data, never a path), and a list of them."""
    is_there = os.path.isdir(out)  # a mount point, perhaps: it stays
    temporary = os.path.join(out, _INSIDE) if is_there else out + durable.NEW
    _discard(temporary)
    durable.mkdir(temporary)
    names = [f"row-{row:08d}.png" for row in sample.rows.tolist()]
    for name, image in zip(names, sample.pixels, strict=True):
        durable.write_file(os.path.join(temporary, name), encode(image, ".png"))
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(["file", *(field.name for field in fields(RowOrigin))])
    table.writerows((name, *astuple(s)) for name, s in zip(names, sample.sources, strict=True))
    durable.write_file(os.path.join(temporary, store.ROWS), lines.getvalue().encode())
    if is_there:
        for name in (*names, store.ROWS):
            durable.rename(os.path.join(temporary, name), os.path.join(out, name))
        durable.rmdir(temporary)
    else:
        durable.rename(temporary, out)


_WRITERS = {
    ".png": _sheet,
    ".jpg": _sheet,
    ".jpeg": _sheet,
    ".npz": _batch,
    ".npy": _images,
    "": _folder,
}
