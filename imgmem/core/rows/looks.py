"""Which rows of a dataset look the same, as a group for each."""

from imgmem.core.components import Components
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.duplicates import duplicate_groups, in_force, near_notes
from imgmem.core.rows.facts import read_facts
from imgmem.core.rows.origins import sources_of
from imgmem.core.thresholds import Thresholds


def look_groups(path: str) -> dict[str, str]:
    """The path of every row that has the bytes or the looks of another → that of the first one.

    Raises DatasetError where the dataset at `path` is damaged.
    """
    with open_dataset(path) as dataset:
        facts = read_facts(dataset.path, len(dataset))
        groups = duplicate_groups(facts, in_force(facts, Thresholds()))
        first = _firsts([group.rows.tolist() for group in groups])
        origins = sources_of(dataset.path, first)
    return {origins[row].path: origins[least].path for row, least in first.items()}


def search_notes(path: str) -> tuple[str, ...]:
    """Whether rows that look the same can be told from others in the dataset at `path`."""
    with open_dataset(path) as dataset:
        limits = in_force(read_facts(dataset.path, len(dataset)), Thresholds())
    return tuple(near_notes(Thresholds(), limits))


def _firsts(groups: list[list[int]]) -> dict[int, int]:
    """Row → the least row of all groups that are connected with its own."""
    connected = Components[int]()
    for first, *others in groups:
        for other in others:
            connected.join(first, other)
    return {row: connected.root(row) for rows in groups for row in rows}
