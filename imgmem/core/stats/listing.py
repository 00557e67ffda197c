"""`stats --list`: the paths of images to leave out of the next build."""

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.rows.drop import dropped_rows
from imgmem.core.rows.origins import sources_of
from imgmem.core.specs import StatsSpec
from imgmem.core.storage import store

_WORDS = ("duplicates", "blank")


def listed_paths(path: str, spec: StatsSpec) -> bytes:
    """The paths, one per line, as `rows.csv` has them.

    Raises UsageError for some splits only: of two rows that are the same one may be in another.
    """
    if spec.split is not None:
        raise UsageError(f"{option('list')} covers all rows", hint=f"Leave out {option('split')}.")
    labeled = store.read_record(path).classes is not None
    words = (*_WORDS, "conflicts") if labeled else _WORDS
    rows = dropped_rows(path, words)
    origins = sources_of(path, rows)
    text = "".join(f"{origins[row].path}\n" for row in sorted(rows))
    return text.encode("utf-8", "backslashreplace")
