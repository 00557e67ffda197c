"""Arithmetic of rows and chunks: pure functions, no files, no arrays."""

from collections.abc import Iterator


def row_ranges(rows: int, rows_per_chunk: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of each chunk of `rows` rows, in order; the last may be short."""
    return ranges_between(0, rows, rows_per_chunk)


def ranges_between(first: int, last: int, rows_per_chunk: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of each chunk of the rows first … last - 1, in order."""
    for start in range(first, last, rows_per_chunk):
        yield start, min(start + rows_per_chunk, last)


def rows_per_chunk(row_bytes: int, chunk_bytes: int) -> int:
    """How many rows of `row_bytes` bytes a chunk of about `chunk_bytes` holds, at least one."""
    return max(1, chunk_bytes // row_bytes)
