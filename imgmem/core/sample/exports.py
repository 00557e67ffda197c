"""A sample as a file: contact sheet or batch; complete or not there."""

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.machine import process
from imgmem.core.paths import is_inside, local_path, require_folder_of, require_writable
from imgmem.core.rows.origins import RowOrigin
from imgmem.core.sample.encode import encode
from imgmem.core.sample.folder import INSIDE, half_moved
from imgmem.core.sample.sheet import Section, Tile, draw, sheet_bytes
from imgmem.core.sample.take import Sample
from imgmem.core.storage import durable
from imgmem.core.storage.destination import entries

MAX_SHEET_BYTES = 2**30
"""A sheet that takes more memory than this shows more than anybody looks at."""


def check_out(out: str, dataset: str) -> None:
    """UsageError unless a sample of the dataset can be written to `out`."""
    local_path(out)
    require_folder_of(out)
    if is_inside(out, dataset):
        raise UsageError(
            f"{out} is inside the dataset", hint="Write the sample somewhere else.", path=out
        )
    if not is_folder(out) and _extension(out) not in _WRITERS:
        raise UsageError(
            f"a sample cannot be written to {out}",
            hint=f"End the name in {', '.join(_WRITERS)}, or in / for a folder.",
        )
    if not os.path.isdir(out):
        require_writable(out, os.path.dirname(out.rstrip("/")) or os.curdir)
    if os.path.isdir(out) and (not is_folder(out) or entries(out) - {INSIDE, *half_moved(out)}):
        raise UsageError(
            f"{out} is a folder{' that is not empty' if is_folder(out) else ''}",
            hint="Choose another name, or empty it first.",
            path=out,
        )


@process.settings()
def save(sample: Sample, out: str) -> None:
    """Write a sample in the format that the extension of `out` selects.

    Existing files are overwritten.

    Args:
        sample: The rows.
        out: .png or .jpg for a contact sheet; .npz for a batch with images, labels and rows;
            .npy for the images alone.

    Raises:
        UsageError: Another extension, or a sample without rows.
        ResourceError: It cannot be written.
    """
    check_out(out, sample.path)
    if not len(sample.rows):
        raise UsageError("the sample has no rows that could be written", hint="Ask for others.")
    try:
        _WRITERS[_extension(out)](sample, out)
    except BaseException:
        durable.unlink(out + durable.NEW)
        raise


def _extension(out: str) -> str:
    return "" if out.endswith("/") else os.path.splitext(out)[1].lower()


def is_folder(out: str) -> bool:
    """Whether a name asks for a folder of images: by no extension, or a "/" at its end."""
    return not _extension(out)


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


_WRITERS: dict[str, Callable[[Sample, str], None]] = {
    ".png": _sheet,
    ".jpg": _sheet,
    ".jpeg": _sheet,
    ".npz": _batch,
    ".npy": _images,
}
