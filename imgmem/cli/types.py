"""How the text of an option becomes a value: by the one parser that Python calls use too."""

from typing import Any

import click

from imgmem.core.options.option import Declared


class ParsedType(click.ParamType):  # type: ignore[type-arg] # generic in the newest Click only
    """The values of an option, read by what the core declares."""

    def __init__(self, declared: Declared) -> None:
        self.name = declared.facts.metavar or _METAVARS.get(declared.kind, "TEXT")
        self._declared = declared

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """The name as it is: Click would put it in capitals."""
        return self.name

    def split_envvar_value(self, rv: str) -> list[str]:
        """A variable holds a value of a repeatable option on each line: Click would split it at
        spaces, which paths have."""
        return rv.splitlines()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text, checked here so that the error names the flag; the core reads it."""
        number = self._declared.kind is int and self._declared.facts.parse is None
        try:
            plain = int(value) if number else value
        except ValueError:
            self.fail(f"{value!r} is not a whole number", param, ctx)
        try:
            self._declared.value(plain)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return plain


class Word(click.Choice):  # type: ignore[type-arg] # as above
    """One of the words of an option, or an alias of one."""

    def __init__(self, declared: Declared) -> None:
        super().__init__(declared.words)
        self._aliases = declared.facts.aliases or {}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word itself, also for an alias."""
        return super().convert(self._aliases.get(value, value), param, ctx)


_METAVARS: dict[type, str] = {int: "N"}


def type_of(declared: Declared) -> click.ParamType:  # type: ignore[type-arg]
    """The Click type of an option that takes a value."""
    return Word(declared) if declared.words and not declared.facts.parse else ParsedType(declared)
