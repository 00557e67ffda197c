"""Arrays as a source: each row is an image, handed out as a binary PGM or PPM file
(netpbm.sourceforge.net/doc/ppm.html), a header of some bytes before the very pixel values.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import repeat

from imgmem.core.errors import InputError
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.arrays.choose import Part, choose
from imgmem.core.sources.arrays.found import FoundArray, file_addresses, find_arrays
from imgmem.core.sources.arrays.labels import ArrayLabels
from imgmem.core.sources.arrays.names import class_names_in, file_doubt
from imgmem.core.sources.base import Address, Entry, Listing, Locator
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.changed import changed_inside
from imgmem.core.sources.grammar import roles
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.layout import TEST_LEFT_OUT
from imgmem.core.sources.numbering import ClassNumbers
from imgmem.core.specs import LabelSpec
from imgmem.core.storage.targets import CLASS

NO_LABEL_NUMBER = "its label is negative, empty or not a number"


class ArraySource:
    """The rows of arrays of images; locators are (row, array).

    Rows of compressed arrays are read from scratch space, to which they are decompressed once.
    """

    remote = False

    def __init__(
        self, path: str, spec: LabelSpec = LabelSpec(), *, spool: str | None = None
    ) -> None:
        """path: a file, or a folder of files. Raises InputError for what is damaged."""
        self._path = path
        self._spec = spec
        self._directory = spool
        self._arrays = find_arrays(path)
        self._catalogs = Catalogs()
        self._blobs: dict[str, Blob] = {}
        self._lock = threading.Lock()
        self.spool_bytes = 0

    @property
    def address(self) -> Address | None:
        if any(array.packed for array in self._arrays.values()):
            return None
        return Address("arrays", self._path, parts=file_addresses(self._path))

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        spec = self._spec
        given = roles(spec.columns, "columns")
        parts = choose(self._path, self._arrays, given, labels=spec.labels == "folder")
        taken = [part for part in parts if part.labels or not any(p.labels for p in parts)]
        found = file_doubt(taken) if spec.labels == "folder" else None
        doubts = [found] if found else []
        self._require_alike(taken)
        names = self._class_names(taken)
        entries = (entry for part in taken for entry in self._entries(part, names, doubts))
        catalog = self._catalogs.filled(entries, progress)
        left_out = sum(part.images.facts.rows for part in parts if part not in taken)
        readers = [ArrayLabels(p.labels, spec.target) for p in taken if p.labels]
        labeled = bool(readers)
        return Listing(
            entries=catalog,
            rule="array" if labeled else "none",
            labeled=labeled,
            target=(spec.target or CLASS) if labeled else CLASS,
            target_names=readers[0].target_names if labeled else (),
            class_names=tuple(names.values()) or (readers[0].class_names if labeled else ()),
            numbers=self._numbers(names),
            ignored=Counter({TEST_LEFT_OUT: left_out} if left_out else {}),
            notes=(*map(_said, taken), *self._not_used(names)),
            doubts=tuple(doubts[:1]),
        )

    def _class_names(self, parts: list[Part]) -> dict[str, str]:
        """Names of the numbers that are labels, where an array has them for all; else {}."""
        array = class_names_in(self._arrays)
        labels = [part.labels for part in parts if part.labels]
        if array is None or not labels or self._spec.target not in (None, CLASS):
            return {}
        texts = [text or "" for text in ArrayLabels(array, CLASS).texts(self._blob(array))]
        names = {str(number): text for number, text in enumerate(texts)}
        found = {text for each in labels for text in self._texts(each)} - {None}
        unique = len(set(texts)) == len(texts) and all(texts)
        return names if unique and found <= names.keys() else {}

    def _not_used(self, names: dict[str, str]) -> list[str]:
        """That there is an array of names that does not fit the labels."""
        array = class_names_in(self._arrays)
        if array is None or names:
            return []
        count = array.facts.rows
        return [f"{array.name} is not used: its {count} names do not fit the labels as numbers"]

    def _numbers(self, names: dict[str, str]) -> ClassNumbers | None:
        array = class_names_in(self._arrays)
        of = {name: int(number) for number, name in names.items()}
        return ClassNumbers(array.name, of) if array and names else None

    def _texts(self, labels: FoundArray) -> Iterator[str | None]:
        return ArrayLabels(labels, self._spec.target).texts(self._blob(labels))

    def _require_alike(self, parts: list[Part]) -> None:
        """InputError where splits have labels of other widths."""
        widths = {part.labels.facts.shape[1:] for part in parts if part.labels}
        if len(widths) > 1:
            names = ", ".join(part.labels.name for part in parts if part.labels)
            raise InputError(
                f"{self._path}: the labels of the splits have different widths: {names}",
                hint="Give all of them the same columns.",
                path=self._path,
            )

    def _entries(self, part: Part, names: dict[str, str], doubts: list[Doubt]) -> Iterator[Entry]:
        images = part.images
        self._blob(images, check=True)
        mtime_ns = os.stat(images.path).st_mtime_ns
        size = len(_header(images)) + images.facts.row_bytes
        digits = len(str(images.facts.rows - 1))
        split = part.split if self._spec.auto_split else None
        for row, label in enumerate(self._labels(part, doubts)):
            name = f"{images.name}/{row:0{digits}}"
            locator: Locator = (row, images.name)
            if part.labels and label is None:
                locator = (files.NO_LABEL, NO_LABEL_NUMBER)
            named = names.get(label, label) if label else label
            yield Entry(name, size, mtime_ns, named, split, locator)

    def _labels(self, part: Part, doubts: list[Doubt]) -> Iterator[str | None]:
        """The label of every row; what is doubtful about them, once they are read."""
        if part.labels is None:
            yield from repeat(None, part.images.facts.rows)
            return
        labels = ArrayLabels(part.labels, self._spec.target)
        yield from labels.texts(self._blob(part.labels, check=True))
        doubts += labels.doubts()

    def _blob(self, array: FoundArray, *, check: bool = False) -> Blob:
        with self._lock:
            if array.name not in self._blobs:
                blob, spooled = array.open(self._directory, check=check)
                self._blobs[array.name] = blob
                self.spool_bytes += spooled
            return self._blobs[array.name]

    def read(self, name: str, locator: Locator) -> bytes:
        files.require_usable(locator)
        row, array = int(locator[0]), self._arrays[str(locator[1])]
        facts = array.facts
        data = self._blob(array).image(facts.row_bytes, facts.start + row * facts.row_bytes)
        return _header(array) + data

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self.read(name, locator)[:length]

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return changed_inside(self._path)

    def close(self) -> None:
        self._catalogs.close()
        for blob in self._blobs.values():
            blob.close()


def _header(images: FoundArray) -> bytes:
    """Of the file that a row is handed out as."""
    _, height, width, *depth = images.facts.shape
    return f"P{6 if depth == [3] else 5}\n{width} {height}\n255\n".encode()


def _said(part: Part) -> str:
    shape = " x ".join(map(str, part.images.facts.shape))
    labels = f", labels from {part.labels.name}" if part.labels else ", without labels"
    split = f", split {part.split}" if part.split else ""
    flat = ", from flat rows" if part.images.flat else ""
    return f"images from the array {part.images.name} ({shape}{flat}){labels}{split}"
