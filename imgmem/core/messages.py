"""Messages that name options and commands without spelling them.

The core is called from Python and from the command line, which write `max_rejects=10` and
`--max-rejects 10`. So a text holds a reference, `option("max_rejects", 10)`, between two
characters that Unicode reserves for use inside a program; whoever shows the text spells it.
"""

import re
from collections.abc import Callable
from typing import Any

_OPEN, _CLOSE, _NEXT, _IS = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
_REFERENCE = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_NO_VALUE = object()
_TYPES: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": "True".__eq__,
    "NoneType": lambda _: None,
}
"""How the value of an option is read again, by the name of its type."""

Spell = Callable[[tuple[str, ...], dict[str, Any]], str]
"""Writes one reference. First argument: a command's name and its arguments, or (for an option)
nothing; second: options with their values, None for an option without one."""


class Message(str):
    """Text that may refer to options and commands.

    As a string it is spelled for Python; `spelled` writes it in another way.
    """

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> "Message":
        raw = text._text if isinstance(text, Message) else text
        message = super().__new__(cls, _spelled(raw, in_python))
        message._text = raw
        return message

    def after(self, before: str) -> "Message":
        """The same with `before` in front of it."""
        return Message(before + self._text)

    def spelled(self, spell: Spell) -> str:
        """The text with each reference as `spell` writes it."""
        return _spelled(self._text, spell)


def option(name: str, value: Any = _NO_VALUE) -> str:
    """A reference to an option, by its name in Python, and to the value that it should have.

    True and False are for switches; anything else must be a plain value, or text.
    """
    return _reference((), {name: None if value is _NO_VALUE else value})


def command(name: str, *arguments: str, **options: Any) -> str:
    """A reference to a call of a command, complete with arguments and options."""
    return _reference((name, *arguments), options)


def in_python(words: tuple[str, ...], options: dict[str, Any]) -> str:
    """`max_rejects`, `on_error='skip'`, `imgmem.normalize('flowers', undo=True)`."""
    keywords = [name if value is None else f"{name}={value!r}" for name, value in options.items()]
    if not words:
        return ", ".join(keywords)
    return f"imgmem.{words[0]}({', '.join([*map(repr, words[1:]), *keywords])})"


def _reference(words: tuple[str, ...], options: dict[str, Any]) -> str:
    """What is between the marks: words, and options with the type and text of their values."""
    values = [_IS.join((name, type(each).__name__, str(each))) for name, each in options.items()]
    return f"{_OPEN}{_NEXT.join((*words, *values))}{_CLOSE}"


def _spelled(text: str, spell: Spell) -> str:
    def one(reference: re.Match[str]) -> str:
        words, options = [], {}
        for part in reference[1].split(_NEXT):
            name, is_option, value = part.partition(_IS)
            if is_option:
                kind, _, rest = value.partition(_IS)
                options[name] = _TYPES.get(kind, str)(rest)
            else:
                words.append(name)
        return spell(tuple(words), options)

    return _REFERENCE.sub(one, text)
