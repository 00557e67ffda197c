"""Image files byte by byte: what no library writes."""

import struct
import zlib

import numpy as np


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def png_header(width, height, depth, color):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))


def png_pixels(rows):
    return chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))


def bmp(indices, palette, bits, colors=None):
    height, width = indices.shape
    table = b"".join(bytes((*color[::-1], 0)) for color in palette)
    if bits == 4:
        indices = indices[:, ::2] << 4 | indices[:, 1::2]
    rows = b"".join(row.tobytes() + bytes(-len(row) % 4) for row in indices[::-1].astype(np.uint8))
    start = 54 + len(table)
    head = b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start)
    info = (40, width, height, 1, bits, 0, 0, 0, 0, colors or len(palette), 0)
    return head + struct.pack("<IiiHHIIiiII", *info) + table + rows


def tiff(tags, strips, order="<"):
    """A TIFF of these strips: tags is {number: (type, values)}, without offsets and lengths."""
    sizes = {3: "H", 4: "I", 5: "II"}
    tags = {**tags, 279: (4, [len(strip) for strip in strips]), 273: (4, [0] * len(strips))}
    start = 8 + 2 + 12 * len(tags) + 4
    values = {tag: [kind, body] for tag, (kind, body) in tags.items()}
    room = sum(
        struct.calcsize(order + sizes[kind] * len(body))
        for kind, body in values.values()
        if struct.calcsize(order + sizes[kind] * len(body)) > 4
    )
    at = start + room
    values[273][1] = [at + sum(map(len, strips[:n])) for n in range(len(strips))]
    entries, extra = b"", b""
    for tag in sorted(values):
        kind, body = values[tag]
        packed = b"".join(struct.pack(order + sizes[kind], v) for v in body)
        if len(packed) > 4:
            entries += struct.pack(order + "HHII", tag, kind, len(body), start + len(extra))
            extra += packed
        else:
            entries += struct.pack(order + "HHI", tag, kind, len(body)) + packed.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "IH", 8, len(values))
    return head + entries + bytes(4) + extra + b"".join(strips)


def raw_tags(height, width, *, bits=(8, 8, 8), photometric=2, rows=None, **more):
    return {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, list(bits)),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [len(bits)]),
        278: (4, [rows or height]),
        **{int(tag[1:]): value for tag, value in more.items()},
    }


def with_depth(data, bits):
    """The same codestream, of components that have that many bits."""
    at = data.index(b"\xff\x4f\xff\x51")
    changed = bytearray(data)
    for number in range(struct.unpack_from(">H", data, at + 40)[0]):
        changed[at + 42 + 3 * number] = bits - 1
    return bytes(changed)
