"""Folders of images to memory-mapped NumPy datasets, in bounded memory.

The public API loads its parts at first use, so that `imgmem --help` loads neither
NumPy nor OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from imgmem.core.build import build as build
    from imgmem.core.dataset import Dataset as Dataset
    from imgmem.core.dataset import open as open
    from imgmem.core.errors import ImgmemError as ImgmemError
    from imgmem.core.estimate import estimate as estimate
    from imgmem.core.normalize import normalize as normalize
    from imgmem.core.normalize import undo as undo
    from imgmem.core.sample import sample as sample
    from imgmem.core.specs import BatchSpec as BatchSpec
    from imgmem.core.specs import BuildSpec as BuildSpec
    from imgmem.core.specs import EstimateSpec as EstimateSpec
    from imgmem.core.specs import ImageSpec as ImageSpec
    from imgmem.core.specs import NormalizeSpec as NormalizeSpec
    from imgmem.core.specs import OrderSpec as OrderSpec
    from imgmem.core.specs import RejectPolicy as RejectPolicy
    from imgmem.core.specs import RunSpec as RunSpec
    from imgmem.core.specs import SampleSpec as SampleSpec
    from imgmem.core.stats import compute_stats as compute_stats

_HOMES = {
    "build": "build",
    "Dataset": "dataset",
    "open": "dataset",
    "ImgmemError": "errors",
    "estimate": "estimate",
    "normalize": "normalize",
    "sample": "sample",
    "BatchSpec": "specs",
    "BuildSpec": "specs",
    "ImageSpec": "specs",
    "NormalizeSpec": "specs",
    "RejectPolicy": "specs",
    "OrderSpec": "specs",
    "SampleSpec": "specs",
    "EstimateSpec": "specs",
    "RunSpec": "specs",
    "compute_stats": "stats",
    "undo": "normalize",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imgmem' has no attribute {name!r}")
    return getattr(import_module(f"imgmem.core.{_HOMES[name]}"), name)
