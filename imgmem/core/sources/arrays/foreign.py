"""Files of arrays that are not read, each with three lines of Python that make an `.npz` of it."""

import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from math import isqrt

from imgmem.core.errors import InputError
from imgmem.core.sources.arrays.refusals import indented
from imgmem.core.storage import durable

_HEAD_BYTES = 1024
_LOOKED_AT = 64
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PIXEL = re.compile(r"(pixel|px|p)[_ ]?[0-9]+|[0-9]+x[0-9]+", re.IGNORECASE)
_MANY_PIXELS = 48
"""Columns that are called like pixels: so many fit into the first bytes."""
_CIFAR10_BYTES, _CIFAR100_BYTES = 3073, 3074
_CIFAR_SHAPE = ".reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)"


def conversion_error(path: str) -> InputError | None:
    """The error for a file that holds arrays in another form, or for a folder of such files;
    None for anything else."""
    files = islice(_files(path), _LOOKED_AT)
    found = [(each, make) for each in files if (make := _lines_for(each))]
    if not found:
        return None
    file, make = max(found, key=lambda each: os.path.getsize(each[0]))
    what, lines = make(file)
    name = os.path.basename(file)
    it = f"{path} is" if file == path else f"{path} holds no images, but {name}:"
    more = "" if file == path else "\nDo so with each of its files, and build from their folder."
    return InputError(
        f"{it} {what}, which is not read",
        hint=f"Make an .npz of it, and build from that:\n{indented(*lines)}{more}",
        path=path,
    )


def _files(path: str) -> Iterator[str]:
    """The file, or the visible files in a folder and its sub-folders, in their order."""
    if durable.is_file(path):
        yield path
        return
    for top, folders, names in os.walk(path):
        folders.sort()
        yield from (os.path.join(top, name) for name in sorted(names) if name[0] != ".")


Make = Callable[[str], tuple[str, tuple[str, ...]]]


def _lines_for(path: str) -> Make | None:
    """What makes the lines for a file, by its first bytes or its extension."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return None
    extension = os.path.splitext(path)[1].lower()
    if extension == ".csv":
        return _of_csv(head)
    if extension == ".mat":
        return _matlab_hdf5 if b"MATLAB 7.3" in head[:32] or _HDF5 in head else _matlab
    if head.startswith(_HDF5) or extension in (".h5", ".hdf5"):
        return _hdf5
    is_pickle = re.match(rb"\x80[\x02-\x05][\x95}\]c(]", head)
    return _pickle if not extension and is_pickle else _BY_EXTENSION.get(extension)


def _of_csv(head: bytes) -> Make | None:
    """For a table whose cells are the pixel values: a column of them all, or one for each."""
    names = _names(head)
    if "pixels" in names and len(names) > 1:
        return _csv_of_texts
    if len(names) >= _MANY_PIXELS and all(map(str.isdecimal, filter(None, names))):
        return _csv_without_header
    return _csv_of_numbers if sum(map(_is_pixel, names)) >= _MANY_PIXELS else None


def _names(line: bytes) -> list[str]:
    """The names of columns in the first line of a table."""
    return [name.strip(' "\r') for name in line.split(b"\n")[0].decode("latin-1").split(",")]


def _is_pixel(name: str) -> bool:
    return bool(_PIXEL.fullmatch(name))


def _as_shape(values: int) -> str:
    """Height, width and, if it is color, depth of a square image."""
    side, colors = isqrt(values), isqrt(values // 3)
    return f"{colors}, {colors}, 3" if colors**2 * 3 == values else f"{side}, {side}"


def _csv_of_texts(path: str) -> tuple[str, tuple[str, ...]]:
    with open(path, "rb") as file:
        names = _names(file.readline())
        values = max((cell.count(b" ") for cell in file.readline().split(b",")), default=0) + 1
    label = next(name for name in names if name != "pixels")
    return "a table of pixel values", (
        "import csv, numpy",
        f"with open({path!r}) as file: rows = list(csv.DictReader(file))",
        "x = numpy.array([row['pixels'].split() for row in rows], 'uint8')"
        f".reshape(-1, {_as_shape(values)})",
        f"numpy.savez({_out(path)}, x=x, y=[row[{label!r}] for row in rows])",
    )


def _csv_of_numbers(path: str) -> tuple[str, tuple[str, ...]]:
    with open(path, "rb") as file:
        names = _names(file.readline())
    pixels = [at for at, name in enumerate(names) if _is_pixel(name)]
    label = next((f", y=rows[:, {at}]" for at, n in enumerate(names) if not _is_pixel(n)), "")
    return "a table of pixel values", (
        "import numpy",
        f"rows = numpy.loadtxt({path!r}, 'uint8', delimiter=',', skiprows=1)",
        f"x = rows[:, {pixels[0]}:{pixels[-1] + 1}].reshape(-1, {_as_shape(len(pixels))})",
        f"numpy.savez({_out(path)}, x=x{label})",
    )


def _csv_without_header(path: str) -> tuple[str, tuple[str, ...]]:
    with open(path, "rb") as file:
        values = len(_names(file.readline())) - 1
    return "a table of pixel values", (
        "import numpy",
        f"rows = numpy.loadtxt({path!r}, 'uint8', delimiter=',')",
        f"x = rows[:, 1:].reshape(-1, {_as_shape(values)})  # if the label is the first column",
        f"numpy.savez({_out(path)}, x=x, y=rows[:, 0])",
    )


def _out(path: str) -> str:
    """The name of the new file; CIFAR's data_batch_1 is a part of train."""
    stem = os.path.splitext(os.path.basename(path))[0]
    return repr(f"{'train_' if stem.startswith('data_batch') else ''}{stem}.npz")


def _hdf5(path: str) -> tuple[str, tuple[str, ...]]:
    return "an HDF5 file", (
        "import h5py, numpy",
        f"file = h5py.File({path!r})  # list(file) has the names of its arrays",
        f"numpy.savez({_out(path)}, x=file['x'][:], y=file['y'][:])",
    )


def _matlab(path: str) -> tuple[str, tuple[str, ...]]:
    return "a MATLAB file", (
        "import numpy, scipy.io",
        f"file = scipy.io.loadmat({path!r})  # list(file) has the names of its arrays",
        f"numpy.savez({_out(path)}, x=numpy.moveaxis(file['X'], -1, 0), y=file['y'].ravel())",
    )


def _matlab_hdf5(path: str) -> tuple[str, tuple[str, ...]]:
    return "a MATLAB file of version 7.3", (
        "import h5py, numpy",
        f"file = h5py.File({path!r})  # its axes are in reverse order: (N, C, W, H) for X",
        f"numpy.savez({_out(path)}, x=file['X'][:].transpose(0, 3, 2, 1), y=file['y'][:].ravel())",
    )


def _torch(path: str) -> tuple[str, tuple[str, ...]]:
    return "a PyTorch file", (
        "import numpy, torch",
        f"x, y = torch.load({path!r}, weights_only=True)[:2]  # or whatever it holds",
        f"numpy.savez({_out(path)}, x=x.numpy(), y=y.numpy())",
    )


def _pickle(path: str) -> tuple[str, tuple[str, ...]]:
    label = "fine_labels" if os.path.basename(path) in ("train", "test") else "labels"
    return "a pickle, which runs code when it is loaded", (
        "import numpy  # only if you trust where the file is from",
        f"data = numpy.load({path!r}, allow_pickle=True, encoding='latin1')  # list(data): names",
        f"numpy.savez({_out(path)}, x=data['data']{_CIFAR_SHAPE}, y=data[{label!r}])",
    )


def _binary(path: str) -> tuple[str, tuple[str, ...]]:
    size = os.path.getsize(path)
    is_cifar100 = size % _CIFAR10_BYTES and not size % _CIFAR100_BYTES
    length = _CIFAR100_BYTES if is_cifar100 else _CIFAR10_BYTES
    labels = length - 3072
    known = "as CIFAR has it" if size % length == 0 else "change the numbers to its layout"
    return "a file of raw bytes", (
        "import numpy",
        f"rows = numpy.fromfile({path!r}, 'uint8').reshape(-1, {length})  # {known}",
        f"numpy.savez({_out(path)}, x=rows[:, {labels}:]{_CIFAR_SHAPE}, y=rows[:, {labels - 1}])",
    )


_BY_EXTENSION: dict[str, Make] = {
    ".pt": _torch,
    ".pth": _torch,
    ".pkl": _pickle,
    ".pickle": _pickle,
    ".joblib": _pickle,
    ".bin": _binary,
}
