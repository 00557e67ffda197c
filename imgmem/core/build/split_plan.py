"""Which splits a build makes: those that are asked for, and those that the source has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.specs import ALL, FOLD, FOLDS, NOT, TRAIN

Fractions = tuple[tuple[str, float], ...]

_AUTHORS_ORDER = (TRAIN, FOLD, "val", "test")
_NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True)
class Division:
    """One split divided by fractions (sum 1). divided: its name, None for images without one."""

    fractions: Fractions
    divided: str | None = None


@dataclass(frozen=True)
class SplitPlan:
    """names: all splits in row order. divisions: how they are drawn, one after the other; each
    divides a split of the author or one that an earlier division made."""

    names: tuple[str, ...]
    divisions: tuple[Division, ...] = ()

    @property
    def shares(self) -> Fractions:
        """The share of all images that are divided, for each split that is drawn."""
        found: dict[str | None, float] = {}
        for division in self.divisions:
            whole = found.pop(division.divided, 1.0)
            found |= {name: whole * fraction for name, fraction in division.fractions}
        return tuple((name, found[name]) for name in self.names if name in found)


def plan_splits(wanted: Fractions, authors: set[str], *, folds: int | None = None) -> SplitPlan:
    """Combine the splits asked for with those that the source has.

    What the fractions leave goes to "train", which `folds` then divides into that many equal
    parts. Raises UsageError for fractions that do not add up, for a split that the author's
    folders already are, and where these have no train.
    """
    _require_names(authors)
    by_author = sorted(authors, key=_author_order)
    if not wanted and folds is None:
        return SplitPlan(tuple(by_author))
    _require_train(by_author)
    divided = TRAIN if authors else None
    plan = SplitPlan(tuple(by_author))
    if wanted:
        plan = _with_division(plan, Division(_completed(wanted), divided))
        divided = TRAIN
    return plan if folds is None else _with_folds(plan, divided, folds)


def _with_division(plan: SplitPlan, division: Division) -> SplitPlan:
    """The plan with the parts of a split in its place: they come first."""
    names = tuple(name for name, _ in division.fractions)
    _require_free(names, set(plan.names) - {division.divided})
    rest = tuple(name for name in plan.names if name != division.divided and name not in names)
    return replace(plan, names=names + rest, divisions=(*plan.divisions, division))


def _with_folds(plan: SplitPlan, divided: str | None, folds: int) -> SplitPlan:
    if divided is not None and divided not in plan.names:
        raise UsageError(
            f"{option('split')} leaves no image for {FOLDS}={folds}",
            hint="Folds divide train, which is what the fractions leave: let them add up to "
            "less than 1.",
        )
    parts = tuple((f"{FOLD}{number}", 1 / folds) for number in range(1, folds + 1))
    drawn = {name for division in plan.divisions for name, _ in division.fractions}
    if twice := [name for name, _ in parts if name in drawn]:
        raise UsageError(
            f"{option('split')}: {twice[0]} is named twice: {FOLDS}={folds} makes {FOLD}1 to "
            f"{FOLD}{folds}",
            hint="Give the other split another name.",
        )
    return _with_division(plan, Division(parts, divided))


def _author_order(name: str) -> tuple[int, str, int, str]:
    """train, folds by their number, val and test, then a dataset's own names."""
    found = _NUMBERED.fullmatch(name)
    stem, number = (found[1], int(found[2])) if found else (name, -1)
    kind = name if name in _AUTHORS_ORDER else stem
    known = kind in _AUTHORS_ORDER and (kind == FOLD) == (number >= 0)
    return _AUTHORS_ORDER.index(kind) if known else len(_AUTHORS_ORDER), stem, number, name


def _require_free(names: Iterable[str], authors: set[str]) -> None:
    taken = [name for name in names if name in authors]
    if taken:
        raise UsageError(
            f"the source already has a split {taken[0]!r}",
            hint=f"Leave it out of {option('split')}, or merge the folders with "
            f"{option('auto_split', False)}.",
        )


def _require_train(by_author: list[str]) -> None:
    if by_author and TRAIN not in by_author:
        raise UsageError(
            f"the source's own splits ({', '.join(by_author)}) have no train split to divide",
            hint=f"Leave out {option('split')}, or merge the folders with "
            f"{option('auto_split', False)}.",
        )


def _completed(wanted: Fractions) -> Fractions:
    """The fractions with the rest given to train, which then comes first."""
    total = sum(fraction for _, fraction in wanted)
    names = [name for name, _ in wanted]
    _check_fractions(wanted)
    if total >= 1 - 1e-9:
        return wanted
    if TRAIN in names:
        raise UsageError(
            f"{option('split')} adds up to {total:g}, not 1",
            hint="Leave out train: it gets the rest.",
        )
    return ((TRAIN, 1 - total), *wanted)


def _check_fractions(wanted: Fractions) -> None:
    names = [name for name, _ in wanted]
    for name, fraction in wanted:
        if not name or not name.replace("-", "").replace("_", "").isalnum() or is_reserved(name):
            raise UsageError(
                f"{option('split')}: invalid split name {name!r}",
                hint=f"Use letters, digits, - and _; {ALL!r} means all rows, and "
                f"{FOLDS}=5 makes folds.",
            )
        if not 0 < fraction <= 1:
            raise UsageError(
                f"{option('split')}: {name}={fraction:g} is not in (0, 1]", hint="Write e.g. 0.2."
            )
    if len(set(names)) < len(names):
        raise UsageError(f"{option('split')}: duplicate split name", hint="Give each name once.")
    if sum(fraction for _, fraction in wanted) > 1 + 1e-9:
        raise UsageError(
            f"{option('split')} adds up to more than 1", hint="Make the fractions add up to 1."
        )


def is_reserved(name: str) -> bool:
    """Whether a split cannot have this name, because it means something else."""
    return name in (ALL, FOLDS) or name.startswith(NOT)


def _require_names(authors: set[str]) -> None:
    """Raises UsageError for a split of the source that has a reserved name."""
    for name in sorted(authors):
        if is_reserved(name):
            raise UsageError(
                f"the source has a split called {name!r}, which is not the name of one split",
                hint=f"Rename it: {option('split_map', f'{name}=train')}.",
            )
