"""Which paths of a source count: the globs and lists of the options `include` and `exclude`.

A glob without a slash matches a name at any depth, with a slash the path below the source; `*`
and `?` stay inside one name, `**` does not. What matches a folder matches all that is in it.
"""

import re
from collections.abc import Iterator

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.sources.grammar import ListValue, Paths, paths

NOT_SELECTED = "left out by include or exclude"


class Selection:
    """Paths to take: those that `include` names (all, where it is empty), less `exclude`."""

    def __init__(self, include: ListValue = (), exclude: ListValue = ()) -> None:
        """Raises UsageError for a malformed list, InputError for a file that cannot be read."""
        self._include = _Matcher(paths(include, "include")) if include else None
        self._exclude = _Matcher(paths(exclude, "exclude")) if exclude else None
        self.everything = not (self._include or self._exclude)

    def takes(self, path: str) -> bool:
        """Whether the image at `path` counts."""
        if self._include and not self._include.matches(path):
            return False
        return not (self._exclude and self._exclude.matches(path))

    def leaves_out(self, folder: str) -> bool:
        """Whether all of a folder is excluded."""
        return bool(self._exclude and self._exclude.matches(folder))


class _Matcher:
    def __init__(self, patterns: Paths) -> None:
        self._literal = frozenset(path.rstrip("/") for path in patterns.literal)
        globs = "|".join(_regular(glob) for glob in patterns.globs)
        self._globs = _compiled(f"(?:{globs})(?:/.*)?") if globs else None

    def matches(self, path: str) -> bool:
        if self._literal and any(part in self._literal for part in _above(path)):
            return True
        return bool(self._globs and self._globs.fullmatch(path))


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise UsageError(
            f"a glob of {option('include')} or {option('exclude')} is malformed: {error}",
            hint="Check its brackets.",
        ) from None


def _above(path: str) -> Iterator[str]:
    """A path, and the folders that it lies in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _regular(glob: str) -> str:
    """A glob as a regular expression for a whole path."""
    body = glob.removeprefix("./").strip("/")
    anchored = "/" in body or glob.startswith(("/", "./"))
    translated = re.sub(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", _translated, body, flags=re.DOTALL)
    return translated if anchored else f"(?:.*/)?{translated}"


def _translated(match: re.Match[str]) -> str:
    token = match[0]
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in known:
        return known[token]
    if len(token) > 1:
        return f"[^{token[2:]}" if token[1] == "!" else token
    return re.escape(token)
