"""Folders of images to memory-mapped NumPy datasets, in bounded memory.

The public API loads its parts at first use, so that `imgmem --help` loads neither
NumPy nor OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imgmem._version import __version__

if TYPE_CHECKING:
    from imgmem.core.build.operation import build as build
    from imgmem.core.errors import ImgmemError as ImgmemError
    from imgmem.core.estimate.operation import estimate as estimate
    from imgmem.core.normalize.operation import normalize as normalize
    from imgmem.core.normalize.operation import undo as undo
    from imgmem.core.read.dataset import Dataset as Dataset
    from imgmem.core.read.dataset import open as open
    from imgmem.core.sample.operation import sample as sample
    from imgmem.core.specs import BatchSpec as BatchSpec
    from imgmem.core.specs import BuildSpec as BuildSpec
    from imgmem.core.specs import EstimateSpec as EstimateSpec
    from imgmem.core.specs import ImageSpec as ImageSpec
    from imgmem.core.specs import NormalizeSpec as NormalizeSpec
    from imgmem.core.specs import OrderSpec as OrderSpec
    from imgmem.core.specs import RejectPolicy as RejectPolicy
    from imgmem.core.specs import RunSpec as RunSpec
    from imgmem.core.specs import SampleSpec as SampleSpec
    from imgmem.core.stats.operation import compute_stats as compute_stats

_HOMES = {
    "build": "build.operation",
    "Dataset": "read.dataset",
    "open": "read.dataset",
    "ImgmemError": "errors",
    "estimate": "estimate.operation",
    "normalize": "normalize.operation",
    "sample": "sample.operation",
    "BatchSpec": "specs",
    "BuildSpec": "specs",
    "ImageSpec": "specs",
    "NormalizeSpec": "specs",
    "RejectPolicy": "specs",
    "OrderSpec": "specs",
    "SampleSpec": "specs",
    "EstimateSpec": "specs",
    "RunSpec": "specs",
    "compute_stats": "stats.operation",
    "undo": "normalize.operation",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imgmem' has no attribute {name!r}")
    return getattr(import_module(f"imgmem.core.{_HOMES[name]}"), name)
