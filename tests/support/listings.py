"""Small trees of files, and what a source lists of them."""

import os

from imgmem.core.sources import open_source


def plant(root, *names, data=b"image"):
    """Make a file of each "/"-separated name in `root`; a name that ends in "/" is a folder."""
    for name in names:
        path = os.path.join(os.fsencode(root), name if isinstance(name, bytes) else name.encode())
        folder = path if path.endswith(b"/") else os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        if not path.endswith(b"/"):
            with open(path, "wb") as file:
                file.write(data)
    return root


def listed(path, **options):
    """Name → Entry of everything that the source at `path` lists."""
    source = open_source(str(path), **options)
    try:
        entries = list(source.entries())
    finally:
        source.close()
    assert len({entry.name for entry in entries}) == len(entries)
    return {entry.name: entry for entry in entries}


def placed(path, **options):
    """Name → (label, split)."""
    return {name: (e.label, e.split) for name, e in listed(path, **options).items()}


def exhausted(path, **options):
    """The source at `path`, closed, after all its entries were listed: for what it says."""
    source = open_source(str(path), **options)
    try:
        for _ in source.entries():
            pass
    finally:
        source.close()
    return source
