"""What a dataset that is there already means for the disk."""

from imgmem.core.messages import Message, command, option
from imgmem.core.sources.datasets import is_dataset
from imgmem.core.storage import store
from imgmem.core.units import format_bytes


def replacing_note(path: str) -> list[str]:
    """A note that a dataset at `path` stays until another takes its place; none where there is
    no whole one."""
    if not is_dataset(path) or store.in_transition(path):
        return []
    taken = sum(header.file_bytes for header in store.read_record(path).arrays.values())
    again = command("build", "SOURCE", path, update=True)
    return [
        Message(
            f"`{again}`, like {option('overwrite', True)}, keeps {path} ({format_bytes(taken)}) "
            "until the new dataset is complete: for a moment both are on the disk"
        )
    ]
