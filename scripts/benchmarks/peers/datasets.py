"""Hugging Face datasets: Arrow files."""

from collections.abc import Callable
from functools import partial
from typing import Any

import datasets
import numpy as np

from benchmarks import peers

Work = Callable[[], int]


def build(source: str, out: str, size: int, threads: int) -> Work:
    paths = peers.list_files(source)
    peers.clean(out)
    datasets.disable_caching()
    datasets.disable_progress_bars()

    def work() -> int:
        image = datasets.Array3D((size, size, 3), "uint8")
        features = datasets.Features(path=datasets.Value("string"), image=image)
        table = datasets.Dataset.from_dict({"path": paths})
        table.map(partial(_sample, size=size), features=features, num_proc=threads).save_to_disk(
            out
        )
        return len(paths)

    return work


def batches(source: str, out: str, size: int, threads: int, batch: int) -> Work:
    if not peers.built(out):
        build(source, out, size, threads)()
    table = datasets.load_from_disk(out).with_format("numpy", columns=["image"])
    order = np.random.default_rng(0).permutation(len(table))

    def work() -> int:
        for start in range(0, len(order), batch):
            peers.normalized(table[order[start : start + batch].tolist()]["image"])
        return len(order)

    return work


def _sample(row: dict[str, Any], size: int) -> dict[str, Any]:
    return {"image": peers.picture(row["path"], size)}
