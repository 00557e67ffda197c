"""`sample`: preview rows of a dataset, or export them."""

import os
from typing import Unpack

from imgmem.core.machine import process
from imgmem.core.options.option import applied
from imgmem.core.options.tables import SampleOptions
from imgmem.core.rows.out_file import check_out_files
from imgmem.core.sample.exports import check_out, is_folder, save
from imgmem.core.sample.take import Sample, take, take_out
from imgmem.core.specs import SampleSpec


@process.settings()
def sample(
    path: str | os.PathLike[str],
    *,
    spec: SampleSpec = SampleSpec(),
    **options: Unpack[SampleOptions],
) -> Sample:
    """Take rows of a dataset, and write them if `out` says where.

    Args:
        path: The dataset.
        spec: Which rows; `options` change its fields.
        **options: The options of the command by their names, e.g. `count=64`,
            `balanced=True`, `rows=[3, 17]`, `query={"class": "cat"}`, `out="sheet.png"`.

    Returns:
        The rows with their images, labels and origins; for a folder, which may hold more than
        fits into memory, the rows alone. Nothing is written where there are none.

    Raises:
        UsageError: Options are unknown, or contradict each other or the dataset: a row, class or
            split does not exist.
        InputError: There is no such dataset.
        DatasetError: The dataset is damaged.
        ResourceError: The rows do not fit into memory; `out` cannot be written.
    """
    (spec,) = applied(SampleOptions, options, spec)
    if spec.out is None:
        check_out_files([], overwrite=spec.overwrite)
    else:
        check_out(spec.out, os.fspath(path), overwrite=spec.overwrite)
        if is_folder(spec.out):
            return take_out(path, spec, os.path.realpath(spec.out))
    taken = take(path, spec)
    if spec.out is not None and len(taken.rows):
        save(taken, spec.out, overwrite=spec.overwrite)
    return taken
