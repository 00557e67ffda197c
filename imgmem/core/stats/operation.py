"""`stats`: describe a dataset, flag likely problems, and check it."""

import os
from typing import Unpack

from imgmem.core.machine import process
from imgmem.core.options.option import applied
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.rows.out_file import check_out_files, write_out_files
from imgmem.core.specs import RunSpec, StatsSpec
from imgmem.core.stats.checks import failed_check, require_possible
from imgmem.core.stats.describe import DatasetStats, describe
from imgmem.core.stats.listing import listed_paths
from imgmem.core.stats.options import StatsOptions
from imgmem.core.stats.report import report_page


@process.settings()
def stats(
    path: str | os.PathLike[str],
    *,
    spec: StatsSpec = StatsSpec(),
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[StatsOptions],
) -> DatasetStats:
    """Describe a dataset, or one split of it, and flag likely problems.

    Figures are exact: they depend neither on the budget nor on the workers. The dataset is not
    changed.

    Args:
        path: The dataset.
        spec: What to describe and to check; `options` change its fields.
        run: Workers and memory budget.
        progress: Called with a `Progress` after every window of rows.
        **options: The options of the command by their names, e.g. `split="val"`,
            `by_class=True`, `fail_on="leaks"`, `threshold={"near": 4}`, `report="page.html"`.

    Returns:
        Classes, channels, sources and findings.

    Raises:
        CheckFailed: There is more of something than `fail_on` allows; its `result` holds the
            statistics.
        InputError: There is no such dataset.
        DatasetError: It is damaged, partially normalized or being written to.
        UsageError: Options are unknown or do not fit the dataset; the budget is too small.
    """
    require_callback(progress)
    spec, run = applied(StatsOptions, options, spec, run)
    require_possible(os.fspath(path), spec)
    check_out_files([spec.report, spec.listed], os.fspath(path), overwrite=spec.overwrite)
    written = {}
    if spec.listed is not None:
        written[spec.listed] = listed_paths(os.fspath(path), spec)
    found = describe(path, spec, run=run, progress=progress)
    if spec.report is not None:
        written[spec.report] = report_page(found, run=run, progress=progress)
    write_out_files(written, overwrite=spec.overwrite)
    if failure := failed_check(found, spec.fail_on):
        raise failure.of(found)
    return found
