"""Mutated images through the decoder; run as a program, because a crash is conceivable.

python fuzz_images.py COUNT    prints, as JSON, what became of COUNT mutants of each file
"""

import io
import json
import random
import struct
import sys
import zlib
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image
from support import heif
from support.images import encode, oriented, photo

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.errors import RejectedImage
from imgmem.core.machine import process
from imgmem.core.specs import ImageSpec

PICTURE = photo(90, 121)
TIFFS = ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")
SPECS = (
    ImageSpec(size=(24, 20), max_pixels=4_000_000),
    ImageSpec(size=(40, 31), max_pixels=4_000_000, fit="pad", channels="gray"),
    ImageSpec(size=(90, 121), max_pixels=4_000_000, fit="crop", resize="area"),
)


def animation(format):
    frames = [Image.fromarray(photo(60, 80, seed)) for seed in range(3)]
    return encode(frames[0], format, save_all=True, append_images=frames[1:], duration=40)


def originals():
    """Name → bytes of a good file."""
    rgba = Image.fromarray(np.dstack([PICTURE, PICTURE[:, :, :1]]))
    turned = {"exif": oriented(6)}
    return {
        "jpeg": encode(PICTURE, "JPEG", **turned),
        "jpeg progressive": encode(PICTURE, "JPEG", progressive=True),
        "jpeg cmyk": encode(PICTURE, "JPEG", mode="CMYK"),
        "jpeg gray": encode(PICTURE, "JPEG", mode="L"),
        "png": encode(PICTURE, **turned),
        "png palette": encode(rgba.quantize(32)),
        "png 16": encode(PICTURE[:, :, 0].astype(np.uint16) * 257),
        "apng": animation("PNG"),
        "gif": encode(PICTURE, "GIF"),
        "gif animated": animation("GIF"),
        "bmp": encode(PICTURE, "BMP"),
        "bmp palette": encode(PICTURE, "BMP", mode="P"),
        "webp": encode(PICTURE, "WEBP", **turned),
        "webp lossless": encode(rgba, "WEBP", lossless=True),
        "webp animated": animation("WEBP"),
        **{f"tiff {name}": encode(PICTURE, "TIFF", compression=name) for name in TIFFS},
        "tiff pages": animation("TIFF"),
        "tiff fax": encode(PICTURE, "TIFF", mode="1", compression="group4"),
        "avif": encode(PICTURE, "AVIF", speed=10, **turned),
        "avif animated": animation("AVIF"),
        "avif grid": heif.write(
            heif.grid(heif.avif_bytes, photo(64, 128), 1, 2), brand=b"avif", compatible=(b"miaf",)
        ),
        "jp2": encode(PICTURE, "JPEG2000", quality_layers=[30]),
        "jp2 stream": encode(PICTURE, "JPEG2000", no_jp2=True, quality_layers=[30]),
        "ppm": encode(PICTURE, "PPM"),
        "ppm plain": b"P3\n30 20\n255\n" + b" ".join(b"%d" % v for v in photo(20, 30).flat),
    }


def mutate(data, chance):
    """One of six kinds of damage."""
    kind, at = chance.randrange(6), chance.randrange(len(data))
    out = bytearray(data)
    if kind == 0:
        for _ in range(chance.randrange(1, 4)):
            out[chance.randrange(len(out))] = chance.randrange(256)
    elif kind == 1:  # in the header, with values that numbers stumble over
        for _ in range(chance.randrange(1, 4)):
            out[chance.randrange(min(len(out), 400))] = chance.choice((0, 127, 128, 255))
    elif kind == 2:
        del out[at:]
    elif kind == 3:
        del out[at : at + chance.randrange(1, 600)]
    elif kind == 4:
        out[at:at] = chance.randbytes(chance.randrange(1, 50))
    else:
        other, length = chance.randrange(len(out)), chance.randrange(1, 600)
        out[at : at + length] = out[other : other + length]
    return bytes(out)


def with_good_crcs(data):
    """A mutated PNG whose damage its checksums do not show."""
    out, at = io.BytesIO(data), 8
    while at + 12 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        if at + 12 + length > len(data):
            break
        out.seek(at + 8 + length)
        out.write(struct.pack(">I", zlib.crc32(data[at + 4 : at + 8 + length])))
        at += 12 + length
    return out.getvalue()


def outcome(data, spec):
    """ "accepted", or the reject's reason."""
    row = np.empty((*spec.size, spec.depth), np.uint8)
    try:
        header = read_header(data)
        if header.height * header.width <= spec.max_pixels:
            assert 0 < decode_cost(header, spec, len(data)) < 1 << 30
        decoded = decode_into(data, spec, row)
    except RejectedImage as reject:
        return reject.reason
    assert (decoded.height, decoded.width) == header.size
    return "accepted"


def main(count):
    found = {}
    for name, data in originals().items():
        chance = random.Random(name)
        outcomes = Counter()
        for number in range(count):
            mutant = mutate(data, chance)
            if "png" in name and number % 2:
                mutant = with_good_crcs(mutant)
            outcomes[outcome(mutant, SPECS[number % len(SPECS)])] += 1
        found[name] = dict(outcomes)
    print(json.dumps(found))


if __name__ == "__main__":
    with process.settings():
        main(int(sys.argv[1]))
