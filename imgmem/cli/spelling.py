"""Options and commands in messages, as the command line writes them."""

from typing import Any

from imgmem.core.messages import Message


def for_terminal(text: str) -> str:
    """`text` with its references to options as flags, to commands as command lines."""
    return text.spelled(_as_flags) if isinstance(text, Message) else text


def flag(name: str) -> str:
    """The flag of an option: `--max-rejects` for max_rejects."""
    return "--" + name.replace("_", "-")


def _as_flags(words: tuple[str, ...], options: dict[str, Any]) -> str:
    import shlex

    start = ["imgmem", *map(shlex.quote, words)] if words else []
    return " ".join([*start, *(_given(name, value) for name, value in options.items())])


def _given(name: str, value: Any) -> str:
    if value is None or value is True:
        return flag(name)
    if value is False:
        return flag(f"no_{name}")
    import shlex

    return f"{flag(name)} {shlex.quote(str(value))}"
