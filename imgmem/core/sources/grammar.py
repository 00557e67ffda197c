"""The one grammar of option values that name labels, columns, classes, splits and paths.

- A known word or prefix wins: `none`, `folder:2`, `name:REGEX`. Anything else is a file, and
  `./name:x` is always a file. `column:X` is a column, whatever it is called.
- A list is one CSV record: `path=id,"label=a,b"`. The first `=` of a part separates role and
  name; roles may repeat, and so may the option.
- `@FILE` stands for the contents of a file wherever a list may stand. A map is a JSON object,
  CSV, or `name value` lines; a list of paths has one path a line, escaped as in `rows.csv`.

In Python the same options take the same text or plain values: a mapping, a sequence.
"""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option as reference
from imgmem.core.paths import local_path
from imgmem.core.sources.files import unusable

Pairs = tuple[tuple[str, str], ...]
ListValue = str | Sequence[str]
MapValue = str | Sequence[str] | Mapping[str, str | None] | Pairs

WORDS = ("folder", "parent", "path", "none")
PATTERNS = ("name", "path")
ROLES = ("path", "label", "split", "group")
"""What a column of a label table may be."""
SOURCE_ROLES = (*ROLES, "image")
"""What an array, or a column of a table that holds images, may be."""
_ESCAPED = r"\\\1"
_FIRST_NAME = re.compile(r"((?:[^=\\]|\\=|\\)+)=", re.DOTALL)
"""What stands before the first `=` that has no backslash."""
_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


class LabelRule(NamedTuple):
    """A value of the option `labels`.

    kind: a word ("folder", "parent", "path", "none"), "level" (the number of a folder),
    "name" or "path-pattern" (a regular expression), or "file" (a path). value: its argument.
    """

    kind: str
    value: str = ""

    @property
    def level(self) -> int:
        """The folder's number: from 1 below the source, or negative from the file."""
        return int(self.value)


def label_rule(text: str) -> LabelRule:
    """Parse a value of the option `labels`. Raises UsageError for a rule that is malformed."""
    if text in WORDS:
        return LabelRule(text)
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "folder":
        return LabelRule("level", str(folder_level(rest, "labels")))
    if colon and prefix in PATTERNS:
        pattern(rest, "labels")
        return LabelRule("name" if prefix == "name" else "path-pattern", rest)
    return LabelRule("file", text)


def meant_rule(text: str) -> str | None:
    """The rule that is spelled almost like `text`, which is not one; None if no rule is."""
    prefix, colon, rest = text.partition(":")
    known = ("folder", *PATTERNS) if colon else WORDS
    close = get_close_matches(prefix.lower(), known, 1, cutoff=0.7)
    return None if not close or re.search(r"[./]", prefix) else f"{close[0]}{colon}{rest}"


def folder_level(text: str, option: str) -> int:
    """The N of `folder:N`. Raises UsageError for zero and for what is not a whole number."""
    try:
        level = int(text)
    except ValueError:
        level = 0
    if level == 0:
        raise UsageError(
            f"{reference(option)}: {text!r} is not a folder number",
            hint="folder:1 is the first folder below the source, folder:-1 the one that holds "
            "the image.",
            options=(option,),
        )
    return level


def split_level(text: str) -> int:
    """The N of `folder:N` as a value of the option `split`. Raises UsageError."""
    return folder_level(text.removeprefix("folder:"), "split")


def as_texts(value: MapValue) -> tuple[str, ...]:
    """A list or map as the texts that say the same, for a longer one to begin with."""
    if isinstance(value, str):
        return (value,) if value else ()
    pairs = value.items() if isinstance(value, Mapping) else value
    return tuple(
        part if isinstance(part, str) else as_pair(part[0], part[1] or "") for part in pairs
    )


def as_pair(name: str, to: str) -> str:
    """The part of a map that maps just this name: with a backslash before an `=` in it, and before
    an `@` that it begins with."""
    return as_part(f"{re.sub('(^@|=)', _ESCAPED, name)}={to}")


def as_part(text: str) -> str:
    """A part of a list, quoted where it has to be."""
    return '"' + text.replace('"', '""') + '"' if re.search('[,"\r\n]', text) else text


def as_glob(path: str) -> str:
    """The part of a list that matches this path, and what is in it, and nothing else."""
    return as_name_glob(path if "/" in path else f"./{path}")


def as_name_glob(name: str) -> str:
    """The part of a list that matches this name at any depth."""
    return as_part(re.sub(r"(^@|[*?\[])", r"[\1]", name))


def pattern(text: str, option: str) -> re.Pattern[str]:
    """A regular expression with at least one group, or a group called `label`.

    Raises UsageError for one that is invalid or has no group.
    """
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise UsageError(
            f"{reference(option)}: {text!r} is not a regular expression: {error}",
            hint="Python's syntax is used: docs.python.org/3/library/re.html.",
            options=(option,),
        ) from None
    if not compiled.groups:
        raise UsageError(
            f"{reference(option)}: {text!r} has no parentheses",
            hint="Put them around the part that counts, as in name:^([a-z]+)_.",
            options=(option,),
        )
    return compiled


def record(text: str, option: str) -> list[str]:
    """The parts of one CSV record. Raises UsageError for unbalanced quotes and several lines."""
    try:
        records = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise UsageError(
            f"{reference(option)}: {text!r} is not a list: {error}",
            hint='Separate the parts by commas, and quote one with a comma: "a,b".',
            options=(option,),
        ) from None
    return [part for part in (records[0] if records else []) if part]


def roles(value: MapValue, option: str) -> Pairs:
    """(role, name) pairs of `role=name,…`, of a mapping, or of several such texts.

    Raises UsageError for a role that there is not.
    """
    parts = value.items() if isinstance(value, Mapping) else _parts(value, option)
    pairs = tuple(_pair(part, option) if isinstance(part, str) else part for part in parts)
    for role, _ in pairs:
        if role not in SOURCE_ROLES:
            raise UsageError(
                f"{reference(option)}: {role!r} is not a role",
                hint=f"Roles are {', '.join(SOURCE_ROLES)}.",
                options=(option,),
            )
    return tuple((role, name or "") for role, name in pairs)


class Paths(NamedTuple):
    """A list of paths. globs: as given. literal: the lines of its files, which are not globs.
    files: the paths of these files."""

    globs: tuple[str, ...]
    literal: tuple[str, ...]
    files: tuple[str, ...] = ()


def paths(value: ListValue, option: str) -> Paths:
    """The globs of a list, and the paths in the files that it names by `@FILE`."""
    globs: list[str] = []
    literal: list[str] = []
    files: list[str] = []
    for part in _parts(value, option):
        assert isinstance(part, str)
        if part.startswith("@"):
            files.append(part[1:])
            literal += _lines_of(part[1:])
        else:
            globs.append(part)
    return Paths(tuple(globs), tuple(literal), tuple(files))


def mapping(value: MapValue, option: str) -> dict[str, str]:
    """A map of `found=name,…`, of `@FILE`, or of a mapping; to "" means to drop.

    Raises UsageError for a name that is mapped twice, InputError for a file that is not a map.
    """
    pairs: list[tuple[str, str]] = []
    if isinstance(value, Mapping):
        pairs = [(found, name or "") for found, name in value.items()]
    else:
        for part in _parts(value, option):
            if isinstance(part, tuple):
                pairs.append(part)
            elif part.startswith("@"):
                pairs += map_file(part[1:])
            else:
                pairs.append(_pair(part, option))
    return _unique(pairs, option)


def map_file(path: str) -> list[tuple[str, str]]:
    """(found, name) of each line of a map: a JSON object, CSV, or `name value` lines."""
    text = read_text(path)
    if text.lstrip().startswith("{"):
        return _json_map(path, text)
    lines = [line for line in text.splitlines() if line.strip()]
    by_comma = os.path.splitext(path)[1].lower() == ".csv" or all(
        re.match(r"\s*(\"[^\"]*\"|[^,\s]+)\s*,", line) for line in lines
    )
    return [_map_line(path, number, line, by_comma) for number, line in enumerate(lines, 1)]


def read_text(path: str) -> str:
    """A small text file: UTF-8 (bytes that are not are kept), or UTF-16 with its mark."""
    try:
        with open(local_path(path), "rb") as file:
            data = file.read()
    except OSError as error:
        raise unusable(error, f"{path} cannot be read", path) from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "surrogateescape")


def _parts(value: MapValue, option: str) -> Iterable[str | tuple[str, str]]:
    if isinstance(value, str):
        return record(value, option)
    assert not isinstance(value, Mapping)
    parts: list[str | tuple[str, str]] = []
    for each in value:
        parts += record(each, option) if isinstance(each, str) else [each]
    return parts


def _pair(part: str, option: str) -> tuple[str, str]:
    found = _FIRST_NAME.match(part)
    if found is None:
        raise UsageError(
            f"{reference(option)}: {part!r} is not of the form found=name",
            hint="Separate the parts by commas; @FILE stands for a file.",
            options=(option,),
        )
    return re.sub(r"^\\@|\\=", lambda match: match[0][1], found[1]), part[found.end() :]


def _unique(pairs: Sequence[tuple[str, str]], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, to in pairs:
        if found.setdefault(name, to) != to:
            raise UsageError(
                f"{reference(option)}: {name!r} is mapped to {found[name]!r} and to {to!r}",
                hint="Map every name once.",
                options=(option,),
            )
    return found


def _lines_of(path: str) -> list[str]:
    """The paths of a list, as `os` has them: escaped bytes are bytes again."""
    lines = (line.rstrip("\r") for line in read_text(path).split("\n"))
    return [_ESCAPED_BYTE.sub(_byte, line) for line in lines if line]


def _byte(match: re.Match[str]) -> str:
    return chr(0xDC00 + int(match[1], 16))


def _json_map(path: str, text: str) -> list[tuple[str, str]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _not_a_map(path, f"is not JSON: {error}") from None
    for name, to in found.items():
        if isinstance(to, bool) or not isinstance(to, str | int | None):
            raise _not_a_map(path, f"maps {name!r} to something that is not a name")
    return [(name, "" if to is None else str(to)) for name, to in found.items()]


def _map_line(path: str, number: int, line: str, by_comma: bool) -> tuple[str, str]:
    try:
        parts = next(csv.reader([line], strict=True)) if by_comma else line.split(None, 1)
    except csv.Error as error:
        raise _not_a_map(path, f"line {number}: {error}") from None
    if len(parts) != 2:
        raise _not_a_map(path, f"line {number}: {line!r} is not a name and another name")
    return parts[0].strip(), parts[1].strip()


def _not_a_map(path: str, what: str) -> InputError:
    return InputError(
        f"{path} {what}" if not what.startswith("line") else f"{path}, {what}",
        hint='Write a JSON object, CSV, or lines of two names: {"0": "cat"}, 0,cat or 0 cat.',
        path=path,
    )
