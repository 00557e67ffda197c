"""A dataset as PyTorch wants it: map-style, but fetched a batch at a time."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from multiprocessing.context import get_spawning_popen
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch.utils.data import default_collate, get_worker_info

from imgmem._torch.shared_batches import Batch, SharedBatch, slots
from imgmem.core.arrays import Images, Indices, Labels
from imgmem.core.errors import UsageError
from imgmem.core.read import dataset as core
from imgmem.core.read.augment import Keys, Step
from imgmem.core.read.batches import threads_to_fill, together
from imgmem.core.read.buffers import Buffers
from imgmem.core.read.convert import Normalize
from imgmem.core.read.row_set import resolved
from imgmem.core.read.specs import BatchDtype, Layout
from imgmem.core.specs import SplitChoice

Transform: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class ImageDataset(torch.utils.data.Dataset[Any]):
    """The images of a dataset, or of some splits, as tensors (C, H, W) with their labels.

    `dataset[i]` is (image, label), or the image alone without labels. Labels are int64 class
    indices, or float32: flags (n, K) for BCEWithLogitsLoss, numbers (n,) or (n, T) for MSELoss.
    Works with any DataLoader and sampler, in forked and spawned workers; it pickles as its path.
    A DataLoader fetches whole batches from it, which `collate` passes on as they are and
    PyTorch's default collate function copies once.

    Attributes:
        data: The `imgmem.Dataset` that it reads.
        transform: As given.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        split: SplitChoice = None,
        *,
        normalize: Normalize | Literal["device"] = True,
        dtype: BatchDtype | None = None,
        channels_last: bool = False,
        rows: bool = False,
        augment: Sequence[Step] = (),
        transform: Transform | None = None,
    ) -> None:
        """Open the dataset at `path`; raises as `imgmem.open` and `Dataset.batches` do.

        Args:
            path: The directory that `imgmem build` made.
            split: As for `imgmem.open`.
            normalize: As for `Dataset.batches`, or "device": images stay uint8, a quarter of
                the bytes, for `imgmem.torch.Normalize` on the device that trains.
            dtype: As for `Dataset.batches`.
            channels_last: Lay the pixels out as torch.channels_last; the shape stays
                (N, C, H, W).
            rows: Return the row number too, as the last item: `dataset.data.paths(rows)` knows
                the file.
            augment: Steps of `imgmem.augment`, as for `Dataset.batches`. With `RowSampler`, and so
                in `loader`, a resumed run draws the same; else PyTorch's own seed decides.
            transform: Called with each batch of images (N, C, H, W), in a DataLoader's worker
                if it has any; a single image is a batch of one.
        """
        self.data = core.open(path, split)
        self.transform = transform
        self._path_and_split = (self.data.path, split)
        self._options: dict[str, Any] = {
            "normalize": normalize,
            "dtype": dtype,
            "channels_last": channels_last,
            "rows": rows,
            "augment": augment,
        }
        layout: Layout = "NHWC" if channels_last else "NCHW"
        on_read: Normalize = False if normalize == "device" else normalize
        reader = core.reader_for(
            self.data,
            normalize=on_read,
            dtype=dtype,
            layout=layout,
            augment=augment,
            compiled=True,
        )
        self._in_worker = reader
        self._here = reader.with_threads(threads_to_fill(None))
        self._rows = core.row_set(self.data)
        self._buffers: dict[int, Buffers] = {}

    def with_options(self, **options: Any) -> "ImageDataset":
        """The same rows with other options."""
        path, split = self._path_and_split
        changed = {"transform": self.transform} | self._options | options
        return ImageDataset(path, split, **changed)

    @property
    def normalize(self) -> Normalize | Literal["device"]:
        """As given."""
        given: Normalize | Literal["device"] = self._options["normalize"]
        return given

    @property
    def dtype(self) -> BatchDtype | None:
        """As given."""
        given: BatchDtype | None = self._options["dtype"]
        return given

    @property
    def classes(self) -> list[str] | None:
        """Class names by class index; None without labels."""
        return self.data.classes

    @cached_property
    def class_to_idx(self) -> dict[str, int]:
        """Class name → class index."""
        return {name: index for index, name in enumerate(self.classes or ())}

    @cached_property
    def targets(self) -> list[Any]:
        """The label of each row: a class index, a list of flags, a number or a list of them."""
        return [] if self.data.labels is None else self.data.labels.tolist()

    @cached_property
    def samples(self) -> list[tuple[str, Any]]:
        """(path, target) of each row, the path relative to the source; -1 without labels."""
        paths = self.data.paths()
        return list(zip(paths, self.targets or [-1] * len(paths), strict=True))

    @property
    def imgs(self) -> list[tuple[str, Any]]:
        """The same as `samples`."""
        return self.samples

    @property
    def augments(self) -> bool:
        """Whether images are augmented, so that rows are better asked for as `KeyedRow`."""
        return self._here.augments

    @property
    def image_bytes(self) -> int:
        """Bytes of an image in a batch."""
        return self._here.image_bytes

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Any:
        batch = self._batch([row])
        if isinstance(batch, torch.Tensor):
            return batch[0]
        image, *others = batch
        return (image[0], *(_single(other[0]) for other in others))

    def __getitems__(self, rows: list[int]) -> "Samples":
        """The samples at these rows, all in one batch: what a DataLoader asks for."""
        return Samples(self._batch(rows))

    def _batch(self, rows: list[int]) -> Batch:
        indices = resolved(rows, len(self.data))
        images = self._images(indices, _keys(rows) if self._here.augments else None)
        if self.transform is not None:
            images = self.transform(images)
        batch = together(images, self.data.labels, indices, rows=self._options["rows"])
        if isinstance(batch, torch.Tensor):
            return batch
        return (images, *map(_as_losses_want, batch[1:]))

    def _images(self, indices: Indices, keys: Keys | None) -> torch.Tensor:
        is_worker = get_worker_info() is not None
        reader = self._in_worker if is_worker else self._here
        lent = slots.lend(len(indices) * self.image_bytes) if is_worker else None
        if lent is None:
            out = self._buffer(len(indices))
        else:
            out = lent.view(reader.dtype).reshape(-1, *reader.image_shape)
        images = torch.from_numpy(reader(self._rows.file_rows(indices), out, keys=keys))
        return images.permute(0, 3, 1, 2) if self._options["channels_last"] else images

    def _buffer(self, count: int) -> Images:
        """Memory for a batch: reused from one that no tensor uses any more, if there is one."""
        if count not in self._buffers:
            self._buffers = {count: Buffers(partial(self._here.empty, count), count=2)}
        return self._buffers[count].acquire()

    def __reduce__(self) -> tuple[Any, ...]:
        if get_spawning_popen() is not None:  # on its way to a worker that is being started
            require_picklable(self.transform, "transform")
        return _reopen, (*self._path_and_split, self.transform, self._options)


def _as_losses_want(labels: Labels) -> torch.Tensor:
    """Labels as a tensor, flags as float32: BCEWithLogitsLoss takes no other."""
    return torch.from_numpy(labels.astype(np.float32) if labels.dtype == np.uint8 else labels)


def _single(value: torch.Tensor) -> Any:
    """One label or row number: a plain number, or a tensor of flags or numbers."""
    return value if value.ndim else value.item()


class KeyedRow(int):
    """A row number, with what decides the random draws for this visit of the row."""

    key: int

    def __new__(cls, row: int, key: int) -> "KeyedRow":
        keyed = super().__new__(cls, row)
        keyed.key = key
        return keyed

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyedRow, (int(self), self.key)


def _keys(rows: list[int]) -> Keys:
    """(n,) the rows' own keys, or new ones from PyTorch's generator."""
    if all(isinstance(row, KeyedRow) for row in rows):
        return np.array([row.key for row in rows], np.uint64)  # type: ignore[attr-defined]
    keys: Keys = torch.randint(2**63 - 1, (len(rows),)).numpy().view(np.uint64)
    return keys


def _reopen(
    path: str, split: SplitChoice, transform: Transform | None, options: dict[str, Any]
) -> ImageDataset:
    return ImageDataset(path, split, transform=transform, **options)


def require_picklable(function: Callable[..., Any] | None, name: str) -> None:
    """UsageError unless a spawned worker can have the function that was given as `name`."""
    try:
        ForkingPickler.dumps(function)
    except Exception as error:  # whatever the object's own methods raise
        raise _unpicklable(name, str(error)) from None
    module = sys.modules.get(getattr(function, "__module__", ""))
    if getattr(module, "__name__", "") == "__main__" and not hasattr(module, "__file__"):
        why = "it is defined in an interactive session, which workers cannot import"
        raise _unpicklable(name, why)


def _unpicklable(name: str, why: str) -> UsageError:
    return UsageError(
        f"{name} cannot be sent to a worker process: {why}",
        hint="Define it with `def` at the top level of a module that can be imported (not a "
        "lambda, a local function or a notebook cell), or use num_workers=0.",
    )


class Samples(list[Any]):
    """The samples of a batch one by one, as any collate function expects, and the batch."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        one_by_one = batch if isinstance(batch, torch.Tensor) else zip(*batch, strict=True)
        super().__init__(one_by_one)


def collate(samples: list[Any]) -> Any:
    """Returns the batch as it was fetched; other samples go through PyTorch's default."""
    return samples.batch if isinstance(samples, Samples) else default_collate(samples)


def hand_over(samples: list[Any]) -> Any:
    """As `collate`, and in a worker through shared memory that is reused."""
    batch = collate(samples)
    if not isinstance(samples, Samples) or get_worker_info() is None:
        return batch
    return SharedBatch(batch)
