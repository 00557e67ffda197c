"""mosaicml-streaming: MDS shards, StreamingDataset."""

from collections.abc import Callable
from typing import Any

from streaming import MDSWriter, StreamingDataset
from torch.utils.data import DataLoader

from benchmarks import peers

Work = Callable[[], int]


def build(source: str, out: str, size: int, threads: int) -> Work:
    paths = peers.list_files(source)
    peers.clean(out)

    def work() -> int:
        columns = {"image": f"ndarray:uint8:{size},{size},3", "label": "int"}
        with MDSWriter(out=out, columns=columns) as writer:
            for path in paths:
                writer.write({"image": peers.picture(path, size), "label": 0})
        return len(paths)

    return work


def batches(source: str, out: str, size: int, threads: int, batch: int) -> Work:
    if not peers.built(out):
        build(source, out, size, threads)()
    loader = DataLoader(_Normalized(local=out, shuffle=True, batch_size=batch), batch)
    return lambda: sum(len(sample["image"]) for sample in loader)


class _Normalized(StreamingDataset):  # type: ignore[misc]
    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = super().__getitem__(index)
        return sample | {"image": peers.normalized(sample["image"])}
