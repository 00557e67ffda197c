"""litdata: chunks of serialized samples, StreamingDataset."""

from collections.abc import Callable
from functools import partial
from typing import Any

from litdata import StreamingDataLoader, StreamingDataset, optimize

from benchmarks import peers

Work = Callable[[], int]


def build(source: str, out: str, size: int, threads: int) -> Work:
    paths = peers.list_files(source)
    peers.clean(out)

    def work() -> int:
        optimize(partial(_sample, size=size), paths, out, num_workers=threads, chunk_bytes="64MB")
        return len(paths)

    return work


def batches(source: str, out: str, size: int, threads: int, batch: int) -> Work:
    if not peers.built(out):
        build(source, out, size, threads)()
    dataset = StreamingDataset(out, shuffle=True, transform=_normalized)
    loader = StreamingDataLoader(dataset, batch_size=batch, num_workers=threads)
    return lambda: sum(len(sample["image"]) for sample in loader)


def _sample(path: str, size: int) -> dict[str, Any]:
    return {"image": peers.picture(path, size), "label": 0}


def _normalized(sample: dict[str, Any]) -> dict[str, Any]:
    return sample | {"image": peers.normalized(sample["image"])}
