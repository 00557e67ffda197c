"""The SOURCE arguments of a command: one path or several, and what tells several apart."""

import os
from collections.abc import Iterable, Sequence

from imgmem.core.errors import UsageError
from imgmem.core.messages import command, option
from imgmem.core.paths import SourcePaths, absolute, is_inside, source_path
from imgmem.core.sources.grammar import as_part
from imgmem.core.sources.names import IMAGE_EXTENSIONS
from imgmem.core.sources.tables.reader import is_table


def source_paths(source: SourcePaths, name: str = "SOURCE") -> tuple[str, ...]:
    """The paths of one SOURCE or several, as given. Raises UsageError for none at all."""
    given = [source] if isinstance(source, str | os.PathLike) else list(source)
    if not given:
        raise UsageError(f"there is no {name}", hint="Give at least one path.")
    return tuple(source_path(each, name) for each in given)


def require_no_images(paths: Sequence[str], called: str, *rest: str) -> None:
    """UsageError for image files as sources, with the command for their folder.

    called, rest: the command that was called, and its arguments after SOURCE.
    """
    images = [path for path in paths if _extension(path) in IMAGE_EXTENSIONS and _is_file(path)]
    if not images:
        return
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in images])
    shown = folder if os.path.isabs(images[0]) else os.path.relpath(folder)
    endings = sorted({os.path.splitext(path)[1] for path in images})
    globs = ",".join(as_part(f"*{ending}") for ending in endings)
    if len(images) == 1:
        globs = as_part(os.path.basename(images[0]))
    others = ["OUT" if _extension(path) in IMAGE_EXTENSIONS else path for path in rest]
    what = "is an image" if len(images) == 1 else f"and {len(images) - 1} more are images"
    raise UsageError(
        f"{images[0]} {what}, where SOURCE is a folder, an archive, a list or a dataset",
        hint=f"Give the folder: {command(called, shown, *others, include=globs)}",
        images=len(images),
    )


def prefixes(paths: Sequence[str]) -> dict[str, str]:
    """Prefix → path of several sources: the shortest end of each that no other path has.

    Raises UsageError for a path that is given twice, or lies in another.
    """
    _require_apart(paths)
    parts = {path: absolute(path).strip(os.sep).split(os.sep) for path in paths}
    found: dict[str, str] = {}
    for least in range(1, max(map(len, parts.values())) + 1):
        found = {path: _shortest(path, parts, least) for path in paths}
        if not _nested(found.values()):
            break
    return {prefix: path for path, prefix in found.items()}


def _shortest(path: str, parts: dict[str, list[str]], least: int) -> str:
    """The last folders of a path, at least so many, and as many as tell it from the others."""
    own = parts[path]
    for count in range(least, len(own)):
        if not any(other[-count:] == own[-count:] for name, other in parts.items() if name != path):
            return "/".join(own[-count:])
    return "/".join(own)


def _nested(prefixes: Iterable[str]) -> bool:
    """Whether a path below one prefix may be a path below another."""
    found = list(prefixes)
    return any(a != b and b.startswith(f"{a}/") for a in found for b in found)


def _require_apart(paths: Sequence[str]) -> None:
    for at, path in enumerate(paths):
        for other in paths[:at]:
            _require_two_apart(path, other)
            _require_two_apart(other, path)


def _require_two_apart(path: str, other: str) -> None:
    if os.path.realpath(path) == os.path.realpath(other):
        raise UsageError(f"SOURCE {path} is given twice", hint="Give it once.")
    whole = os.path.isdir(path) or is_table(path)
    if whole and os.path.isdir(other) and is_inside(path, other):
        raise UsageError(
            f"SOURCE {path} is inside SOURCE {other}: its images would count twice",
            hint=f"Give one of them, or parts of it with {option('include')}.",
        )


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower().removeprefix(".")


def _is_file(path: str) -> bool:
    return os.path.isfile(path)
