"""Tables that have the web addresses of images, which are not fetched."""

import re
from collections.abc import Sequence

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources.tables.dialect import looks_like_image
from imgmem.core.sources.tables.reader import Table

_ADDRESS = re.compile(r"\s*https?://", re.IGNORECASE)


def not_there(table: Table, folder: str, path: str) -> InputError:
    """The error for a list none of whose images is in its folder. path: that of one of them."""
    return _by_addresses(table) or InputError(
        f"no image that {table.path} names is in {folder}, such as {path!r}",
        hint="Paths are relative to the folder of the list. Or give the folder of the images as "
        f"the source, and {option('labels', table.path)}.",
        path=table.path,
    )


def only_addresses(table: Table) -> InputError | None:
    """The error for a table that has addresses of images, and no paths of them; None for others."""
    paths = any(
        all(map(looks_like_image, cells)) and not _are_addresses(cells) for cells in table.columns
    )
    return None if paths else _by_addresses(table)


def _by_addresses(table: Table) -> InputError | None:
    if not any(map(_are_addresses, table.columns)):
        return None
    return InputError(
        f"{table.path} lists web addresses of images, which are not fetched",
        hint="Fetch the images first, with img2dataset, and build from their folder; "
        f"{option('labels', table.path)} then takes the labels, where a path names each image.",
        path=table.path,
    )


def _are_addresses(cells: Sequence[str]) -> bool:
    given = [cell for cell in cells if cell.strip()]
    return bool(given) and all(map(_ADDRESS.match, given))
