"""What becomes of the splits of a dataset that is replaced."""

from imgmem.core.build.plan import Plan
from imgmem.core.errors import DatasetError
from imgmem.core.messages import Message, option
from imgmem.core.storage.record import Record


def moved_by_drawing(record: Record | None, out: str, plan: Plan) -> list[str]:
    """A note of how many known images another draw moves. record: of the dataset at `out`, None
    where there is none."""
    if record is None or not record.splits or plan.spec.split_like is not None:
        return []
    try:
        moved, known = plan.moved_since(out)
    except DatasetError:  # it is damaged, and about to go
        return []
    if not moved:
        return []
    keep = option("split", f"like:{out}")
    note = f"{moved} of {known} known images moved to another split; {keep} would have kept them"
    return [Message(note)]
