"""Normalization on the device that trains: a quarter of the bytes goes there."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from imgmem._torch.dataset import ImageDataset
from imgmem.core.errors import UsageError
from imgmem.core.levels import lookup
from imgmem.core.messages import command
from imgmem.core.read.convert import plan_conversion
from imgmem.core.read.dataset import Dataset


class Normalize(torch.nn.Module):
    """Makes of stored uint8 images (…, C, H, W) what `ImageDataset` would have returned.

    In float32 its values are within one unit in the last place of those; memory formats are
    kept. It has no parameters, its constants stay float32 in a model that is cast, and
    torch.compile takes it.
    """

    def __init__(self, dataset: ImageDataset | Dataset, dtype: torch.dtype = torch.float32) -> None:
        """The normalization of a dataset.

        Args:
            dataset: The constants are those given as its `normalize`, else those that
                `imgmem normalize --on-read` has recorded.
            dtype: Of the result: torch.float32, torch.bfloat16 or torch.float16.

        Raises:
            UsageError: If there are no constants, or the dataset is already normalized.
        """
        super().__init__()
        self.offset: torch.Tensor
        self.scale: torch.Tensor
        self.dtype = dtype
        self._offset, self._scale = _constants(dataset)
        self.register_buffer("offset", torch.empty(0), persistent=False)
        self.register_buffer("scale", torch.empty(0), persistent=False)
        self._place(torch.device("cpu"))

    def _place(self, device: torch.device) -> None:
        for name in ("offset", "scale"):
            values = torch.tensor(getattr(self, f"_{name}"), dtype=torch.float32, device=device)
            setattr(self, name, values.reshape(-1, 1, 1))

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Any:
        """Move with the model, but never to another dtype."""
        super()._apply(fn, recurse)
        self._place(self.offset.device)
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalized images of the same shape; UsageError for what is not stored images."""
        if not torch.jit.is_scripting():
            self._require_stored(images)
        return ((images.to(torch.float32) - self.offset) * self.scale).to(self.dtype)

    def _require_stored(self, images: torch.Tensor) -> None:
        if images.is_floating_point() or images.shape[-3] != len(self.offset):
            raise UsageError(
                f"Normalize takes whole numbers (…, {len(self.offset)}, H, W) as stored, not "
                f"{images.dtype} {tuple(images.shape)}",
                hint='Pass normalize="device" to ImageDataset or loader, which leaves it to this.',
            )


def _constants(dataset: ImageDataset | Dataset) -> tuple[list[float], list[float]]:
    """Offset and scale of each channel, rounded to float32."""
    given: Any = True
    if isinstance(dataset, ImageDataset):
        given, dataset = dataset.normalize, dataset.data
    record = dataset.record
    wanted = True if given in ("device", False) else given
    conversion = plan_conversion(
        record, normalize=wanted, dtype=None, layout="NCHW", split=dataset.split
    )
    if conversion.normalization is None:
        raise _no_constants(dataset)
    offset, scale = lookup.constants(conversion.normalization, np.float32)
    return offset.tolist(), scale.tolist()


def _no_constants(dataset: Dataset) -> UsageError:
    if dataset.normalization is not None:
        return UsageError(f"{dataset.path} is already normalized", hint="Omit Normalize.")
    return UsageError(
        f"{dataset.path} has no normalization",
        hint=f"Run {command('normalize', dataset.path, on_read=True)}, "
        "or pass normalize=(mean, std) to ImageDataset.",
    )


def on_device(batches: Iterator[Any], device: torch.device, normalize: Normalize) -> Iterator[Any]:
    """Batches on the device, normalized there; the next is copied while one is used.

    On a GPU copies and normalization run in a stream of their own.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def start() -> Any:
        batch = next(batches, None)
        if batch is None:
            return None
        with torch.cuda.stream(stream):  # nothing where there is no stream
            images, *others = (batch,) if isinstance(batch, torch.Tensor) else batch
            moved = (normalize(images.to(device, non_blocking=True)),)
            moved += tuple(other.to(device, non_blocking=True) for other in others)
            return moved

    ahead = start()
    while ahead is not None:
        if stream is not None:
            current = torch.cuda.current_stream(device)
            current.wait_stream(stream)
            for tensor in ahead:
                tensor.record_stream(current)
        batch, ahead = ahead, start()
        yield batch if len(batch) > 1 else batch[0]
