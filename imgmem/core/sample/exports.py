"""A sample as a file: contact sheet or batch; complete or not there."""

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.machine import process
from imgmem.core.messages import option
from imgmem.core.paths import local_path, require_writable
from imgmem.core.rows.origins import RowOrigin
from imgmem.core.rows.out_file import check_out_files, check_outside, write_out_files
from imgmem.core.sample.encode import encode
from imgmem.core.sample.folder import INSIDE, half_moved
from imgmem.core.sample.sheet import Section, Tile, draw, sheet_bytes
from imgmem.core.sample.take import Sample
from imgmem.core.storage.destination import entries

MAX_SHEET_BYTES = 2**30
"""A sheet that takes more memory than this shows more than anybody looks at."""


def check_out(out: str, dataset: str, *, overwrite: bool = False) -> None:
    """UsageError unless a sample of the dataset can be written to `out`."""
    if is_folder(out):
        _check_folder(out, dataset, overwrite=overwrite)
    elif _extension(out) in _WRITERS:
        check_out_files([out], dataset, overwrite=overwrite)
    else:
        raise UsageError(
            f"a sample cannot be written to {local_path(out)}",
            hint=f"End the name in {', '.join(_WRITERS)}, or in / for a folder.",
        )


def _check_folder(out: str, dataset: str, *, overwrite: bool) -> None:
    check_outside(out, dataset)
    if overwrite:
        raise UsageError(
            f"{option('overwrite')} replaces a file, and {out} is a folder",
            hint="Choose the name of a new folder, or empty it first.",
            path=out,
        )
    if not os.path.isdir(out):
        require_writable(out, os.path.dirname(os.path.realpath(out)))
    elif entries(out) - {INSIDE, *half_moved(out)}:
        raise UsageError(
            f"{out} is a folder that is not empty",
            hint="Choose another name, or empty it first.",
            path=out,
        )


@process.settings()
def save(sample: Sample, out: str, *, overwrite: bool = False) -> None:
    """Write a sample in the format that the extension of `out` selects.

    Args:
        sample: The rows.
        out: .png or .jpg for a contact sheet; .npz for a batch with images, labels and rows;
            .npy for the images alone.
        overwrite: Replace a file that is there already.

    Raises:
        UsageError: Another extension, a sample without rows, or there is such a file.
        ResourceError: It cannot be written.
    """
    check_out(out, sample.path, overwrite=overwrite)
    if not len(sample.rows):
        raise UsageError("the sample has no rows that could be written", hint="Ask for others.")
    write_out_files({out: _WRITERS[_extension(out)](sample, out)}, overwrite=overwrite)


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


def _sheet(sample: Sample, out: str) -> bytes:
    return encode(contact_sheet(sample), _extension(out))


def _batch(sample: Sample, _: str) -> bytes:
    arrays: dict[str, Any] = {"images": sample.images, "rows": sample.rows}
    if sample.labels is not None:
        arrays["labels"] = sample.labels
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _images(sample: Sample, _: str) -> bytes:
    file = io.BytesIO()
    np.save(file, sample.images, allow_pickle=False)
    return file.getvalue()


_WRITERS: dict[str, Callable[[Sample, str], bytes]] = {
    ".png": _sheet,
    ".jpg": _sheet,
    ".jpeg": _sheet,
    ".npz": _batch,
    ".npy": _images,
}
