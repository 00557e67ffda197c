"""What was lost of the images of a build, in sentences, with the options that settle it."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgmem.core.messages import Message, option
from imgmem.core.text import counted

_LEFT = {
    "animation": (("frame", "frames"), ("animation", "animations")),
    "pages": (("page", "pages"), ("file with several pages", "files with several pages")),
}


def pixel_hints(build: Mapping[str, Any]) -> Iterator[str]:
    """The notes for what `dataset.json` counts of a build."""
    converted = build.get("converted", {})
    for kind, left in build.get("left_out", {}).items():
        yield _left_out(kind, left, converted.get(kind, 0))
    if count := converted.get("mask-like"):
        yield Message(
            f"{counted(count, 'image')} of few colors may be masks, and resizing mixed the colors; "
            f"leave them out with {option('exclude')} if they are"
        )
    drop = f"{option('background', 'drop')} ignores transparency"
    if count := converted.get("alpha-blank"):
        white = option("background", "255,255,255")
        yield Message(
            f"{counted(count, 'transparent image')} became blank on the background: {white} lays "
            f"them on white, and {drop}"
        )
    if count := converted.get("alpha-empty"):
        yield Message(
            f"{counted(count, 'image')} transparent nearly everywhere: if the fourth band is not "
            f"transparency, {drop}"
        )


def _left_out(kind: str, left: int, files: int) -> str:
    what, where = _LEFT.get(kind, (("image", "images"), ("file", "files")))
    return f"{counted(left, *what)} left out: of {counted(files, *where)} the first is read"
