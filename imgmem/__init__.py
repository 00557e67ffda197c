"""Folders of images to memory-mapped NumPy datasets, in bounded memory.

The public API loads its parts at first use, so that `imgmem --help` loads neither
NumPy nor OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imgmem._version import __version__

if TYPE_CHECKING:
    from imgmem.core.build.operation import build as build
    from imgmem.core.build.preview import BuildPreview as BuildPreview
    from imgmem.core.build.preview import preview_build as preview_build
    from imgmem.core.build.result import BuildResult as BuildResult
    from imgmem.core.errors import CheckFailed as CheckFailed
    from imgmem.core.errors import DatasetError as DatasetError
    from imgmem.core.errors import ImgmemError as ImgmemError
    from imgmem.core.errors import InputError as InputError
    from imgmem.core.errors import Interrupted as Interrupted
    from imgmem.core.errors import ResourceError as ResourceError
    from imgmem.core.errors import UsageError as UsageError
    from imgmem.core.estimate.operation import Estimate as Estimate
    from imgmem.core.estimate.operation import estimate as estimate
    from imgmem.core.normalize.operation import NormalizeResult as NormalizeResult
    from imgmem.core.normalize.operation import normalize as normalize
    from imgmem.core.normalize.operation import undo_normalize as undo_normalize
    from imgmem.core.progress import Progress as Progress
    from imgmem.core.read.batches import Batches as Batches
    from imgmem.core.read.dataset import Dataset as Dataset
    from imgmem.core.read.dataset import open as open
    from imgmem.core.read.prepare import prepare as prepare
    from imgmem.core.read.specs import BatchSpec as BatchSpec
    from imgmem.core.read.specs import OrderSpec as OrderSpec
    from imgmem.core.sample.operation import sample as sample
    from imgmem.core.sample.take import Sample as Sample
    from imgmem.core.specs import BuildSpec as BuildSpec
    from imgmem.core.specs import EstimateSpec as EstimateSpec
    from imgmem.core.specs import ImageSpec as ImageSpec
    from imgmem.core.specs import NormalizeSpec as NormalizeSpec
    from imgmem.core.specs import OutPolicy as OutPolicy
    from imgmem.core.specs import RejectPolicy as RejectPolicy
    from imgmem.core.specs import RunSpec as RunSpec
    from imgmem.core.specs import SampleSpec as SampleSpec
    from imgmem.core.specs import StatsSpec as StatsSpec
    from imgmem.core.stats.compare import Comparison as Comparison
    from imgmem.core.stats.compare import compare as compare
    from imgmem.core.stats.describe import DatasetStats as DatasetStats
    from imgmem.core.stats.operation import stats as stats
    from imgmem.core.stats.report import write_report as write_report
    from imgmem.core.stats.verify import verify as verify
    from imgmem.core.thresholds import Thresholds as Thresholds
    from imgmem.progress_bar import ProgressBar as ProgressBar

_HOMES = {
    "build": "core.build.operation",
    "preview_build": "core.build.preview",
    "estimate": "core.estimate.operation",
    "normalize": "core.normalize.operation",
    "undo_normalize": "core.normalize.operation",
    "stats": "core.stats.operation",
    "compare": "core.stats.compare",
    "verify": "core.stats.verify",
    "write_report": "core.stats.report",
    "sample": "core.sample.operation",
    "open": "core.read.dataset",
    "prepare": "core.read.prepare",
    "Dataset": "core.read.dataset",
    "Batches": "core.read.batches",
    "BuildResult": "core.build.result",
    "BuildPreview": "core.build.preview",
    "Comparison": "core.stats.compare",
    "DatasetStats": "core.stats.describe",
    "Estimate": "core.estimate.operation",
    "NormalizeResult": "core.normalize.operation",
    "Progress": "core.progress",
    "Sample": "core.sample.take",
    "BatchSpec": "core.read.specs",
    "BuildSpec": "core.specs",
    "EstimateSpec": "core.specs",
    "ImageSpec": "core.specs",
    "NormalizeSpec": "core.specs",
    "OrderSpec": "core.read.specs",
    "OutPolicy": "core.specs",
    "RejectPolicy": "core.specs",
    "RunSpec": "core.specs",
    "SampleSpec": "core.specs",
    "StatsSpec": "core.specs",
    "Thresholds": "core.thresholds",
    "ImgmemError": "core.errors",
    "CheckFailed": "core.errors",
    "DatasetError": "core.errors",
    "InputError": "core.errors",
    "Interrupted": "core.errors",
    "ResourceError": "core.errors",
    "UsageError": "core.errors",
    "ProgressBar": "progress_bar",
}
"""The public names, each with its module in `imgmem`."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


if not TYPE_CHECKING:  # or type checkers would believe in any name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'imgmem' has no attribute {name!r}")
        return getattr(import_module(f"imgmem.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
