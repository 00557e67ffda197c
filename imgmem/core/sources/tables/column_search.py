"""The columns of a label table while their roles are being found, and what to ask where two fit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from imgmem.core.errors import InputError
from imgmem.core.sources.grammar import ROLES, as_part
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.reader import Table, doubtful

_MAX_REMEDIES = 5


@dataclass
class ColumnSearch:
    """The columns of a table, with those whose roles the user gave: role → indices."""

    table: Table
    given: dict[str, list[int]]

    def __post_init__(self) -> None:
        self.keys = [known.folded(name) for name in self.table.names]
        self.cells = self.table.columns
        self.cells += [()] * (len(self.keys) - len(self.cells))

    def called(self, names: Iterable[str], among: Sequence[int] | None = None) -> list[int]:
        indices = range(len(self.keys)) if among is None else among
        return [index for index in indices if self.keys[index] in names]

    def where(self, test: Callable[[Sequence[str]], bool]) -> list[int]:
        return [index for index, cells in enumerate(self.cells) if cells and test(cells)]

    def name(self, index: int) -> str:
        return self.table.names[index] or f"column {index + 1}"

    def names(self, indices: Sequence[int]) -> str:
        """`breed`, or `MEL … UNK (9 columns)`."""
        first = self.name(indices[0])
        if len(indices) == 1:
            return first
        return f"{first} … {self.name(indices[-1])} ({len(indices)} columns)"

    def remedy(self, meaning: str, **roles: Sequence[int]) -> Remedy:
        """`columns` with all roles that the user gave, and those of this remedy."""
        merged = self.given | {role: list(indices) for role, indices in roles.items()}
        parts = [
            (role, self.table.names[index] or str(index + 1))
            for role in ROLES
            for index in merged.get(role, [])
        ]
        return Remedy(
            {"columns": ",".join(as_part(f"{role}={name}") for role, name in parts)}, meaning
        )


def ambiguous(
    search: ColumnSearch,
    role: str,
    candidates: Sequence[int],
    together: Sequence[int] = (),
    **others: int,
) -> InputError:
    """The error where several columns could be one role.

    together: columns that could be it too, all of them at once.
    """
    return doubtful(which_column(search, role, candidates, together, **others))


def which_column(
    search: ColumnSearch,
    role: str,
    candidates: Sequence[int],
    together: Sequence[int] = (),
    **others: int,
) -> Doubt:
    """The doubt where several columns could be one role, with a remedy for each."""
    choices = [[*together]] if together else []
    choices += [[index] for index in candidates]
    shown = choices[:_MAX_REMEDIES]
    listed = ", ".join(search.names(indices) for indices in shown)
    more = ", …" if len(choices) > len(shown) else ""
    context = {name: [index] for name, index in others.items()}
    remedies = tuple(
        search.remedy(f"the {role} is in {search.names(indices)}", **context | {role: indices})
        for indices in shown
    )
    evidence = f"{search.table.path}: several columns could be the {role}: {listed}{more}"
    return Doubt(f"which-{role}", evidence, remedies)
