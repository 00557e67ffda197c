"""TIFF 6.0: its first directory, and the strips or tiles that this points to."""

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from imgmem.core.decode.format import Header, check_samples
from imgmem.core.decode.libtiff import can_listen, complaints
from imgmem.core.decode.zeros import refuse_zeros
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CANON_RAW = b"CR"
_DNG_VERSION = 50706
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _SUBSAMPLING = 258, 259, 262, 277, 284, 530
_COLOR_MAP = 320
_MOST_SAMPLES, _MOST_BITS = 7, 64
"""No less than are read: the tags may claim billions."""
EXTRA, _FORMAT = 338, 339
ALPHA = {1, 2}
"""Values of `EXTRA` that mean transparency."""
_PARTS = ((273, 279), (324, 325))
"""Tags of the offsets and lengths of strips and of tiles (sections 8 and 15)."""
_RGB, _PALETTE, _YCBCR = 2, 3, 6
"""Photometric interpretations."""
COLORS = {0: 1, 1: 1, _RGB: 3}
"""Samples that are colors, by the photometric interpretations of which samples are read."""
_GRAYS = {0, 1, 3, 4}
"""Photometric interpretations of one band: gray, a palette, a mask (section 3)."""
_RAW, _ZSTD = 1, 50000
_DEFLATE = {8, 32946}
_FAX = {2, 3, 4, 32771}
_OLD_JPEG, _JPEG = 6, 7
_LISTENED = {*_FAX, _OLD_JPEG, _JPEG, 32773}
"""Fax, JPEG and PackBits: damage shows in what libtiff says only."""
_READ = {_RAW, 5, *_DEFLATE, *_LISTENED, 34925, _ZSTD}
_NAMES = {
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
    34933: "PNG",
    50013: "Pixar zip",
    32909: "Pixar log",
    32809: "ThunderScan",
    32766: "NeXT",
    34661: "JBIG",
    34676: "SGI log",
    34677: "SGI log",
}
_KINDS = {1: "integer", 2: "signed integer", 3: "float", 4: "integer"}
NO_RANGE = "have no defined range"
"""What is said of samples that levels would give a range."""
_LEAST_TILE_PIXELS = 2**20
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of one value (section 2)."""


def is_tiff(data: bytes) -> bool:
    """Whether `data` begins as a TIFF does, and not as a raw photograph made like one."""
    return data.startswith(_SIGNATURES) and data[8:10] != _CANON_RAW


class StrictTiffFile(TiffImageFile):
    """Pillow's reader, without what it gets wrong where pixels are not compressed."""

    def _setup(self) -> None:
        """Take samples that Pillow does not read for bytes: their type is known by the tags."""
        tags = self.tag_v2
        if max(tag_values(tags, _BITS, 1)) > _MOST_BITS:
            raise ValueError(_not_read(tags))
        _complete_tags(tags)
        kept = {tag: tags[tag] for tag in (_BITS, _FORMAT, _PHOTOMETRIC) if tag in tags}
        if _without_range(tags) or is_beyond_pillow(tags):
            tags[_BITS], tags[_FORMAT] = (8,) * min(int(tags.get(_SAMPLES, 1)), _MOST_SAMPLES), 1
            tags[_PHOTOMETRIC] = tags.get(_PHOTOMETRIC) or 1
        try:
            self._setup_layout()
        except SyntaxError as error:
            raise ValueError(_not_read(tags)) from error
        for tag, value in kept.items():
            tags[tag] = value

    def _setup_layout(self) -> None:
        """Let libtiff read deep planes and subsampled chroma; leave out surplus strips.

        Pillow itself would read these planes as 8 bits, the chroma as if it were not
        subsampled, and let surplus strips overwrite the first.
        """
        tags = self.tag_v2
        if tags.get(_COMPRESSION, _RAW) != _RAW:
            super()._setup()
            return
        _drop_surplus(tags)
        deep_planes = tags.get(_PLANAR, 1) == 2 and max(tag_values(tags, _BITS, 1)) > 8
        if not deep_planes and not (tags.get(_PHOTOMETRIC) == _YCBCR and _subsampled(tags)):
            super()._setup()
            return
        tags[_COMPRESSION] = 8  # any but raw: libtiff itself reads the tag in the file
        super()._setup()
        tags[_COMPRESSION] = _RAW


def is_beyond_pillow(tags: "ImageFileDirectory_v2") -> bool:
    """Whether samples have a range, and Pillow has no mode for them or does not invert them.

    These are gray and RGB of 9 to 15 bits, and gray of 16 bits with alpha or with a white zero.
    """
    if _without_range(tags) or tags.get(_PHOTOMETRIC) not in COLORS:
        return False
    bits = set(tag_values(tags, _BITS, 1))
    if bits == {16}:
        return tags[_PHOTOMETRIC] == 0 or (tags[_PHOTOMETRIC] == 1 and tags.get(_SAMPLES) == 2)
    return len(bits) == 1 and 8 < max(bits) < 16


def _not_read(tags: "ImageFileDirectory_v2") -> str:
    bits = "/".join(map(str, tag_values(tags, _BITS, 1)))
    kind = f"pixels of {bits} bits and photometric interpretation {tags.get(_PHOTOMETRIC)}"
    return f"{kind} are not supported; convert to gray or RGB of 8 or 16 bits"


def _complete_tags(tags: "ImageFileDirectory_v2") -> None:
    """Say what Pillow would take for something else.

    A fourth band that is not called transparency is none; samples of no stated kind are whole
    numbers; a color map up to 255 has 8 bits, as libtiff takes it too, and not 16.
    """
    if tags.get(_PHOTOMETRIC) == _RGB and tags.get(_SAMPLES) == 4 and EXTRA not in tags:
        tags[EXTRA] = (0,)
    if set(tag_values(tags, _FORMAT, 1)) == {4}:
        tags[_FORMAT] = 1
    colors = tag_values(tags, _COLOR_MAP, 0)
    if 0 < max(colors) < 256:
        tags[_COLOR_MAP] = tuple(257 * color for color in colors)


def _without_range(tags: "ImageFileDirectory_v2") -> bool:
    """Whether samples are signed, floating-point or of 32 bits and more."""
    return bool(set(tag_values(tags, _FORMAT, 1)) - {1, 4} or max(tag_values(tags, _BITS, 1)) > 16)


def _drop_surplus(tags: "ImageFileDirectory_v2") -> None:
    """Leave out strips or tiles behind those that the image needs."""
    needed = _needed_parts(tags)
    for part in _PARTS:
        for tag in part:
            if tag in tags and len(tags[tag]) > needed > 0:
                tags[tag] = tags[tag][:needed]


def _needed_parts(tags: "ImageFileDirectory_v2") -> int:
    """Strips or tiles that hold all pixels, without a plane that is not transparency."""
    width, height = int(tags.get(256, 0)), int(tags.get(257, 0))
    planes = int(tags.get(_SAMPLES, 1)) if tags.get(_PLANAR, 1) == 2 else 1
    if planes == 4 and tags.get(_PHOTOMETRIC) == _RGB and tags.get(EXTRA) == (0,):
        planes = 3
    across, down = int(tags.get(322, width)), int(tags.get(323, tags.get(278, height)))
    return planes * -(-width // max(1, across)) * -(-height // max(1, down))


def _subsampled(tags: "ImageFileDirectory_v2") -> bool:
    return set(tag_values(tags, _SUBSAMPLING, 2)) != {1}


def tag_values(tags: "ImageFileDirectory_v2", tag: int, default: int) -> tuple[int, ...]:
    """The values of a tag, (default,) where it is missing."""
    value = tags.get(tag, default)
    return tuple(value) if isinstance(value, tuple) else (value,)


def check_tiff_start(data: bytes) -> set[str]:
    """The first directory, and what it points to, inside the file; BigTIFF aside."""
    order = "<" if data[:1] == b"I" else ">"
    version, offset = struct.unpack_from(order + "HI", data, 2)
    if version != 42:
        if order == ">":
            raise RejectedImage("unsupported", "a BigTIFF in big-endian byte order; re-save it")
        return set()
    (count,) = struct.unpack_from(order + "H", data, offset)
    shorts = {}
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, values, at = struct.unpack_from(order + "HHII", data, entry)
        length = values * _TYPE_BYTES.get(kind, 0)
        if length > 4 and at + length > len(data):
            raise IndexError
        if tag == _DNG_VERSION:
            detail = "a raw photograph (DNG) is not read; develop it to PNG or TIFF first"
            raise RejectedImage("unsupported", detail)
        if kind == 3 and values == 1:
            shorts[tag] = struct.unpack_from(order + "H", data, entry + 8)[0]
    _check_compression(shorts.get(_COMPRESSION, _RAW))
    return _check_bands(shorts)


def _check_bands(shorts: dict[int, int]) -> set[str]:
    """Refuse images of more bands than gray, RGB or CMYK with alpha, by their number.

    A fourth band (a fifth of CMYK) that the file does not call transparency is passed over, with
    a note; a second one is half of the image.
    """
    bands = shorts.get(_SAMPLES, 1)
    if _PHOTOMETRIC not in shorts:  # `check_tiff_page` says so
        return set()
    most = 2 if shorts[_PHOTOMETRIC] in _GRAYS else 5 if shorts[_PHOTOMETRIC] == 5 else 4
    transparency = shorts.get(EXTRA, 0) in ALPHA and shorts.get(_PLANAR) != 2
    if bands > most or (bands == 2 and not transparency):
        detail = f"an image of {bands} bands; choose one or three of them and write these as PNG"
        raise RejectedImage("unsupported", detail)
    return {"band-dropped"} if bands == most and shorts.get(EXTRA, 0) not in ALPHA else set()


def _check_compression(code: int) -> None:
    if code not in _READ:
        name = _NAMES.get(code, "of an unknown kind")
        detail = f"TIFF compression {code} ({name}) is not read; re-save it with LZW or deflate"
        raise RejectedImage("unsupported", detail)


def check_tiff(image: ImageFile, header: Header, data: bytes) -> None:
    """Check the first page, and that its samples are those that Pillow reads right.

    Raises RejectedImage: "truncated", "corrupt" or "unsupported".
    """
    tags = _tags(image)
    check_samples(image, header)
    if _without_range(tags):
        kinds = {_KINDS.get(kind, "unknown") for kind in tag_values(tags, _FORMAT, 1)}
        bits = "/".join(sorted(map(str, set(tag_values(tags, _BITS, 1)))))
        detail = f"{bits}-bit {'/'.join(sorted(kinds))} pixels {NO_RANGE}; say which values become "
        raise RejectedImage("unsupported", f"{detail}0-255, or convert to 8 bits")
    check_tiff_page(image, data)


def check_tiff_page(image: ImageFile, data: bytes) -> None:
    """The first page whatever its samples are: no thumbnail, all strips in the file and whole.

    Raises RejectedImage: "truncated", "corrupt" or "unsupported".
    """
    tags = _tags(image)
    if tags.get(254, 0) & 1:
        raise RejectedImage("unsupported", "the first page is a thumbnail, as in raw photographs")
    _check_meaning(tags)
    _check_tile_size(tags, image)
    _check_parts(tags, image, data)


def _check_meaning(tags: "ImageFileDirectory_v2") -> None:
    """What no reader can know: whether zero is white, and which color an index stands for."""
    if _PHOTOMETRIC not in tags and tags.get(_COMPRESSION, _RAW) not in _FAX:
        detail = "the tags do not say what its samples mean (PhotometricInterpretation is missing)"
        raise RejectedImage("corrupt", detail)
    if tags.get(_PHOTOMETRIC) == _PALETTE:
        colors, needed = len(tags.get(_COLOR_MAP, ())), 3 << tag_values(tags, _BITS, 1)[0]
        if colors != needed:
            raise RejectedImage("corrupt", f"a color map of {colors} values, not {needed}")


def _check_tile_size(tags: "ImageFileDirectory_v2", image: ImageFile) -> None:
    """No real image has tiles many times its own size, and each is held whole."""
    pixels = int(tags.get(322, 0)) * int(tags.get(323, 0))
    if pixels > 4 * max(image.width * image.height, _LEAST_TILE_PIXELS):
        detail = f"tiles of {tags.get(323)}×{tags.get(322)} for {image.height}×{image.width} pixels"
        raise RejectedImage("corrupt", detail)


def _check_parts(tags: "ImageFileDirectory_v2", image: ImageFile, data: bytes) -> None:
    compression = tags.get(_COMPRESSION, _RAW)
    _check_compression(compression)
    found, needed = sum(len(tags.get(part[0], ())) for part in _PARTS), _needed_parts(tags)
    if found < needed and compression != _OLD_JPEG:
        raise RejectedImage("truncated", f"has {found} of its {needed} strips or tiles")
    for number, (offset, length) in enumerate(_parts(tags)):
        most = _raw_bytes(tags, image, number) if compression == _RAW else length
        if offset + min(length, most) > len(data):  # writers round the length up
            raise RejectedImage("truncated", "ends before its last strip")
        if compression == _ZSTD:
            refuse_zeros(data, offset, offset + length)
        if compression in _DEFLATE:
            _inflate(memoryview(data)[offset : offset + length])
    if compression in _LISTENED:
        _listen(data, subsampled=compression == _JPEG and tags.get(_PHOTOMETRIC) == _YCBCR)


def _raw_bytes(tags: "ImageFileDirectory_v2", image: ImageFile, number: int) -> int:
    """What the pixels of an uncompressed strip or tile take."""
    bits = tag_values(tags, _BITS, 1)
    depth = bits[0] if tags.get(_PLANAR, 1) == 2 else sum(bits)
    if 322 in tags:
        return int(tags[323]) * -(-int(tags[322]) * depth // 8)
    across, down = _stored_size(tags, image)
    rows = max(1, min(int(tags.get(278, down)), down))
    top = number % -(-down // rows) * rows
    return min(rows, down - top) * -(-across * depth // 8)


def _stored_size(tags: "ImageFileDirectory_v2", image: ImageFile) -> tuple[int, int]:
    """(width, height) before the orientation is applied."""
    turned = tags.get(274, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


def _listen(data: bytes, *, subsampled: bool) -> None:
    if not can_listen():
        detail = "JPEG or fax inside TIFF needs libtiff 4.5, to find damage; re-save it with LZW"
        raise RejectedImage("unsupported", detail)
    if said := complaints(data, to_rgb=subsampled):
        raise RejectedImage("corrupt", said[0])


def _parts(tags: "ImageFileDirectory_v2") -> Iterator[tuple[int, int]]:
    for offsets, lengths in _PARTS:
        if offsets in tags and lengths in tags:
            yield from zip(tags[offsets], tags[lengths], strict=False)


def _inflate(part: memoryview) -> None:
    """Read a zlib stream to its checksum, 64 KiB at a time."""
    stream = zlib.decompressobj()
    rest: bytes | memoryview = part
    try:
        while not stream.eof and rest:
            stream.decompress(rest, 65_536)
            rest = stream.unconsumed_tail
    except zlib.error as error:
        raise RejectedImage("corrupt", str(error)) from None
    if not stream.eof:
        raise RejectedImage("truncated", "ends inside a strip")


def tiff_bits(image: ImageFile, _: bytes) -> int:
    """Bits of a sample; 16 for fewer that are not 8 unsigned ones."""
    tags = _tags(image)
    bits = max(tag_values(tags, _BITS, 1))
    return 8 if bits <= 8 and not _without_range(tags) else max(16, bits)


def tiff_block(image: ImageFile, _: bytes) -> int:
    """Pixels of a strip or tile where libtiff decodes; else Pillow reads by rows.

    The default of RowsPerStrip, 2³² - 1, means a single strip.
    """
    tags = _tags(image)
    if not getattr(image, "use_load_libtiff", False) and not is_beyond_pillow(tags):
        return 0
    across, down = _stored_size(tags, image)
    if 322 in tags:
        return int(tags[322]) * int(tags.get(323, down))
    return across * min(int(tags.get(278, down)), down)


def _tags(image: ImageFile) -> "ImageFileDirectory_v2":
    tags: ImageFileDirectory_v2 = image.tag_v2  # type: ignore[attr-defined]
    return tags
