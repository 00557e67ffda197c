"""Pictures for tests: natural-looking pixels, written in any format."""

import io

import cv2
import numpy as np
from PIL import Image


def photo(height, width, seed=0):
    """A natural-looking RGB picture, uint8 (height, width, 3): smooth noise and sharp edges."""
    generator = np.random.default_rng([height, width, seed])
    picture = np.zeros((height, width, 3), np.float32)
    for octave, cells in enumerate((2, 5, 12, 30, 75)):
        noise = generator.standard_normal((cells, cells, 3), dtype=np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / 1.7**octave
    for _ in range(6):
        center = tuple(int(v) for v in generator.integers(0, (width, height)))
        axes = tuple(int(v) + 1 for v in generator.integers(0, (width // 3 + 1, height // 3 + 1)))
        color = generator.normal(0, 2, 3).tolist()
        cv2.ellipse(picture, center, axes, int(generator.integers(180)), 0, 360, color, -1)
    return np.clip(picture * 45 + 128, 0, 255).astype(np.uint8)


def encode(array, format="PNG", *, mode=None, **options):
    """The bytes of `array` (or of a Pillow image) as a file of `format`.

    mode: converted to this Pillow mode first. options: Pillow's `save` options.
    """
    if isinstance(array, np.ndarray) and array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, format, **options)
    return buffer.getvalue()


def opencv(extension, array, *options):
    """The bytes of `array`, BGR or gray, as a file that OpenCV writes by its own `options`."""
    return cv2.imencode(extension, array, options)[1].tobytes()


def write(path, array, format=None, **options):
    """Write `array` to `path`, whose folder is made, in `format` or that of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = Image.registered_extensions()
    path.write_bytes(encode(array, format or known[path.suffix.lower()], **options))
    return path


def oriented(orientation):
    """An EXIF block that says `orientation`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def unturned(picture, orientation):
    """The stored pixels that `orientation` turns into `picture` (EXIF 2.32, 4.6.4)."""
    return {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](picture).copy()
