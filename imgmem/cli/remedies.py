"""The ways to settle a doubt, as complete commands: what was given, with some options changed."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from imgmem.cli.spelling import flag


def with_commands(doubts: Sequence[Mapping[str, Any]], arguments: list[str]) -> list[Any]:
    """Doubts with the command of each remedy."""
    return [
        {**doubt, "remedies": [_with_command(each, arguments) for each in doubt["remedies"]]}
        for doubt in doubts
    ]


def _with_command(remedy: Mapping[str, Any], arguments: list[str]) -> dict[str, Any]:
    return {**remedy, "command": changed(arguments, remedy["options"])}


def as_text(doubts: Sequence[Mapping[str, Any]]) -> str:
    """The commands of doubts, each below what it means."""
    lines = [
        f"  # {remedy['meaning']}\n  {remedy['command']}"
        for doubt in doubts
        for remedy in doubt["remedies"]
    ]
    return "\n".join(["Say which is meant:", *lines]) if lines else ""


def changed(arguments: list[str], options: Mapping[str, Any]) -> str:
    """The command line with these options instead of the values that they had, quoted."""
    before = list(takewhile(lambda word: word != "--", arguments))
    kept = list(_without(before, set(options)))
    added = [word for name, value in options.items() for word in _given(name, value)]
    return shlex.join(["imgmem", *kept, *added, *arguments[len(before) :]])


def _without(arguments: Sequence[str], names: set[str]) -> Iterator[str]:
    flags = {flag(name) for name in names}
    words = iter(arguments)
    for word in words:
        if word in flags:
            next(words, None)
        elif word.partition("=")[0] not in flags:
            yield word


def _given(name: str, value: Any) -> Iterator[str]:
    """An option as words; one with several values is repeated."""
    if isinstance(value, bool):
        yield flag(name if value else f"no_{name}")
        return
    for each in value if isinstance(value, list | tuple) else [value]:
        yield from (flag(name), str(each))
