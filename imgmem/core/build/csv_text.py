"""The text files of a dataset: the lines of rows.csv and rejected.csv."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from imgmem.core.build.decoding import Reject, Row
from imgmem.core.build.manifest import BuildManifest

REJECT_COLUMNS = ("path", "reason", "detail")
_NONE = ("", "")


def rows_text(manifest: BuildManifest, rows: Iterable[Row], first: int) -> bytes:
    """Lines of rows.csv for `rows`, of which the first has the number `first`."""
    splits, classes = manifest.splits or ("",), manifest.classes
    return csv_lines(
        (
            number, splits[row.image.split],
            *((row.image.label, classes[row.image.label]) if classes else _NONE),
            row.image.name, row.decoded.width, row.decoded.height, row.digest.hex(),
            *row.image.extra,
        )
        for number, row in enumerate(rows, first)
    )  # fmt: skip


def rejects_text(rejects: Iterable[Reject]) -> bytes:
    """Lines of rejected.csv."""
    return csv_lines((reject.name, reject.reason, reject.detail) for reject in rejects)


def csv_lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """CSV in UTF-8; bytes of a name that are not UTF-8 are escaped as `\\udc80` to `\\udcff`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
