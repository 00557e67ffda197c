"""What a source holds, by the headers of its images alone: all of them, or a sample.

The sample is a priority sample (Duffield, Lund and Thorup, Journal of the ACM 54(6), 2007): a
large file has a greater chance, and the largest are always in it, so that a few giants among
many thumbnails are not missed. Where the listing has names alone, as that of a folder, all files
have the same chance. Totals are ratio estimates (Cochran, Sampling Techniques, 3rd edition, 6.4)
against what the listing says of all files: their bytes, if it has them, and their number.
"""

import hashlib
import heapq
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import sqrt
from typing import NamedTuple

from imgmem.core.decode.format import Header
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.errors import RejectedImage
from imgmem.core.messages import Message, option
from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.sources import Entry, Listing, Source
from imgmem.core.sources.concurrently import concurrently
from imgmem.core.sources.remote.store import list_requests
from imgmem.core.sources.source_headers import read_source_header
from imgmem.core.specs import ImageSpec
from imgmem.core.text import counted

CONFIDENCE = 1.96
"""Standard errors either way that hold 95 % of a normal distribution."""
MAX_SIZES = 10_000
"""How many different sizes are told apart; a source with more is just very mixed."""
FEW = 1000
"""So many requests to a store that fewer are proposed beyond."""
_REPORT_EVERY = 1024


@dataclass
class Ratio:
    """A total of y over all images, from a sample of them and the total of some z over all.

    Sums over the sample, by Horvitz and Thompson: an image that is chosen with chance p
    stands for 1/p images.
    """

    y: float = 0.0
    z: float = 0.0
    yy: float = 0.0
    yz: float = 0.0
    zz: float = 0.0

    def add(self, y: int, z: int, chance: float) -> None:
        doubt = (1 - chance) / chance**2
        self.y += y / chance
        self.z += z / chance
        self.yy += doubt * y * y
        self.yz += doubt * y * z
        self.zz += doubt * z * z

    def total(self, total_z: int) -> tuple[float, float]:
        """The total of y, and half its 95 % interval, relative to it (0 if all are in)."""
        if not self.y:
            return 0.0, 0.0
        ratio = self.y / self.z
        variance = max(0.0, self.yy - 2 * ratio * self.yz + ratio * ratio * self.zz)
        return ratio * total_z, CONFIDENCE * sqrt(variance) / self.y


@dataclass(kw_only=True)
class HeaderStats:
    """What the headers said of `examined` images out of `listed`.

    usable: images whose header is good. rejected: counts by reason. sizes: upright (height,
    width) → images, of the usable ones; the first MAX_SIZES. decode_bytes: what the dearest
    image takes to decode. requests: to a store, at least. name_bytes, weight: of all that is
    listed. rows: usable images against images; values, bytes: array elements of the rows, and
    the files' bytes, against weights.
    """

    listed: int = 0
    examined: int = 0
    usable: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    decode_bytes: int = 0
    name_bytes: int = 0
    weight: int = 0
    requests: int = 0
    rows: Ratio = field(default_factory=Ratio)
    values: Ratio = field(default_factory=Ratio)
    bytes: Ratio = field(default_factory=Ratio)

    @property
    def file_bytes(self) -> int:
        """Of all that is listed: as listed, or an estimate."""
        return round(self.bytes.total(self.weight)[0])


def scan_headers(
    source: Source,
    listing: Listing,
    image: ImageSpec,
    *,
    dtype: str = "uint8",
    sample: int | None,
    progress: ProgressCallback,
) -> HeaderStats:
    """Read the headers of the images that a source listed (of `sample` of them; None: all).

    dtype: in which rows are made. Images that would be rejected are counted, not raised.
    """
    found = HeaderStats()
    total = sample or 0
    if source.remote:
        listed = sum(1 for _ in listing.entries)
        total = min(listed, sample or listed)
        found.requests = list_requests(listed + sum(listing.ignored.values())) + total
        progress(Progress("headers", 0, total, "images", note=_announced(found.requests, total)))
    entries = _listed(listing.entries, found)
    chosen = ((entry, 1.0) for entry in entries) if sample is None else _sampled(entries, sample)
    for each in concurrently(source, partial(_read, source, listing, image), chosen):
        _add(each, image, dtype, found)
        if found.examined % _REPORT_EVERY == 0:
            progress(Progress("headers", found.examined, total, "images"))
    return found


def _announced(requests: int, heads: int) -> Message:
    """What to say before that many requests for the first bytes of images."""
    fewer = f"; {option('sample', FEW)} makes fewer" if heads > FEW else ""
    return Message(
        f"{counted(requests, 'request')} to the store: {requests - heads} to list it, and now "
        f"{heads} for the first bytes of images{fewer}"
    )


def _listed(entries: Iterable[Entry], found: HeaderStats) -> Iterator[Entry]:
    """The entries as they come, counted."""
    for entry in entries:
        found.listed += 1
        found.name_bytes += len(entry.name)
        found.weight += _weight(entry)
        yield entry


def _weight(entry: Entry) -> int:
    return max(1, entry.size)


def _sampled(entries: Iterable[Entry], count: int) -> Iterator[tuple[Entry, float]]:
    """`count` entries, in order of their names, and the chance that each had.

    Chance comes from a hash of the name: the same sample on every machine and in any order
    of listing, in memory for `count` entries.
    """
    best: list[tuple[float, int, Entry]] = []
    for number, entry in enumerate(entries):
        digest = hashlib.sha256(os.fsencode(entry.name)).digest()
        uniform = (int.from_bytes(digest[:8], "big") + 1) / 2**64
        heapq.heappush(best, (_weight(entry) / uniform, number, entry))
        if len(best) > count + 1:
            heapq.heappop(best)
    threshold = heapq.heappop(best)[0] if len(best) > count else 0.0
    for _, _, entry in sorted(best, key=lambda item: item[2].name):
        yield entry, min(1.0, _weight(entry) / threshold) if threshold else 1.0


def _size(listing: Listing, entry: Entry) -> int:
    """Bytes of an image, 0 where they cannot be found: reading it will say why."""
    if listing.size_of is None or entry.locator:
        return entry.size
    try:
        return listing.size_of(entry.name)
    except RejectedImage:
        return 0


class _Read(NamedTuple):
    """An image, the chance that it was chosen by, its bytes, and its header or why it has none."""

    entry: Entry
    chance: float
    file_bytes: int
    header: Header | RejectedImage


def _read(source: Source, listing: Listing, image: ImageSpec, chosen: tuple[Entry, float]) -> _Read:
    entry, chance = chosen
    file_bytes = _size(listing, entry)
    try:
        header = read_source_header(source, entry.name, file_bytes, entry.locator)
        if header.height * header.width > image.max_pixels:
            raise RejectedImage("too-large", f"{header.height}×{header.width} pixels")
    except RejectedImage as reject:
        return _Read(entry, chance, file_bytes, reject)
    return _Read(entry, chance, file_bytes, header)


def _add(read: _Read, image: ImageSpec, dtype: str, found: HeaderStats) -> None:
    """Add what one image's header says to `found`."""
    entry, chance, file_bytes, header = read
    found.examined += 1
    weight = _weight(entry)
    found.bytes.add(max(1, file_bytes), weight, chance)
    if isinstance(header, RejectedImage):
        found.rejected[header.reason] += 1
        found.rows.add(0, 1, chance)
        found.values.add(0, weight, chance)
        return
    size = header.size
    height, width = image.size or size
    found.usable += 1
    found.rows.add(1, 1, chance)
    found.values.add(height * width * image.depth, weight, chance)
    cost = decode_cost(header, image, file_bytes, dtype=dtype)
    found.decode_bytes = max(found.decode_bytes, cost)
    if size in found.sizes or len(found.sizes) < MAX_SIZES:
        found.sizes[size] += 1
