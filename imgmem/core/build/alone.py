"""Images that need more memory than is left next to others: decoded one at a time."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from imgmem.core.build.decoding import Chunk, DecodeSpec, LineDecoder
from imgmem.core.build.planned import PlannedImage, to_decode
from imgmem.core.decode.images import check_size
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.errors import RejectedImage, ResourceError
from imgmem.core.forecast import BuildDemand
from imgmem.core.machine import memory
from imgmem.core.machine.pipeline import MemoryGate
from imgmem.core.messages import option
from imgmem.core.sources import Source
from imgmem.core.sources.source_headers import read_source_header
from imgmem.core.specs import row_dtype
from imgmem.core.units import format_bytes, in_mib

_SHOWN = 10
_KEPT = 1000


class _Costly(NamedTuple):
    name: str
    pixels: int
    cost: int


def decode_alone(
    line: bytes, source: Source, spec: DecodeSpec, demand: BuildDemand, budget: int
) -> Chunk:
    """The chunk of one image, which has the whole memory budget for itself.

    Where that is not enough, the chunk's failure has the fact `needed_bytes`.
    """
    gate = MemoryGate(demand.alone_bytes(budget), demand.budget_alone)
    buffer = spec.buffer(1)
    return LineDecoder(source, spec, gate).decode([line], buffer)


def too_costly(
    lines: Iterable[bytes],
    source: Source,
    spec: DecodeSpec,
    demand: BuildDemand,
    budget: int,
    *,
    largest_row: int,
) -> ResourceError:
    """The error that names every image of `lines` that the whole budget is too small for.

    It names the one budget that is enough for all of them, too, and the limit on pixels that
    leaves them out, unless rows have been made of larger images (`largest_row`, in pixels).
    """
    found = list(_costly(lines, source, spec, demand.alone_bytes(budget)))
    enough = demand.budget_alone(max(image.cost for image in found))
    smallest = min(image.pixels for image in found)
    hint = f"Give {option('memory', in_mib(enough))} or more"
    if enough > (there := memory.most()):
        hint += f" where there is more memory than here ({format_bytes(there)})"
    if smallest > max(1, largest_row):
        skip = f" and {option('on_error', 'skip')}" if spec.stop_at_reject else ""
        hint += f", or leave them out with {option('max_pixels', smallest - 1)}{skip}"
    return ResourceError(
        _named(found, format_bytes(budget)),
        hint=f"{hint}. Finished work is kept.",
        path=found[0].name,
        needed_bytes=max(image.cost for image in found),
        memory=enough,
        max_pixels=smallest - 1,
        images=[image.name for image in found[:_KEPT]],
    )


def _named(images: list[_Costly], budget: str) -> str:
    if len(images) == 1:
        cost = format_bytes(images[0].cost)
        return f"{images[0].name} needs {cost} to decode, more than a budget of {budget} leaves"
    names = [f"{image.name} ({format_bytes(image.cost)})" for image in images[:_SHOWN]]
    more = [f"{len(images) - _SHOWN} more"] if len(images) > _SHOWN else []
    return (
        f"{len(images)} images need more memory to decode than a budget of {budget} leaves: "
        f"{', '.join([*names, *more])}"
    )


def _costly(
    lines: Iterable[bytes], source: Source, spec: DecodeSpec, bytes_left: int
) -> Iterator[_Costly]:
    """The images that cost more than `bytes_left`, by their headers."""
    for line in to_decode(lines):
        image = PlannedImage.from_line(line)
        try:
            header = read_source_header(source, image.name, image.size, image.locator)
            check_size(header, spec.image, spec.shape[:2])
        except RejectedImage:
            continue
        dtype = row_dtype(spec.dtype, spec.image)
        cost = decode_cost(header, spec.image, image.size, dtype=dtype)
        if cost > bytes_left:
            yield _Costly(image.name, header.height * header.width, cost)
