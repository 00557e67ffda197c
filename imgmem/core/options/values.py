"""Values of options: from text as people type it, or from plain values, to what specs hold.

Each function takes either, returns what a spec's field holds (and takes that too), and raises
ValueError with a message that shows how it is written.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from math import isfinite
from numbers import Integral, Real
from typing import Any

from imgmem.core.errors import UsageError
from imgmem.core.options.option import Fields
from imgmem.core.paths import local_path
from imgmem.core.specs import EXECUTORS, FOLDS, ExecutorLike, NumberLimit, SplitChoice
from imgmem.core.text import counted
from imgmem.core.thresholds import MAX_NEAR, Thresholds
from imgmem.core.units import parse_bytes

_LIKE = "like:"
_LEAST_BYTES = 2**20
"""A smaller number of bytes is one whose unit was forgotten."""


def image_size(value: Any) -> tuple[int, int] | None:
    """224, "180x320", (180, 320) or "native" as (height, width), None for native."""
    if value in (None, "native"):
        return None
    sides = str(value).lower().split("x") if isinstance(value, str | Integral) else list(value)
    if len(sides) not in (1, 2) or not all(str(side).isdecimal() and int(side) for side in sides):
        raise ValueError(f"invalid size {value!r}; use 224, 180x320 or native")
    return int(sides[0]), int(sides[-1])


def size_text(size: tuple[int, int] | None) -> str:
    """A size as it is written: height x width."""
    return "native" if size is None else "x".join(map(str, size))


def background(value: Any) -> tuple[int, ...] | str:
    """ "255,255,255" or (255, 255, 255) as red, green and blue; "drop" as it is."""
    if value == "drop":
        return "drop"
    parts = value.split(",") if isinstance(value, str) else list(value)
    if len(parts) != 3 or not all(str(part).isdecimal() and int(part) < 256 for part in parts):
        raise ValueError(f"invalid color {value!r}; use R,G,B, each from 0 to 255, or drop")
    return tuple(map(int, parts))


def levels(value: Any) -> tuple[float, float] | str:
    """ "0,4095" or (0, 4095) as the lowest and the highest value; "none" as it is."""
    if value == "none":
        return "none"
    try:
        low, high = map(float, value.split(",") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        raise ValueError(f"invalid levels {value!r}; use LOW,HIGH, e.g. 0,4095, or none") from None
    if not (isfinite(low) and isfinite(high) and low < high):
        raise ValueError(f"invalid levels {value!r}; LOW must be below HIGH")
    return low, high


def numbers_text(values: Iterable[Any]) -> str:
    """Numbers with commas between them; a word as it is."""
    return values if isinstance(values, str) else ",".join(map(str, values))


def splits(value: Any) -> Fields:
    """ "train=0.8,val=0.2,folds=5" or {"train": 0.8, "val": 0.2} as pairs, in that order, and the
    number of folds; "like:DATASET" as the dataset that has them; "folder:2" as the place where
    splits are taken from, "train=@FILE" as the list of the images of one."""
    if isinstance(value, str) and value.startswith("folder:"):
        return Fields(split_from=value)
    if isinstance(value, str) and value.startswith(_LIKE):
        return Fields(split_like=local(value.removeprefix(_LIKE)))
    lists, value = _lists(value)
    if lists and not value:
        return Fields(split_lists=lists)
    found = _parts(value)
    return Fields(found, split_lists=lists) if lists else found


def _lists(value: Any) -> tuple[tuple[tuple[str, str], ...], Any]:
    """(split, FILE) of the parts that name a list, and the other parts."""
    if isinstance(value, str):
        pairs = [part.partition("=")[::2] for part in next(csv.reader([value]), [])]
    elif not isinstance(value, Iterable):
        return (), value
    else:
        pairs = list(value.items() if isinstance(value, Mapping) else value)
    lists = [(name.strip(), str(to)[1:]) for name, to in pairs if str(to).startswith("@")]
    if not lists:
        return (), value
    if any(not name or not path for name, path in lists):
        raise ValueError(f"invalid split {value!r}; expected e.g. train=@train.txt,test=@test.txt")
    return tuple(lists), [(name, to) for name, to in pairs if not str(to).startswith("@")]


def _parts(value: Any) -> Fields:
    pairs = _fractions(value)
    folds = [number for name, number in pairs if name == FOLDS]
    if len(folds) > 1 or any(number < 2 or number % 1 for number in folds):
        raise ValueError(f"invalid split {value!r}; {FOLDS} is a whole number from 2, given once")
    parts = tuple(pair for pair in pairs if pair[0] != FOLDS)
    return Fields(splits=parts, folds=int(folds[0])) if folds else Fields(splits=parts)


def _fractions(value: Any) -> tuple[tuple[str, float], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    if isinstance(value, str):
        pairs = [part.split("=") for part in value.split(",") if part.strip()]
    try:
        return tuple((name.strip(), float(fraction)) for name, fraction in pairs)
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"invalid split {value!r}; {_split_example(value)}") from None


_DROPS = ("duplicates", "near-duplicates", "conflicts", "blank")


def drops(value: Any) -> tuple[str, ...]:
    """ "duplicates,leaks:val" or a sequence as what to drop."""
    words = [word.strip() for word in (value.split(",") if isinstance(value, str) else value)]
    for word in words:
        kind, colon, split = word.partition(":")
        if not (word in _DROPS or (kind == "leaks" and colon and split)):
            raise ValueError(f"invalid drop {word!r}; use {', '.join(_DROPS)} or leaks:SPLIT")
    return tuple(dict.fromkeys(words))


def split_choice(value: Any) -> SplitChoice:
    """ "val", "fold1,fold2", "!fold3" or several names as one name, or a tuple of several."""
    if isinstance(value, str):
        value = next(csv.reader([value]), [])
    names = tuple(name.strip() for name in value)
    if not all(names):
        raise ValueError("the name of a split is empty")
    return names[0] if len(names) == 1 else names


def _split_example(value: Any) -> str:
    """How the split is written that somebody may have meant by one number."""
    try:
        train = float(value)
    except (TypeError, ValueError):
        train = 0.0
    if 0 < train < 1:
        return f"did you mean train={train:g},val={1 - train:.6g}?"
    return "expected e.g. train=0.8,val=0.2 or folds=5"


def max_rejects(value: Any) -> int | float:
    """100 as a count, "1%" or 0.01 as a fraction."""
    limit: int | float = -1
    with suppress(ValueError):
        limit = _limit(value) if isinstance(value, str) else value
    if not isinstance(limit, int | float) or not 0 <= limit <= (
        1 if isinstance(limit, float) else limit
    ):
        raise ValueError(f"invalid limit {str(value)!r}; use e.g. 100 or 1%")
    return limit


def _limit(text: str) -> int | float:
    return float(text.removesuffix("%")) / 100 if text.endswith("%") else int(text)


def executor(value: Any) -> str | ExecutorLike:
    """A kind of workers, or an executor of the caller's."""
    if isinstance(value, ExecutorLike):
        return value
    if value in EXECUTORS or (isinstance(value, str) and re.match("dask:.", value)):
        return str(value)
    expected = f"{', '.join(EXECUTORS)} or dask:ADDRESS"
    raise ValueError(f"invalid executor {value!r}; expected {expected}")


def byte_count(value: Any) -> int:
    """ "512MiB" or a number of bytes as a number of bytes."""
    try:
        count = parse_bytes(value) if isinstance(value, str) else int(value)
    except UsageError as error:
        raise ValueError(f"{error.message}; use e.g. 512MiB, 2GB or 4096000") from None
    if count < _LEAST_BYTES:
        bare = str(value).strip().replace(".", "", 1)
        meant = f"; did you mean {value}GiB?" if bare.isdecimal() and float(value) > 0 else ""
        raise ValueError(f"{value} is {counted(count, 'byte')}, less than 1MiB{meant}")
    return count


def numbers(value: Any) -> tuple[float, ...]:
    """ "0.485,0.456,0.406", a number or several as a tuple."""
    try:
        if isinstance(value, str):
            return tuple(float(number) for number in value.split(","))
        return (float(value),) if isinstance(value, Real) else tuple(map(float, value))
    except (TypeError, ValueError):
        raise ValueError(f"invalid numbers {value!r}; expected e.g. 0.485,0.456,0.406") from None


def pixel_scale(value: Any) -> int:
    """1, 255 or 65535."""
    if str(value) not in ("1", "255", "65535"):
        raise ValueError(f"invalid scale {value!r}; use 1, 255 or 65535")
    return int(value)


def row_numbers(value: Any) -> tuple[int, ...]:
    """ "3,17,20-25", or numbers, as row numbers."""
    if not isinstance(value, str):
        return tuple(int(row) for row in value)
    rows: list[int] = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"invalid row {part!r}; use 3,17 or 20-25")
        if last and int(last) < int(first):
            raise ValueError(f"invalid rows {part!r}: the first is above the last")
        rows.extend(range(int(first), int(last or first) + 1))
    return tuple(rows)


def query(value: Any) -> Fields:
    """ "class=cat,class=dog,split=val" or {"class": ["cat", "dog"]} as classes and a split; other
    names are numbers: "age>=60,age<70" or {"age": [">=60", "<70"]}."""
    wanted: dict[str, list[str]] = {"class": [], "split": []}
    numbers = []
    for name, sign, each in _conditions(value):
        if name in wanted and sign == "=":
            wanted[name] += [each] if isinstance(each, str) else list(each)
        else:
            numbers.append(_limit_of(name, sign, each))
    found = Fields(classes=tuple(wanted["class"]), numbers=tuple(numbers))
    return Fields(found, split=split_choice(wanted["split"])) if wanted["split"] else found


_CONDITION = re.compile(r"(.*?)(>=|<=|>|<|=)(.*)")
_QUERY = "use class=cat,split=val or age>=60"


def _conditions(value: Any) -> list[tuple[str, str, Any]]:
    """(name, sign, value) of each part of a query."""
    if not isinstance(value, str):
        return [condition for name, each in dict(value).items() for condition in _of(name, each)]
    found = [(part, _CONDITION.fullmatch(part)) for part in value.split(",") if part.strip()]
    for part, match in found:
        if match is None:
            raise ValueError(f"invalid query {part.strip()!r}; {_QUERY}")
    return [(match[1].strip(), match[2], match[3]) for _, match in found if match]


def _of(name: str, each: Any) -> Iterator[tuple[str, str, Any]]:
    """The conditions of one item of a mapping."""
    if name in ("class", "split"):
        yield name, "=", each
        return
    for part in [each] if isinstance(each, str | Real) else each:
        match = _CONDITION.fullmatch(str(part))
        yield (name, match[2], match[3]) if match else (name, "=", part)


def _limit_of(name: str, sign: str, value: Any) -> NumberLimit:
    try:
        return NumberLimit(name, sign, float(value))
    except ValueError:
        raise ValueError(f"invalid query {name}{sign}{value}; {_QUERY}") from None


def thresholds(value: Any) -> Thresholds:
    """ "near=4,dark=15" or {"near": 4} as thresholds; the others keep their defaults."""
    if isinstance(value, Thresholds):
        return value
    kinds = [field.name for field in fields(Thresholds)]
    values: dict[str, Any] = {}
    for name, each in _threshold_pairs(value):
        if name not in kinds:
            raise ValueError(f"invalid threshold {name!r}; choose from {', '.join(kinds)}")
        values[name] = None if name == "near" and each in (None, "off") else _threshold(name, each)
    if not 0 <= (values.get("near") or 0) <= MAX_NEAR:
        raise ValueError(f"near is a number of bits from 0 to {MAX_NEAR}, or off")
    return replace(Thresholds(), **values)


def _threshold(name: str, value: Any) -> float:
    kind = type(getattr(Thresholds(), name))
    try:
        limit: float = kind(value)
    except (TypeError, ValueError):
        number = "a whole number" if kind is int else "a number"
        raise ValueError(f"{name} is {number}, not {value!r}") from None
    return limit


def _threshold_pairs(value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, str):
        return dict(value).items()
    pairs = (part.partition("=") for part in value.split(",") if part.strip())
    return [(name.strip(), each) for name, _, each in pairs]


def thresholds_text(values: Thresholds) -> str:
    """Thresholds as they are written."""
    named = ((field.name, getattr(values, field.name)) for field in fields(values))
    return ", ".join(f"{name}={'off' if each is None else f'{each:g}'}" for name, each in named)


def path(value: Any) -> str:
    """A path as text."""
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{value!r} is not a path")
    return os.fsdecode(value)


def labels(value: Any) -> Fields:
    """A rule or a label table, or several: a rule and the tables that it stands behind, or tables
    that are read as one."""
    given = value if isinstance(value, list | tuple) else [value]
    first, *tables = map(path, given)
    return Fields(labels=first, tables=tuple(tables))


def local(value: Any) -> str:
    """A path as text; ValueError for an address."""
    try:
        return local_path(path(value))
    except UsageError as error:
        raise ValueError(error.message) from None


def classes(value: Any) -> Fields:
    """Class names in order, or the path of a list or of a dataset that has them."""
    if isinstance(value, str | os.PathLike):
        return Fields(classes_from=local(value))
    return Fields(classes=tuple(map(str, value)))


def words(value: Any) -> tuple[str, ...]:
    """A text, or several, as a tuple of texts."""
    found = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(word, str) for word in found):
        raise ValueError(f"{value!r} is not text")
    return found


def as_given(value: Any) -> Any:
    """The value of an option that is only understood where it is used."""
    return value
