"""Label tables in files that are not read, each with the lines of Python that make one of them."""

import os
from contextlib import closing
from itertools import islice

from imgmem.core.errors import ImgmemError, InputError
from imgmem.core.messages import option
from imgmem.core.sources.arrays.refusals import indented
from imgmem.core.sources.tables import jsonl
from imgmem.core.sources.tables.text import open_binary

_CHUNK = 2**20
_LOADED = {
    ".mat": ("scipy.io", "scipy.io.loadmat({})['labels'].ravel()", "scipy.io.whosmat: its names"),
    ".npy": ("numpy", "numpy.load({})", "one for each image"),
    ".npz": ("numpy", "numpy.load({})['labels']", "list(numpy.load(…)): its names"),
    ".pkl": (
        "pickle",
        "pickle.loads(pathlib.Path({}).read_bytes())",
        "only if you trust where the file is from",
    ),
}
"""Extension → (module, what loads the labels, a remark)."""


def refused(path: str) -> InputError | None:
    """The error for a file of labels that is not a table; None for any other file."""
    extension = os.path.splitext(path)[1].lower()
    if extension in _LOADED:
        return _error(path, f"a {extension} file", *_of_array(path, extension))
    if extension == ".json" and not _has_lines(path) and _begins(path, b"[", b"{"):
        return _error(path, "JSON, not JSON Lines", *_of_json(path))
    return None


def _error(path: str, what: str, *lines: str) -> InputError:
    made = _out(path, ".jsonl" if "json" in lines[0] else ".csv")
    return InputError(
        f"the label table {path} is {what}, which is not read",
        hint=f"Make a table of it, and give {option('labels', made)}:\n{indented(*lines)}",
        path=path,
    )


def _out(path: str, extension: str) -> str:
    return os.path.splitext(os.path.basename(path))[0] + extension


def _of_array(path: str, extension: str) -> tuple[str, ...]:
    module, load, remark = _LOADED[extension]
    return (
        f"import os, pathlib, {module}",
        f"labels = {load.format(repr(path))}  # {remark}",
        "names = sorted(os.listdir('IMAGES'))  # the folder of the images, in the order of labels",
        f"pathlib.Path({_out(path, '.csv')!r}).write_text(''.join("
        "f'{name},{label}\\n' for name, label in zip(names, labels, strict=True)))",
    )


def _has_lines(path: str) -> bool:
    """Whether a file holds several objects, one a line."""
    try:
        with closing(jsonl.records(path, ())) as records:
            return len(list(islice(records, 2))) == 2
    except ImgmemError:
        return False


def _of_json(path: str) -> tuple[str, ...]:
    load = ("import json, pathlib", f"data = json.loads(pathlib.Path({path!r}).read_text())")
    out = f"pathlib.Path({_out(path, '.jsonl')!r}).write_text(''.join(json.dumps("
    if _begins(path, b"["):
        return *load, out + "row) + '\\n' for row in data))"
    if not _holds(path, b'"annotations"', b'"category_id"'):
        row = "{'path': path, 'label': label}) + '\\n' for path, label in data.items()))"
        return *load, out + row
    return (
        *load,
        "paths = {image['id']: image['file_name'] for image in data['images']}",
        "names = {each['id']: each['name'] for each in data['categories']}",
        "rows = [(paths[each['image_id']], names[each['category_id']]) "
        "for each in data['annotations']]",
        out + "{'path': path, 'label': label}) + '\\n' for path, label in rows))",
    )


def _begins(path: str, *marks: bytes) -> bool:
    """Whether the text in a file begins with one of these; False where it cannot be read."""
    try:
        with open_binary(path) as file:
            return file.read(_CHUNK).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(marks)
    except (OSError, ImgmemError):
        return False


def _holds(path: str, *words: bytes) -> bool:
    """Whether all these words are in a file, of any size."""
    missing, end = set(words), b""
    with open_binary(path) as file:
        while missing and (chunk := file.read(_CHUNK)):
            missing -= {word for word in missing if word in end + chunk}
            end = chunk[-max(map(len, words)) :]
    return not missing
