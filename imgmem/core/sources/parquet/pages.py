"""How large the pages of a Parquet file are: what is read of it as a whole.

pyarrow does not report it. So their headers are read, which are structs of Thrift's compact
protocol (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

_HEAD_BYTES = 2**16
_TYPE, _UNPACKED, _PACKED, _OF_DICTIONARY = 1, 2, 3, 7
_DICTIONARY = 2
_VALUES = 1
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY = 1, 2, 3, 7, 8
_LISTS, _STRUCT = (9, 10), 12

_Fields = dict[int, Any]
"""The fields of a struct by number: whole numbers and structs; None for all else."""


class Page(NamedTuple):
    """One page of a column chunk. head: bytes of its header; packed: of the page in the file;
    unpacked: when decompressed. distinct: values in a dictionary, 0 for other pages."""

    head: int
    packed: int
    unpacked: int
    distinct: int = 0


class ColumnChunk(NamedTuple):
    """What reading a column chunk takes. memory: in bytes, at most. value: bytes of a value, on
    average."""

    memory: int
    value: int


def measured(file: BinaryIO, chunk: Any, *, kept: bool) -> ColumnChunk:
    """What reading a column chunk takes.

    A page is read and decompressed as a whole; values of a dictionary are copied; and all bytes
    of a page may be those of one image, which is copied once more.

    Args:
        file: The Parquet file, which may be read anywhere.
        chunk: pyarrow's ColumnChunkMetaData.
        kept: Whether memory that is freed between these steps may not be used for the next.
    """
    packed, unpacked = chunk.total_compressed_size, chunk.total_uncompressed_size
    try:
        found = list(pages(file, chunk))
    except (IndexError, ValueError):  # encrypted, or of a later version of the format
        found = [Page(0, packed, unpacked, distinct=1)]
    packs = chunk.compression != "UNCOMPRESSED"
    dictionaries = [page for page in found if page.distinct]
    largest = max((_taken(page, packs=packs, kept=kept) for page in found), default=0)
    copied = sum(page.unpacked for page in dictionaries)
    mean = unpacked // max(chunk.num_values, 1)
    distinct = max((page.unpacked // page.distinct for page in dictionaries), default=0)
    return ColumnChunk(copied + largest, max(mean, distinct))


def _taken(page: Page, *, packs: bool, kept: bool) -> int:
    packed = page.packed if packs else 0
    return page.unpacked + (packed + page.unpacked if kept else max(packed, page.unpacked))


def pages(file: BinaryIO, chunk: Any) -> Iterator[Page]:
    """The pages of a column chunk. Raises IndexError or ValueError where they are unknown."""
    starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
    at = min(start for start in starts if start)
    end = at + chunk.total_compressed_size
    while at < end:
        file.seek(at)
        page = _page(file.read(_HEAD_BYTES))
        yield page
        at += page.head + page.packed


def _page(data: bytes) -> Page:
    reader = _Reader(data)
    fields = reader.struct()
    packed, unpacked = fields.get(_PACKED), fields.get(_UNPACKED)
    if not (isinstance(packed, int) and isinstance(unpacked, int) and min(packed, unpacked) >= 0):
        raise ValueError("not the header of a page")
    if fields.get(_TYPE) != _DICTIONARY:
        return Page(reader.at, packed, unpacked)
    values = (fields.get(_OF_DICTIONARY) or {}).get(_VALUES) or 1
    return Page(reader.at, packed, unpacked, max(values, 1))


class _Reader:
    """Reads values one after the other; `at` is how far it is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self) -> _Fields:
        found: _Fields = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._number()
            found[number] = self._value(kind)
        return found

    def _value(self, kind: int) -> int | _Fields | None:
        if kind in (_TRUE, _FALSE):
            return None
        if kind == _BYTE:
            return self._byte()
        if kind < _DOUBLE:
            return self._number()
        if kind == _STRUCT:
            return self.struct()
        self._pass(kind)
        return None

    def _pass(self, kind: int) -> None:
        if kind in _LISTS:
            head = self._byte()
            count = head >> 4
            for _ in range(self._varint() if count == 15 else count):
                self._value(max(head & 15, _BYTE))  # a boolean in a list is a byte
            return
        if kind not in (_DOUBLE, _BINARY):
            raise ValueError(f"a field of the kind {kind}")
        length = 8 if kind == _DOUBLE else self._varint()
        self.at += length

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    def _number(self) -> int:
        """A whole number, in the zigzag code."""
        coded = self._varint()
        return (coded >> 1) ^ -(coded & 1)
