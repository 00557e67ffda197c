"""webdataset: tar shards of .npy members."""

from collections.abc import Callable
from typing import Any

import webdataset
from torch.utils.data import DataLoader

from benchmarks import peers

Work = Callable[[], int]


def build(source: str, out: str, size: int, threads: int) -> Work:
    paths = peers.list_files(source)
    peers.clean(out)

    def work() -> int:
        with webdataset.TarWriter(out) as writer:
            for number, path in enumerate(paths):
                image = peers.picture(path, size)
                writer.write({"__key__": f"{number:08}", "npy": image, "cls": 0})
        return len(paths)

    return work


def batches(source: str, out: str, size: int, threads: int, batch: int) -> Work:
    if not peers.built(out):
        build(source, out, size, threads)()
    data = webdataset.WebDataset(out, shardshuffle=False).shuffle(1000).decode().map(_normalized)
    loader: Any = DataLoader(data, batch)
    return lambda: sum(len(sample["npy"]) for sample in loader)


def _normalized(sample: dict[str, Any]) -> dict[str, Any]:
    return {"npy": peers.normalized(sample["npy"]), "cls": sample["cls"]}
