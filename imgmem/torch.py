"""PyTorch: a map-style dataset that fetches whole batches, a sampler and a ready DataLoader.

    train = imgmem.torch.ImageDataset("flowers", split="train")
    for images, labels in imgmem.torch.loader(train, 64, balanced=True, num_workers=2):
        ...

Needs the extra `torch` (PyTorch 2 or newer).
"""

from imgmem._torch.dataset import ImageDataset, collate
from imgmem._torch.device import Normalize
from imgmem._torch.loader import Loader, LoaderOptions, loader
from imgmem._torch.sampler import RowSampler

__all__ = [
    "ImageDataset",
    "Loader",
    "LoaderOptions",
    "Normalize",
    "RowSampler",
    "collate",
    "loader",
]
