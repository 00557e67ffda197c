"""Opening a label table as text: its encoding found, its lines streamed."""

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper

from imgmem.core.errors import InputError
from imgmem.core.paths import is_address
from imgmem.core.sources.files import open_regular, unusable
from imgmem.core.sources.remote.fetched import open_fetched

_HEAD_BYTES = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    (b"PK\x03\x04", "an Excel workbook or another zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"%PDF", "a PDF document"),
)


@contextmanager
def open_text(path: str) -> Iterator[TextIOWrapper]:
    """The table as text, line ends untouched. Bytes that are not UTF-8 are surrogate escapes.

    Raises InputError if it cannot be read, or is not text.
    """
    try:
        with open_binary(path) as binary:
            encoding = _encoding(path, binary.peek(_HEAD_BYTES)[:_HEAD_BYTES])
            errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
            yield TextIOWrapper(binary, encoding, errors, newline="")
    except OSError as error:
        raise unusable(error, f"the label table {path} cannot be read", path) from None
    except UnicodeError as error:
        raise InputError(
            f"the label table {path} is not valid {encoding}: {error}",
            hint="Save it as UTF-8.",
            path=path,
        ) from None


def open_binary(path: str) -> BufferedReader:
    """The bytes of a table, in a file or at an address."""
    if is_address(path):
        return open_fetched(path)
    return os.fdopen(open_regular(path)[0], "rb")


def _encoding(path: str, head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    kind = next((what for mark, what in _BINARY if head.startswith(mark)), None)
    if kind is None and b"\0" in head:
        if not any(head[::2]) or not any(head[1::2]):
            return "utf-16-be" if not any(head[::2]) else "utf-16-le"
        kind = "not text"
    if kind is not None:
        raise InputError(
            f"the label table {path} is {kind}",
            hint="Save it as comma-separated .csv in UTF-8.",
            path=path,
        )
    return "utf-8"


def latin1(text: str) -> str:
    """Text with its bytes that are not UTF-8 read as Windows-1252, or else Latin-1."""
    try:
        text.encode()
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogateescape")
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            return data.decode("latin-1")
    return text
