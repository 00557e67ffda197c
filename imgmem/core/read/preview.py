"""What a dataset looks like, for people: as text, and as a page of a notebook."""

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.levels.to_uint8 import to_uint8
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import MULTILABEL, NUMBER
from imgmem.core.text import array_text, printable, summary

if TYPE_CHECKING:
    from imgmem.core.read.dataset import Dataset

IMAGES = 12
"""On the sheet, in one row."""
SIDE = 72
"""Pixels of the longer side of an image on it."""


def described(dataset: "Dataset") -> str:
    """`<Dataset 'flowers': 8000 x 224 x 224 x 3 uint8, 5 classes>`."""
    record = dataset.record
    shape = (len(dataset), *record.shape[1:])
    done = record.normalization
    return summary(
        dataset,
        array_text(shape, record.dtype),
        f"split {printable(dataset.split)}" if dataset.split else "",
        target_text(record),
        f"{done.method}{' on read' if done.on_read else ''}" if done else "",
    )


def target_text(record: Record) -> str:
    """`5 classes`, `any of 14 classes`, `numbers: x, y`; empty without labels."""
    if record.target == NUMBER:
        return f"numbers: {', '.join(map(printable, record.target_names))}"
    if not record.classes:
        return ""
    several = record.target == MULTILABEL
    return f"any of {len(record.classes)} classes" if several else f"{len(record.classes)} classes"


def page(dataset: "Dataset", rows: NDArray[Any]) -> str:
    """The description with a sheet of `rows` (n, H, W, C) as stored, as HTML."""
    text = f"<code>{escape(described(dataset))}</code>"
    if not len(rows):
        return text
    sheet = np.hstack([_small(image) for image in to_uint8(rows, dataset.record)])
    order = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR) if sheet.ndim == 3 else sheet
    data = b64encode(cv2.imencode(".png", order)[1].tobytes()).decode()
    return f'{text}<br><img alt="some images" src="data:image/png;base64,{data}">'


def shown_rows(count: int) -> NDArray[np.int64]:
    """The indices of the rows to show, from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, IMAGES)).round().astype(np.int64))


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image with SIDE pixels on its longer side; tiny ones are enlarged without smoothing."""
    factor = SIDE / max(image.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
