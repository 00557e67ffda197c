"""The keys of a command's JSON object, from the dataclasses that it is made of."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

_NAMES = {str: "string", int: "integer", float: "number", bool: "true or false", NoneType: "null"}


def reference(result: type, known: set[type]) -> Iterator[str]:
    """Lines that describe a dataclass, then those that it contains, except the `known`, which
    these join."""
    found = [result]
    for kind in found:
        hints = get_type_hints(kind)
        if kind not in known or kind is result:
            yield from _described(kind, hints)
        known.add(kind)
        for hint in hints.values():
            found += [one for one in _dataclasses(hint) if one not in found]


def _described(kind: type, hints: dict[str, Any]) -> Iterator[str]:
    yield f"{kind.__name__}"
    yield from (f"    {line}".rstrip() for line in inspect.cleandoc(kind.__doc__ or "").split("\n"))
    yield ""
    for field in fields(kind):
        yield f"    {field.name:<15} {_type(hints[field.name])}"
    yield ""


def _dataclasses(hint: Any) -> Iterator[type]:
    if is_dataclass(hint):
        yield hint if isinstance(hint, type) else type(hint)
    for part in get_args(hint):
        yield from _dataclasses(part)


def _type(hint: Any) -> str:
    """A type in JSON's words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (list, tuple):
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"object of {_type(parts[1])}"
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in parts)
    if parts:
        return " or ".join(_type(part) for part in parts)
    return _NAMES.get(hint) or (hint.__name__ if is_dataclass(hint) else "anything")
