"""Trees of files: planted for a test, and compared to tell that nothing in them changed."""

import os
import stat
import tarfile
import zipfile

from support.images import photo, write


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


def class_folders(root, counts, size=(24, 32), extension=".png"):
    """root/CLASS/NN.png for each class and count; every image is a different one."""
    seed = 0
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            write(root / name / f"{number:02}{extension}", photo(*size, seed=seed))
    return root


def hard_links(folder, files, count):
    """`count` names in class folders a and b for the files given, in turn."""
    for label in "ab":
        (folder / label).mkdir(parents=True)
    for number in range(count):
        source = files[number % len(files)]
        os.link(source, folder / "ab"[number % 2] / f"{number:07}{source.suffix}")
    return folder


def snapshot(root, *, metadata=False):
    """Relative path → bytes of every file below `root`, the target of a link, None for others.

    metadata: mode, owner, size and mtime too, also of `root` itself (as "."). Links are not
    followed; FIFOs, sockets and devices are not opened.
    """
    found = {".": _facts(root)} if metadata else {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(folder, name)
            content = _content(path)
            found[os.path.relpath(path, root)] = (_facts(path), content) if metadata else content
    return found


def _facts(path):
    facts = os.lstat(path)
    size = None if stat.S_ISDIR(facts.st_mode) else facts.st_size
    return facts.st_mode, facts.st_uid, size, facts.st_mtime_ns


def _content(path):
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if not stat.S_ISREG(mode) or not os.access(path, os.R_OK):
        return None
    with open(path, "rb") as file:
        return file.read()


def pack(path, folder, files, compression=zipfile.ZIP_STORED):
    """An archive, by its extension, of files with their paths below `folder`."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", compression) as archive:
            for each in files:
                archive.write(each, each.relative_to(folder))
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
            for each in files:
                archive.add(each, each.relative_to(folder))
    return path
