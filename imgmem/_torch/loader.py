"""A DataLoader that shares, balances and resumes epochs."""

import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler, Subset

from imgmem._torch.dataset import ImageDataset, hand_over, require_picklable
from imgmem._torch.device import Normalize, on_device
from imgmem._torch.sampler import RowSampler, image_datasets
from imgmem._torch.shared_batches import SHARED_MEMORY, shared_memory_left
from imgmem.core.errors import UsageError
from imgmem.core.read.specs import Balance, Order, OrderSpec
from imgmem.core.units import format_bytes

ToDevice: TypeAlias = Callable[[Iterator[Any]], Iterator[Any]]


class LoaderOptions(TypedDict, total=False):
    """What `loader` takes by name: its own options, and those of PyTorch's DataLoader."""

    shuffle: bool | None
    rank: int | None
    world_size: int | None
    sampler: Sampler[int]
    num_workers: int
    collate_fn: Any
    pin_memory: bool
    drop_last: bool
    timeout: float
    worker_init_fn: Any
    multiprocessing_context: Any
    generator: torch.Generator | None
    prefetch_factor: int | None
    persistent_workers: bool
    pin_memory_device: str
    in_order: bool


@dataclass
class _Position:
    """Where an iteration stands: `batch` batches of the epoch were handed out."""

    epoch: int
    batch: int


class Loader(DataLoader[Any]):
    """A DataLoader whose iterations are epochs, and that resumes mid-epoch.

    Iterations that live at the same time do not disturb each other; `state_dict` follows the
    one that was started last.
    """

    def __init__(
        self, dataset: Any, batch_size: int, to_device: ToDevice | None = None, **options: Any
    ) -> None:
        """options: those of DataLoader. to_device: what moves and normalizes the batches."""
        super().__init__(dataset, batch_size, **options)
        self._position = _Position(0, 0)
        self._to_device = to_device

    def __iter__(self) -> Any:
        """The batches of an epoch."""
        position = _Position(0, 0)
        if isinstance(self.sampler, RowSampler):
            position = self._position = self._start()
        batches = super().__iter__()
        moved = self._to_device(batches) if self._to_device else batches
        return _Counted(moved, position, len(self))

    def _start(self) -> _Position:
        """Where the next iteration starts."""
        rows = self._rows
        return _Position(rows.epoch, rows.first // (self.batch_size or 1))

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration run this epoch: from its beginning, or from where a state of it
        stands that was loaded since the last one."""
        self._rows.set_epoch(epoch)
        self._position = self._start()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to resume after the last batch handed out.

        Returns:
            JSON types only. It is the same in all ranks, and for any number of workers.

        Raises:
            UsageError: If batches may come in another order than that of the rows.
        """
        if not getattr(self, "in_order", True):
            raise UsageError(
                "batches that come in any order cannot be resumed", hint="Omit in_order=False."
            )
        return asdict(self._position) | {"identity": self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration resume where `state` was taken.

        Raises:
            UsageError: If it was taken from a loader of another order, size or dataset.
        """
        if state["identity"] != self._identity():
            raise UsageError(
                "state was saved with a different loader: "
                f"{state['identity']}, this is {self._identity()}",
                hint="Use the batch size, order, seed, number of processes and dataset that it "
                "was saved with.",
            )
        self._rows.epoch = state["epoch"]
        self._rows.first = state["batch"] * (self.batch_size or 1)
        self._position = self._start()

    @property
    def _rows(self) -> RowSampler:
        if not isinstance(self.sampler, RowSampler):
            raise UsageError(
                "a loader with a sampler of its own has no epochs to choose or resume",
                hint="Omit sampler, or use torchdata's StatefulDataLoader.",
            )
        return self.sampler

    def _identity(self) -> dict[str, Any]:
        """What decides which rows a batch has, in any rank."""
        spec = asdict(self._rows.spec)
        del spec["rank"]
        dataset: Any = self.dataset  # PyTorch's own type has no length
        return {"rows": len(dataset), "batch_size": self.batch_size} | spec


class _Counted(Iterator[Any]):
    """Batches, counted as they are handed out."""

    def __init__(self, batches: Any, position: _Position, length: int) -> None:
        self._batches = batches
        self._position = position
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __next__(self) -> Any:
        position = self._position
        try:
            batch = next(self._batches)
        except StopIteration:
            position.epoch, position.batch = position.epoch + (position.batch > 0), 0
            raise
        position.batch += 1
        return batch


def loader(
    dataset: "torch.utils.data.Dataset[Any]",
    batch_size: int,
    *,
    order: Order | None = None,
    seed: int = OrderSpec.seed,
    balanced: bool | Balance = OrderSpec.balanced,
    normalize: Literal["device"] | None = None,
    device: str | torch.device | None = None,
    **options: Unpack[LoaderOptions],
) -> Loader:
    """A DataLoader of (images, labels) batches, or of images alone without labels.

    Each iteration is the next epoch; `loader(...).set_epoch` chooses one.

    Args:
        dataset: An `ImageDataset`, or a Subset or ConcatDataset of some.
        batch_size: Rows in a batch.
        order: As for `Dataset.batches`; "random" unless `shuffle` says otherwise.
        seed: As for `Dataset.batches`; the same in all processes.
        balanced: As for `Dataset.batches`.
        normalize: "device" for uint8 batches, for `Normalize(dataset)` where the model is.
        device: Move the batches there and normalize them there, one batch ahead and on a GPU
            in a stream of its own. A `transform` gets uint8 images then, before that.
        options: `shuffle`: True for the order "random", False for "sequential". `rank` and
            `world_size`: this process's share of the rows; found from torch.distributed where
            it is initialized (pass 0 and 1 for all rows). Shares are equally long, by repeating
            rows from the beginning of the order or, with `drop_last`, omitting some; with the
            order "sequential" every row is visited exactly once, and shares may differ by a
            row. The others are the DataLoader's own (`num_workers`, `pin_memory`, …); a
            `sampler` among them replaces the order.

    Raises:
        UsageError: For an order that contradicts itself or the dataset, and for a `transform`
            that workers cannot have.
    """
    own: dict[str, Any] = dict(options)
    if normalize is not None and normalize != "device":
        raise UsageError(f"invalid normalize {normalize!r}", hint='Pass "device", or omit it.')
    if normalize is not None or device is not None:
        dataset, normalization = _as_stored(dataset)
    if device is not None:
        target = torch.device(device)
        own["to_device"] = partial(on_device, device=target, normalize=normalization.to(target))
        own.setdefault("pin_memory", target.type == "cuda")
    own["sampler"] = _sampler(dataset, own, order=order, seed=seed, balanced=balanced)
    if own.get("num_workers"):
        _check_workers(dataset, batch_size, own)
    return Loader(dataset, batch_size, **{"collate_fn": hand_over} | own)


def _sampler(
    dataset: Any,
    own: dict[str, Any],
    *,
    order: Order | None,
    seed: int,
    balanced: bool | Balance,
) -> Any:
    """The caller's own sampler, or one of the order; takes what decides the order out of `own`."""
    sharing = {name: own.pop(name, None) for name in ("rank", "world_size")}
    shuffle = own.pop("shuffle", None)
    if own.get("sampler") is not None:
        _check_sampler(own["sampler"], balanced, order=order, shuffle=shuffle, **sharing)
        return own["sampler"]
    return RowSampler(
        dataset,
        order=_order(order, shuffle),
        seed=seed,
        balanced=balanced,
        drop_last=own.get("drop_last", False),
        **sharing,
    )


def _as_stored(dataset: Any) -> tuple[Any, Normalize]:
    """The same images as stored, and what normalizes them."""
    if isinstance(dataset, Subset):
        stored, normalization = _as_stored(dataset.dataset)
        return Subset(stored, dataset.indices), normalization
    if not isinstance(dataset, ImageDataset):
        raise UsageError(
            "only images of an ImageDataset, or of a Subset of one, are normalized on a device",
            hint="Use imgmem.torch.Normalize in the model.",
        )
    dtypes = {None: torch.float32, "float32": torch.float32, "float16": torch.float16}
    normalization = Normalize(dataset, dtypes.get(dataset.dtype, torch.float32))
    return dataset.with_options(normalize="device", dtype=None), normalization


def _order(order: Order | None, shuffle: bool | None) -> Order:
    """The order that both options say."""
    if shuffle is None:
        return order or OrderSpec.order
    if order is not None and shuffle != (order != "sequential"):
        raise UsageError(f"shuffle={shuffle} contradicts order={order!r}", hint="Pass one of them.")
    return order or ("random" if shuffle else "sequential")


def _check_sampler(sampler: Any, balanced: bool | Balance, **others: Any) -> None:
    """What a sampler undoes is refused, and balance, which frameworks may undo too, warned of."""
    given = [f"{name}={value!r}" for name, value in others.items() if value not in (None, False)]
    if given:
        raise UsageError(
            f"the {type(sampler).__name__} decides which rows are visited, not {', '.join(given)}",
            hint="Pass one of them.",
        )
    if balanced:
        ranks = ", and shares the rows among processes by itself"
        warnings.warn(
            f"the {type(sampler).__name__} decides which rows are visited, so balanced={balanced} "
            "has no effect. Omit the sampler: the loader balances"
            + (ranks if isinstance(sampler, DistributedSampler) else ""),
            stacklevel=3,
        )


def _check_workers(dataset: Any, batch_size: int, options: dict[str, Any]) -> None:
    """What would stop or slow workers is said before any of them starts."""
    if _start_method(options.get("multiprocessing_context")) != "fork":
        for each in image_datasets(dataset):
            require_picklable(each.transform, "transform")
        for name in ("collate_fn", "worker_init_fn"):
            require_picklable(options.get(name), name)
    left, sizes = shared_memory_left(), [each.image_bytes for each in image_datasets(dataset)]
    ahead = (options.get("prefetch_factor") or 2) + 1  # one is handed over meanwhile
    wanted = options["num_workers"] * ahead * batch_size * max(sizes, default=0)
    if left is not None and left < wanted:
        warnings.warn(
            f"{SHARED_MEMORY} has room for {format_bytes(left)}, the batches of the workers take "
            f"{format_bytes(wanted)}: some of them go through pipes, which is slower. In docker "
            "run the container with --shm-size=2g or --ipc=host, or lower num_workers",
            stacklevel=3,
        )


def _start_method(context: Any) -> str:
    """How workers start, without choosing it for the whole process."""
    if isinstance(context, str):
        return context
    if context is not None:
        return str(context.get_start_method())
    chosen = multiprocessing.get_start_method(allow_none=True)
    return chosen or multiprocessing.get_all_start_methods()[0]
