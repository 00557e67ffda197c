"""What a tree of files is, so that a test can tell that nothing in it was touched."""

import hashlib
import os
import stat


def fingerprint(root):
    """Name (bytes) → kind, mode, owner, size, mtime and content of everything in `root`, which
    itself counts too. Links are not followed; FIFOs, sockets and devices are not opened."""
    found = {b"": _facts(os.fsencode(root))}
    for folder, folders, names in os.walk(os.fsencode(root)):
        for name in folders + names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, os.fsencode(root))] = _facts(path)
    return found


def _facts(path):
    facts = os.lstat(path)
    size = None if stat.S_ISDIR(facts.st_mode) else facts.st_size
    return facts.st_mode, facts.st_uid, size, facts.st_mtime_ns, _content(path, facts.st_mode)


def _content(path, mode):
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if not stat.S_ISREG(mode) or not os.access(path, os.R_OK):
        return None
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
