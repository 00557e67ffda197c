"""The ways to settle a doubt, as complete commands: what was given, with some options changed."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import takewhile
from typing import Any

import click

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
    """The command line with these options instead of the values that they had, quoted.

    "source" stands for the SOURCE to give instead.
    """
    options = dict(options)
    if "source" in options:
        arguments = _with_source(arguments, str(options.pop("source")))
    before = list(takewhile(lambda word: word != "--", arguments))
    kept = list(_without(before, set(options)))
    added = [word for name, value in options.items() for word in _given(name, value)]
    return shlex.join(["imgmem", *kept, *added, *arguments[len(before) :]])


def _with_source(arguments: list[str], source: str) -> list[str]:
    """The command line with one SOURCE instead of those that it has."""
    command = import_module(f"imgmem.cli.{arguments[0]}").command
    parser = command.make_parser(click.Context(command))
    given, _, _ = parser.parse_args(arguments[1:])
    places: list[int] = []
    for word in given["source"]:
        first = next(at for at, each in enumerate(arguments) if at not in places and each == word)
        places.append(first)
    kept = [word for at, word in enumerate(arguments) if at not in places]
    kept.insert(min(places), source)
    return kept


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
