"""GIF: its blocks (GIF89a)."""

from imgmem.core.errors import RejectedImage


def check_gif(data: bytes) -> None:
    """Every block to the trailer (GIF89a, 15 to 27)."""
    at = 13 + _color_table_bytes(data[10])
    while (block := data[at]) != 0x3B:
        if block == 0x21:  # extension: label, sub-blocks
            at = _blocks_end(data, at + 2)
        elif block == 0x2C:  # image: 9 bytes, colors, code size, sub-blocks
            at = _blocks_end(data, at + 11 + _color_table_bytes(data[at + 9]))
        else:
            raise RejectedImage("corrupt", f"no GIF block at byte {at}")


def _color_table_bytes(flags: int) -> int:
    """The length of a color table, in bytes."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1
