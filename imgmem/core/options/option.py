"""What one option is, and how the values that were given become the fields of specs."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import NoneType
from typing import Any, Literal, TypeVarTuple, get_args, get_origin, get_type_hints

from imgmem.core.errors import UsageError
from imgmem.core.messages import option

Specs = TypeVarTuple("Specs")


@dataclass(frozen=True)
class Option:
    """What is known of an option besides its type.

    Attributes:
        help: A line for the help page and the guide.
        heading: Under which it is listed.
        parse: Makes the field's value of text or of a plain value; ValueError for anything else.
            Without it the value is the field's: a bool, an int, a str or one of several words.
        show: Writes the field's value as text again.
        metavar: What stands for its value on the help page.
        default: Describes a default that is only known when the command runs.
        field: The field of a spec that it sets, where that has another name.
        least: The smallest number that is allowed.
        aliases: Other words for some of its words.
        short: A short flag.
        multiple: Whether the flag may be given several times; `parse` gets a tuple of texts then.
        may_be_empty: Whether an empty text is a value.
        variable: Whether an environment variable may set it: never for a switch that deletes,
            undoes, draws again or leaves the work out.
    """

    help: str
    heading: str
    parse: Callable[[Any], Any] | None = None
    show: Callable[[Any], str] = str
    metavar: str | None = None
    default: str = ""
    field: str = ""
    least: int | None = None
    aliases: Mapping[str, str] | None = None
    short: str = ""
    multiple: bool = False
    may_be_empty: bool = False
    variable: bool = True


@dataclass(frozen=True, slots=True)
class Declared:
    """An option of a command: its name, its facts, its words (or none) and its type."""

    name: str
    facts: Option
    words: tuple[str, ...]
    kind: type

    @property
    def field(self) -> str:
        """The field of a spec that the option sets."""
        return self.facts.field or self.name

    def value(self, given: Any) -> Any:
        """The field's value for what was given. Raises ValueError, also for an empty text: it
        comes from a variable that is not set."""
        empty = given == "" if isinstance(given, str) else isinstance(given, tuple) and "" in given
        if empty and not self.facts.may_be_empty:
            raise ValueError("the value is empty; is a variable unset?")
        if self.facts.parse is not None:
            return self.facts.parse(given)
        if self.words:
            return self._word(given)
        if self.kind is int and (isinstance(given, bool) or not hasattr(given, "__index__")):
            raise ValueError(f"{given!r} is not a whole number")
        if self.kind in (bool, str) and not isinstance(given, self.kind):
            raise ValueError(f"{given!r} is not {'text' if self.kind is str else 'True or False'}")
        if self.facts.least is not None and given < self.facts.least:
            raise ValueError(f"{given} is less than {self.facts.least}")
        return given

    def _word(self, given: Any) -> str:
        word: str = (self.facts.aliases or {}).get(given, given)
        if word not in self.words:
            close = difflib.get_close_matches(str(word), self.words, 1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{word!r} is not one of {', '.join(self.words)}{meant}")
        return word


@cache
def declared(table: type) -> dict[str, Declared]:
    """The options of a command by name, as its TypedDict declares them."""
    hints = get_type_hints(table, include_extras=True)
    return {name: _declared(name, *get_args(hint)) for name, hint in hints.items()}


def _declared(name: str, hint: Any, facts: Option) -> Declared:
    parts = [part for part in (get_args(hint) or (hint,)) if part is not NoneType]
    if get_origin(hint) is Literal:
        return Declared(name, facts, tuple(parts), str)
    if get_origin(parts[0]) is Literal:
        return Declared(name, facts, get_args(parts[0]), str)
    return Declared(name, facts, (), parts[0])


def applied(table: type, given: Mapping[str, object], *specs: *Specs) -> tuple[*Specs]:
    """`specs` with the fields that the given options set.

    Args:
        table: The TypedDict of the command.
        given: Values by the names of the options; None leaves the field as it is.
        specs: Frozen dataclasses, with others inside them or not.

    Raises:
        UsageError: An option is unknown, its value is wrong, or two contradict each other.
    """
    values: dict[str, Any] = {}
    known = declared(table)
    for name, value in given.items():
        if name not in known:
            raise _unknown(name, list(known))
        if value is not None:
            _add(values, known[name], _read(known[name], value))
    return tuple(_with(spec, values) for spec in specs)


def _read(known: Declared, given: object) -> Any:
    try:
        return known.value(given)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{option(known.name)}: {error}") from None


def _add(values: dict[str, Any], known: Declared, value: Any) -> None:
    """Note the field of an option; options that parse to `Fields` set several."""
    found = value if isinstance(value, Fields) else {known.field: value}
    for field, each in found.items():
        if values.setdefault(field, each) != each:
            raise UsageError(
                f"{option(known.name)} contradicts another option: {values[field]!r}, {each!r}",
                hint="Leave one of them out.",
            )


class Fields(dict[str, Any]):
    """The values of several fields that one option sets."""


def _with(spec: Any, values: Mapping[str, Any]) -> Any:
    changes = {}
    for field in fields(spec):
        inner = getattr(spec, field.name)
        if field.name in values:
            changes[field.name] = values[field.name]
        elif is_dataclass(inner):
            changes[field.name] = _with(inner, values)
    return replace(spec, **changes)


def _unknown(name: str, known: list[str]) -> UsageError:
    close = difflib.get_close_matches(name, known, 1)
    return UsageError(
        f"there is no option {name!r}",
        hint=f"Did you mean {option(close[0])}?" if close else f"Options: {', '.join(known)}.",
    )
