"""Which paths of a source count: the globs and lists of the options `include` and `exclude`.

A glob without a slash matches a name at any depth, with a slash the path below the source; `*`
and `?` stay inside one name, `**` does not. What matches a folder matches all that is in it.
Names are compared in one Unicode form: macOS writes another than most keyboards do.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from imgmem.core.errors import UsageError
from imgmem.core.messages import Message, option
from imgmem.core.paths import is_address, is_inside
from imgmem.core.sources.base import Listing
from imgmem.core.sources.grammar import ListValue, Paths, paths
from imgmem.core.text import composed, counted

NOT_SELECTED = "left out by include or exclude"
FOLDER_NOT_SELECTED = "folder left out by exclude"
"""A folder that is not looked into, which counts as one, whatever it holds."""


class Selection:
    """Paths to take: those that `include` names (all, where it is empty), less `exclude`."""

    def __init__(self, include: ListValue = (), exclude: ListValue = ()) -> None:
        """Raises UsageError for a malformed list, InputError for a file that cannot be read."""
        self._include = _Matcher(paths(include, "include")) if include else None
        self._exclude = _Matcher(paths(exclude, "exclude")) if exclude else None
        self.everything = not (self._include or self._exclude)

    def see(self, path: str) -> None:
        """Note which patterns match a path that does not count in any case."""
        if not self.everything:
            self.takes(path)

    def takes(self, path: str) -> bool:
        """Whether the image at `path` counts."""
        if self._include and not self._include.matches(path):
            return False
        return not (self._exclude and self._exclude.matches(path))

    def leaves_out(self, folder: str) -> bool:
        """Whether all of a folder is excluded."""
        return bool(self._exclude and self._exclude.matches(folder))

    def noted(self, listing: Listing, source: str) -> Listing:
        """The listing of all paths that were seen, with a note of each pattern that matched none.

        source: the path that a pattern must not begin with.
        """
        notes: list[Message] = []
        for name, matcher in (("include", self._include), ("exclude", self._exclude)):
            if matcher:
                notes += [_said(name, given, source) for given in matcher.unmatched()]
                notes += _unnamed_note(name, matcher.unnamed())
        return replace(listing, notes=(*listing.notes, *notes), selected=True)


def _unnamed_note(name: str, paths: list[str]) -> list[Message]:
    if not paths:
        return []
    shown, more = ", ".join(map(repr, paths[:3])), " …" if len(paths) > 3 else ""
    count = counted(len(paths), "path")
    return [Message(f"{option(name, '@FILE')}: {count} matched nothing: {shown}{more}")]


def _said(name: str, given: str, source: str) -> Message:
    why = ": it is relative to SOURCE, without its path" if _repeats(given, source) else ""
    return Message(f"{option(name, given)} matched nothing{why}")


def _repeats(given: str, source: str) -> bool:
    """Whether a pattern begins with the path of the source."""
    if is_address(source):
        return given.startswith(source)
    top = os.path.abspath(source)
    from_here = not os.path.isabs(given) and is_inside(os.getcwd(), top)
    return not from_here and f"{os.path.abspath(given)}/".startswith(f"{top}/")


class _Matcher:
    def __init__(self, patterns: Paths) -> None:
        self._literal = frozenset(composed(path.rstrip("/")) for path in patterns.literal)
        self._named: set[str] = set()
        self._files = patterns.files
        self._unmatched = {each: _compiled(f"{_regular(each)}(?:/.*)?") for each in patterns.globs}
        globs = "|".join(_regular(glob) for glob in patterns.globs)
        self._globs = _compiled(f"(?:{globs})(?:/.*)?") if globs else None

    def matches(self, path: str) -> bool:
        path = composed(path)
        if self._literal and (named := self._literal.intersection(_above(path))):
            self._named |= named
            return True
        found = bool(self._globs and self._globs.fullmatch(path))
        if found and self._unmatched:
            self._note_match(path)
        return found

    def unmatched(self) -> list[str]:
        """The patterns, and the files of paths, that have matched no path so far."""
        files = () if self._named else self._files
        return [*self._unmatched, *(f"@{path}" for path in files)]

    def unnamed(self) -> list[str]:
        """The paths in files that have matched none so far, where others have."""
        if not self._named:
            return []
        return sorted(path for path in self._literal if not self._named.intersection(_above(path)))

    def _note_match(self, path: str) -> None:
        """Strike off what matches `path` or is in it: a folder that is left out is not entered."""
        for glob, compiled in list(self._unmatched.items()):
            if compiled.fullmatch(path) or glob.removeprefix("./").startswith(f"{path}/"):
                del self._unmatched[glob]


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
    body = composed(glob).removeprefix("./").strip("/")
    anchored = "/" in body or glob.startswith(("/", "./"))
    translated = re.sub(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", _translated, body, flags=re.DOTALL)
    return translated if anchored else f"(?:.*/)?{translated}"


def _translated(match: re.Match[str]) -> str:
    token = match[0]
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in known:
        return known[token]
    if len(token) > 1:
        negated = token[1] == "!"
        inside = re.sub(r"([\[\\&|~])", r"\\\1", token[2 if negated else 1 : -1])
        return f"[{'^' if negated else ''}{inside}]"
    return re.escape(token)
