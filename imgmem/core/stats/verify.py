"""`verify`: whether a dataset still is as imgmem left it."""

import os
from typing import Unpack

from imgmem.core.options.option import applied
from imgmem.core.options.tables import ResourceOptions
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.specs import RunSpec
from imgmem.core.storage import verify as checksums
from imgmem.core.storage.verify import DamagedRows


def verify(
    path: str | os.PathLike[str],
    *,
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[ResourceOptions],
) -> list[DamagedRows]:
    """Compare all data of a dataset with its checksums.

    Args:
        path: The dataset.
        run: Workers and memory budget.
        progress: Called with a `Progress` after every block.
        **options: `workers` and `memory`.

    Returns:
        The rows that cannot be trusted; an empty list if all checksums match.

    Raises:
        InputError: There is no dataset.
        DatasetError: Sizes or headers are wrong already, or it is being written to.
    """
    require_callback(progress)
    (run,) = applied(ResourceOptions, options, run)
    with open_dataset(path) as dataset:
        return checksums.verify(dataset.path, run=run, progress=progress)
