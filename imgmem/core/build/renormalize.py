"""What an update makes of the normalization of a dataset."""

from typing import Any

from imgmem.core.levels.methods import METHODS
from imgmem.core.messages import Message, command
from imgmem.core.specs import TRAIN, NormalizeSpec
from imgmem.core.storage.record import Normalization, Record


def on_read_of(updated: Record | None) -> Normalization | None:
    """The normalization on reading that is recorded again, with constants from the new rows."""
    done = updated.normalization if updated else None
    return done if done is not None and done.on_read else None


def normalization_notes(updated: Record | None, record: Record, out: str) -> list[str]:
    """What became of the normalization. record: of the dataset at `out` now."""
    done = updated.normalization if updated else None
    if done is None:
        return []
    if record.normalization is not None:
        rows = "the rows that there are now" if done.from_own_rows else "where they were from"
        return [f"{out} is normalized on reading as before, with constants from {rows}"]
    again = command("normalize", out, **_as_options(done, record))
    return [Message(f"the rows hold pixel values again; run `{again}` to normalize them")]


def undone_notes(updated: Record) -> list[str]:
    """What an update of a dataset will make of its normalization, where that does not stay."""
    done = updated.normalization
    if done is None or done.on_read:
        return []
    return ["the rows will hold pixel values again, and have to be normalized again"]


def _as_options(done: Normalization, record: Record) -> dict[str, Any]:
    """The options of `normalize` that ask for what was done, as far as that is recorded."""
    usual = NormalizeSpec()
    options: dict[str, Any] = {"on_read": True} if done.on_read else {}
    if done.dtype != usual.dtype:
        options["dtype"] = done.dtype
    if done.method == "given":
        options |= {"mean": _numbers(done.mean), "std": _numbers(done.std), "scale": record.highest}
    elif done.method != usual.method:
        options["method"] = done.method
    if METHODS[done.method].needs_statistics:
        options |= _origin(done)
    return options


def _origin(done: Normalization) -> dict[str, Any]:
    """Where the constants came from; of another dataset its path is not recorded."""
    if not done.from_own_rows:
        return {"stats_from": "DATASET"}
    return {} if done.split == TRAIN else {"stats_split": done.split or "all"}


def _numbers(values: tuple[float, ...] | None) -> str:
    return ",".join(f"{value:.17g}" for value in values or ())
