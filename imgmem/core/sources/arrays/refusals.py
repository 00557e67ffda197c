"""Arrays that are not images as they are, each with the lines that make them so."""

from collections.abc import Iterable
from math import isqrt

from imgmem.core.errors import InputError
from imgmem.core.sources.arrays.found import FoundArray
from imgmem.core.sources.resolve import listed

_AS_PIXELS = {
    "b": '({} * 255).astype("uint8")',
    "f": '({} * 255).round().astype("uint8")  # if they are 0 to 1',
}
"""What makes pixel values of an array, by the kind of its dtype."""


def not_images(path: str, arrays: Iterable[FoundArray]) -> InputError:
    """The error for a set without an array of images."""
    found = list(arrays)
    shapes = listed(f"{a.name} {_shape(a.facts.shape)} {a.facts.dtype}" for a in found) or "none"
    flat = next((array for array in found if len(array.facts.shape) == 2), None)
    name, file = (_key(flat), flat.path) if flat else ("x", path)
    return InputError(
        f"{path} holds no array of images (N, H, W) or (N, H, W, C); it holds {shapes}",
        hint="Give flattened images their shape back:\n"
        + _lines(name, file, f"{{}}.reshape(-1, {_square(flat)})"),
        path=path,
    )


def _square(flat: FoundArray | None) -> str:
    """Height and width of flat rows, if they are square."""
    values = flat.facts.shape[1] if flat else 0
    side = isqrt(values) if values and isqrt(values) ** 2 == values else 28
    return f"{side}, {side}"


def require_pixels(array: FoundArray) -> None:
    """InputError unless an array has the values and the order of pixels."""
    facts = array.facts
    if facts.dtype.hasobject:
        raise refused(array, "its values are pickled objects, which are never loaded", None)
    if len(facts.shape) not in (3, 4) or 0 in facts.shape:
        raise refused(array, f"{_shape(facts.shape)} is not the shape of images", None)
    if facts.dtype != "uint8":
        as_pixels = _AS_PIXELS.get(facts.dtype.kind, '{}.astype("uint8")  # if they are 0 to 255')
        raise refused(array, f"its values are {facts.dtype}, not uint8", as_pixels)
    if facts.columns:
        raise refused(array, "it is in Fortran order", "numpy.ascontiguousarray({})")
    if len(facts.shape) == 4:
        _require_depth(array)


def _require_depth(array: FoundArray) -> None:
    """InputError unless the last axis is gray or RGB."""
    shape = array.facts.shape
    if shape[3] in (1, 3):
        return
    if shape[1] in (1, 3):
        what = f"{_shape(shape)} looks like (N, C, H, W); channels are the last axis here"
        raise refused(array, what, "{}.transpose(0, 2, 3, 1)")
    drop = "{}[..., :3]" if shape[3] == 4 else None
    raise refused(array, f"it has {shape[3]} channels, not 1 or 3", drop)


def refused_labels(array: FoundArray) -> InputError:
    """The error for labels that are not numbers or text in plain order."""
    what = "it is in Fortran order"
    if array.facts.dtype.hasobject:
        what = "its values are pickled objects, which are never loaded"
    return InputError(
        f"{array.path}: the array {array.name} cannot be read as labels: {what}",
        hint="Load it, if you trust it, and save plain numbers or text:\n"
        + _lines(_key(array), array.path, "numpy.array({}.tolist())", ", allow_pickle=True"),
        path=array.path,
    )


def refused(array: FoundArray, what: str, call: str | None) -> InputError:
    """The error for one array, with the call that makes it right, None for none."""
    hint = "Save it as uint8 of the shape (N, H, W) or (N, H, W, C)."
    if call is not None and array.path.lower().endswith((".npy", ".npz")):
        hint = "Save it otherwise, and build from that:\n" + _lines(_key(array), array.path, call)
    return InputError(
        f"{array.path}: the array {array.name} cannot be read as images: {what}",
        hint=hint,
        path=array.path,
    )


def _key(array: FoundArray) -> str:
    return array.member.removesuffix(".npy") or array.name


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _lines(key: str, path: str, call: str, how: str = "") -> str:
    """Lines of Python that save all arrays of a file again, with `call` done to one of them.

    call: with "{}" for the array, and a remark at its end. how: further arguments of `load`.
    """
    call, mark, remark = call.partition("  #")
    if not path.lower().endswith(".npz"):
        save = f'numpy.save("converted.npy", {call.format("x")})'
        return indented("import numpy", f"x = numpy.load({path!r}{how})", save + mark + remark)
    return indented(
        "import numpy",
        f"arrays = dict(numpy.load({path!r}{how}))",
        f"arrays[{key!r}] = {call.format(f'arrays[{key!r}]')}{mark}{remark}",
        'numpy.savez("converted.npz", **arrays)',
    )


def indented(*lines: str) -> str:
    """Lines of Python as a hint has them."""
    return "\n".join(f"  {line}" for line in lines)
