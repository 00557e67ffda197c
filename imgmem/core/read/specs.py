"""How batches are read: their order and their form, with the defaults of both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

Order = Literal["sequential", "random", "blocks"]
Balance = Literal["oversample", "undersample"]
Layout = Literal["NHWC", "NCHW"]
BatchDtype = Literal["uint8", "uint16", "float32", "float16"]
ORDERS: tuple[str, ...] = get_args(Order)
BALANCES: tuple[str, ...] = get_args(Balance)
LAYOUTS: tuple[str, ...] = get_args(Layout)
BATCH_DTYPES: tuple[str, ...] = get_args(BatchDtype)


@dataclass(frozen=True, kw_only=True)
class OrderSpec:
    """In which order an epoch visits the rows; with the epoch's number it decides it fully.

    Attributes:
        order: "random": any row may follow any other. "blocks": blocks of neighboring rows in
            random order, shuffled again within a window of some blocks, for disks with slow
            random access. "sequential": as stored.
        seed: Decides random orders, with the number of the epoch.
        balanced: True or "oversample": every class as often as the largest; "undersample": as
            often as the smallest. A row with several labels takes its turn in each of its
            classes, and rows with none are a class of their own; numbers cannot be balanced. Only
            with the order "random".
        block_rows: Rows in a block; None for about 4 MiB of pixels.
        window_blocks: Blocks in a window.
        rank: Which of `world_size` processes this is; each visits its own share of one order.
        world_size: How many processes share the rows. Shares are equally long, by repeating
            rows from the beginning of the order; with the order "sequential" every row is
            visited exactly once, and shares may differ by one row.
        drop_last: Make shares equally long by omitting rows instead of repeating them.
    """

    order: Order = "random"
    seed: int = 0
    balanced: bool | Balance = False
    block_rows: int | None = None
    window_blocks: int = 16
    rank: int = 0
    world_size: int = 1
    drop_last: bool = False


@dataclass(frozen=True, kw_only=True)
class BatchSpec:
    """How batches are handed out.

    Attributes:
        layout: Axes of a batch.
        drop_last: Omit a last batch that is not full.
        rows: Hand out the row numbers too, as the last item of each batch: (n,) int64,
            counted from 0 within what was opened, so `dataset.paths(rows)` knows them.
        augment: Steps of `imgmem.augment` that are applied to each stored row, before it is
            normalized: at most one crop and one flip.
        transform: Called with each batch of images, in order and from one background thread;
            returns the images to hand out instead.
        reuse: Hand out the same few arrays over and over: a batch is valid until the next one
            is asked for. (Otherwise an array is reused only when nothing refers to it.)
        prefetch: Batches prepared in the background, each by its share of the threads; 0 for
            none.
        threads: How many threads fill batches; None for the CPUs allowed, at most 4.
        memory: Bytes that the batches under way may take with batch_size="auto"; None for the
            smaller of 1 GiB and a quarter of what is available.
        block_rows: See `OrderSpec`.
        window_blocks: See `OrderSpec`.
        rank: See `OrderSpec`.
        world_size: See `OrderSpec`.
    """

    layout: Layout = "NHWC"
    drop_last: bool = False
    rows: bool = False
    augment: Sequence[Any] = ()
    transform: Callable[[Any], Any] | None = None
    reuse: bool = False
    prefetch: int = 2
    threads: int | None = None
    memory: int | None = None
    block_rows: int | None = None
    window_blocks: int = 16
    rank: int = 0
    world_size: int = 1


class BatchOptions(TypedDict, total=False):
    """The fields of `BatchSpec` as keywords of `Dataset.batches`."""

    layout: Layout
    drop_last: bool
    rows: bool
    augment: Sequence[Any]
    transform: Callable[[Any], Any] | None
    reuse: bool
    prefetch: int
    threads: int | None
    memory: int | None
    block_rows: int | None
    window_blocks: int
    rank: int
    world_size: int
