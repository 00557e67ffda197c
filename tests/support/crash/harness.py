"""A model of a disk under `durable`: kills, power cuts, failing calls, left-out syncs.

`Disk` holds every file twice: as the page cache has it (what a process sees) and as the disk
has it (what survives a power cut), with the changes in between that no sync has made durable.
`Recorder` takes the place of the operating system in `durable`: it does the calls on real
files and keeps a `Disk` in step, and can kill, fail or leave out any of them.

POSIX promises no more than this: fsync of a file makes its data durable, not its name;
fsync of a directory its names, not the data; what is not synced may be there, in part (in
sectors), or not, in any order; after a failed fsync it may be lost for good.
"""

import copy
import errno
import os
import random
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field

from imgmem.core.storage import durable
from imgmem.core.storage.system import System

SECTOR = 16
"""The unit in which writes are torn: far less than any disk's, since the cases are tiny."""


class Killed(BaseException):
    """SIGKILL: nothing of the process runs on, so every later call raises it again."""


@dataclass
class File:
    """A file's bytes: `live` in the page cache, `safe` on the disk, `pending` between them."""

    live: bytearray = field(default_factory=bytearray)
    safe: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)  # ("write", offset, data) or ("size", size)

    def change(self, change):
        _apply(self.live, change)
        self.pending.append(change)

    def sync(self):
        for change in self.pending:
            _apply(self.safe, change)
        self.pending = [change for change in self.pending if change[0] == "lost"]

    def lose(self):
        """A sync has failed: the kernel takes the pages for clean now, and never writes them."""
        self.pending = [("lost", change) for change in self.pending]

    def after_power_cut(self, keep):
        """The bytes on the disk if of the pending changes only those that `keep` keeps arrive."""
        data = bytearray(self.safe)
        for number, change in enumerate(self.pending):
            plain = change[1] if change[0] == "lost" else change
            for part in _parts(plain):
                if keep(self, number, len(self.pending)):
                    _apply(data, part)
        return bytes(data)


def _apply(data, change):
    kind, *arguments = change
    if kind == "write":
        offset, new = arguments
        data.extend(bytes(max(0, offset + len(new) - len(data))))
        data[offset : offset + len(new)] = new
    elif kind == "size":
        size = arguments[0]
        del data[size:]
        data.extend(bytes(size - len(data)))


def _parts(change):
    """A write arrives sector by sector."""
    if change[0] != "write":
        return [change]
    _, offset, data = change
    return [("write", offset + at, data[at : at + SECTOR]) for at in range(0, len(data), SECTOR)]


@dataclass
class Directory:
    """A directory's names, likewise; a pending change is a dict of name → node (None: gone)."""

    live: dict = field(default_factory=dict)
    safe: dict = field(default_factory=dict)
    pending: list = field(default_factory=list)

    def change(self, change):
        _rename(self.live, change)
        self.pending.append(change)

    def sync(self):
        later = [c for c in self.pending if isinstance(c, Departure) and not c.has_arrived]
        for change in self.pending:
            if not any(change is each for each in later):
                _rename(self.safe, change)
        self.pending = later

    def after_power_cut(self, keep):
        names = dict(self.safe)
        for number, change in enumerate(self.pending):
            if self._is_kept(number, change, keep):
                _rename(names, change)
        return {name: node.after_power_cut(keep) for name, node in names.items()}

    def _is_kept(self, number, change, keep):
        if isinstance(change, Departure) and not change.has_arrived:
            into = change.into
            there = next(i for i, c in enumerate(into.pending) if c is change.arrival)
            if not into._is_kept(there, change.arrival, keep):
                return False
        return keep.decides(self, number, len(self.pending), change)


class Fates:
    """What a power cut keeps, decided once for every change to a directory."""

    def __init__(self, keep):
        self._keep = keep
        self._found = {}

    def __call__(self, *arguments):
        return self._keep(*arguments)

    def decides(self, node, number, count, change):
        if id(change) not in self._found:
            self._found[id(change)] = self._keep(node, number, count)
        return self._found[id(change)]


class Departure(dict):
    """A name that leaves for another directory: never before it has arrived there.

    That is less than journaling file systems promise (both at once), and all that is relied on.
    """

    def __init__(self, name, into, arrival):
        super().__init__({name: None})
        self.into = into
        self.arrival = arrival

    @property
    def has_arrived(self):
        return not any(change is self.arrival for change in self.into.pending)


def _rename(names, change):
    for name, node in change.items():
        names.pop(name, None)
        if node is not None:
            names[name] = node


class Disk:
    """A directory tree, live and safe. `load` takes a tree of bytes and dicts as all safe."""

    def __init__(self, tree):
        self.root = _node(tree)

    def find(self, parts):
        node = self.root
        for part in parts:
            node = node.live[part]
        return node

    def live(self):
        return _live(self.root)

    def after_power_cut(self, keep):
        return self.root.after_power_cut(Fates(keep))

    def copy(self):
        return copy.deepcopy(self)


def _node(tree):
    if isinstance(tree, bytes):
        return File(bytearray(tree), bytearray(tree))
    names = {name: _node(inner) for name, inner in tree.items()}
    return Directory(dict(names), dict(names))


def _live(node):
    if isinstance(node, File):
        return bytes(node.live)
    return {name: _live(inner) for name, inner in node.live.items()}


def read_tree(path):
    """A real directory as a tree of bytes and dicts."""
    return {
        entry.name: read_tree(entry) if entry.is_dir() else _read(entry)
        for entry in os.scandir(path)
    }


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def write_tree(path, tree):
    """A tree as a real directory, which must not be there yet."""
    os.mkdir(path)
    for name, inner in tree.items():
        place = os.path.join(path, name)
        if isinstance(inner, dict):
            write_tree(place, inner)
        else:
            with open(place, "wb") as file:
                file.write(inner)


def remove_tree(path):
    for entry in os.scandir(path):
        if entry.is_dir():
            remove_tree(entry)
        else:
            os.unlink(entry)
    os.rmdir(path)


@dataclass
class Plan:
    """What is to go wrong, by the number of the call (or the place in the code).

    kill: the process dies before this call; torn: half of that call's write still arrives.
    fail: number → errno, or "short" for a short write; sticky: every later call fails too.
    without: a sync that the code is thought not to have.
    """

    kill: int | None = None
    torn: bool = False
    fail: int | None = None
    error: int | str = errno.EIO
    sticky: bool = False
    without: tuple | None = None


class Recorder(System):
    """The system calls on a real directory `root`, with a `Disk` kept in step.

    calls: (name, site) of every call so far; a site is where in imgmem it comes from.
    watch: called with the disk before each call.
    """

    def __init__(self, root, disk, plan=None, watch=None):
        self.root = os.path.realpath(root)
        self.disk = disk
        self.plan = plan or Plan()
        self.watch = watch
        self.calls = []
        self._nodes = {}
        self._dead = False

    # each call: `_call` decides its fate, then it is done for real, then in the model

    def open(self, path, flags):
        if not flags & os.O_CREAT:
            if self._dead:
                raise Killed
            fd = super().open(path, flags)
        else:
            self._call("create", path)
            fd = super().open(path, flags)
            self._parent(path).change({os.path.basename(path): File()})
        self._nodes[fd] = self.disk.find(self._parts(path))
        return fd

    def pwrite(self, fd, data, offset):
        fate = self._call("write", None)
        if fate in ("torn", "short"):
            data = data[: max(1, len(data) // 2)]
        written = super().pwrite(fd, data, offset)
        self._nodes[fd].change(("write", offset, bytes(data[:written])))
        if fate == "torn":
            self._die()
        return written

    def allocate(self, fd, offset, length):
        self._call("allocate", None)
        super().allocate(fd, offset, length)
        self._nodes[fd].change(("size", offset + length))

    def truncate(self, fd, size):
        self._call("truncate", None)
        super().truncate(fd, size)
        self._nodes[fd].change(("size", size))

    def sync(self, fd):
        try:
            fate = self._call("sync", None)
        except OSError:
            node = self._nodes[fd]
            if isinstance(node, File):
                node.lose()
            raise
        if fate != "without":
            self._nodes[fd].sync()

    def close(self, fd):
        super().close(fd)

    def rename(self, source, target):
        self._call("rename", source)
        super().rename(source, target)
        parent, into = self._parent(source), self._parent(target)
        old, new = os.path.basename(source), os.path.basename(target)
        if parent is into:
            parent.change({old: None, new: parent.live[old]})
        else:
            arrival = {new: parent.live[old]}
            into.change(arrival)
            parent.change(Departure(old, into, arrival))

    def exchange(self, one, other):
        self._call("exchange", one)
        super().exchange(one, other)
        parent = self._parent(one)
        first, second = os.path.basename(one), os.path.basename(other)
        parent.change({first: parent.live[second], second: parent.live[first]})

    def unlink(self, path):
        if not os.path.lexists(path):
            raise FileNotFoundError(path)
        self._call("unlink", path)
        super().unlink(path)
        self._parent(path).change({os.path.basename(path): None})

    def mkdir(self, path):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "File exists", path)
        self._call("mkdir", path)
        super().mkdir(path)
        self._parent(path).change({os.path.basename(path): Directory()})

    def rmdir(self, path):
        self._call("rmdir", path)
        super().rmdir(path)
        self._parent(path).change({os.path.basename(path): None})

    def _call(self, name, path):
        """Note a call and decide its fate; raises if it is to fail or the process to die."""
        if self._dead:
            raise Killed
        number, site = len(self.calls), _site()
        self.calls.append((name, site))
        if self.watch:
            self.watch(self.disk, number)
        plan = self.plan
        if number == plan.kill:
            if plan.torn and name == "write":
                return "torn"
            self._die()
        if plan.fail is not None and (number == plan.fail or (plan.sticky and number > plan.fail)):
            if plan.error == "short":
                return "short"
            raise OSError(plan.error, os.strerror(plan.error), path)
        return "without" if plan.without is not None and site == plan.without else None

    def _die(self):
        self._dead = True
        raise Killed

    def _parts(self, path):
        relative = os.path.relpath(os.path.realpath(path), self.root)
        return [] if relative == "." else relative.split(os.sep)

    def _parent(self, path):
        return self.disk.find(self._parts(os.path.dirname(os.path.abspath(path))))


def _site():
    """Where a call comes from: the frames of imgmem from the call up to the first outside of
    `durable`, as (module, function, line)."""
    frame, site = sys._getframe(2), []
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("imgmem.") and name != "imgmem.core.storage.system":
            site.append((name.rsplit(".", 1)[1], frame.f_code.co_name, frame.f_lineno))
            if name != "imgmem.core.storage.durable":
                return tuple(site)
        frame = frame.f_back
    return tuple(site)


@contextmanager
def recording(root, disk, plan=None, watch=None):
    """Within, `durable` works on the real directory `root` through a Recorder."""
    recorder = Recorder(root, disk, plan, watch)
    before, durable._system = durable._system, recorder
    try:
        yield recorder
    finally:
        durable._system = before


def shared_memory():
    """A directory in memory, or None where the machine has none."""
    shared = "/dev/shm"
    return shared if os.path.isdir(shared) and os.access(shared, os.W_OK) else None


class Scratch:
    """A place for real directories, in memory where the machine has that."""

    def __init__(self, base):
        shared = shared_memory()
        self._base = os.path.join(shared, f"imgmem-{os.getpid()}") if shared else str(base)
        os.makedirs(self._base, exist_ok=True)
        self._count = 0

    @contextmanager
    def tree(self, tree):
        """A real directory with the contents of `tree`, for as long as it is needed."""
        self._count += 1
        path = os.path.join(self._base, str(self._count))
        write_tree(path, tree)
        try:
            yield path
        finally:
            remove_tree(path)

    def close(self):
        os.rmdir(self._base)


def keep_none(*_):
    return False


def keep_all(*_):
    return True


def keep_names(node, *_):
    return isinstance(node, Directory)


def keep_data(node, *_):
    return isinstance(node, File)


def keep_newest(_, number, count):
    """Only the last change to each file and directory arrives: all earlier ones overtaken."""
    return number == count - 1


def keep_all_but_newest(_, number, count):
    return number < count - 1


def keep_removals(node, number, _):
    """Names that went are gone, whatever else was to come or to leave for another directory."""
    if not isinstance(node, Directory):
        return False
    change = node.pending[number]
    return not isinstance(change, Departure) and not any(change.values())


POLICIES = (
    keep_none, keep_all, keep_names, keep_data, keep_newest, keep_all_but_newest, keep_removals,
)  # fmt: skip
"""Power cuts that are looked at everywhere, beside the random ones."""


def keep_at_random(seed):
    """Each change (each sector of a write) arrives, or not; how likely differs by seed."""
    chance = random.Random(seed)
    share = chance.choice((0.2, 0.5, 0.8))
    return lambda *_: chance.random() < share
