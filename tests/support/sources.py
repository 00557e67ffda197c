"""What a source lists and reads."""

from contextlib import closing

from imgmem.core.sources import open_source
from imgmem.core.sources.settle import settle
from imgmem.core.specs import LabelSpec


def listed(path, **options):
    """Name → Entry of everything that the source at `path` lists."""
    with closing(open_source(str(path), **options)) as source:
        entries = list(source.listing().entries)
    assert len({entry.name for entry in entries}) == len(entries)
    return {entry.name: entry for entry in entries}


def placed(path, **options):
    """Name → (label, split)."""
    return {name: (e.label, e.split) for name, e in listed(path, **options).items()}


def contents(path, **options):
    """Name → bytes of everything that the source at `path` lists."""
    with closing(open_source(str(path), **options)) as source:
        return {
            entry.name: source.read(entry.name, entry.locator) for entry in source.listing().entries
        }


def exhausted(path, **options):
    """The listing of the source at `path`, which is closed: for what it reports."""
    with closing(open_source(str(path), **options)) as source:
        return source.listing()


def doubted(path, **options):
    """The doubts about the source at `path`, those about its labels too, and its labeling."""
    spec = LabelSpec(**options)
    with closing(open_source(str(path), spec)) as source:
        _, labeling = settle(source.listing(), spec)
        return labeling.doubts, labeling
