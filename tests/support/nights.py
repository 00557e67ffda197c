"""A folder of small images that changes from night to night."""

import os
import shutil

from support.images import photo, write

CHANGES = ("add", "copy", "remove", "rename", "replace", "replace by a copy", "regroup", "merge")


class Photos:
    """`root/CLASS/NAME.bmp`, all files of one size; with groups, in the table `table` too.

    renamed: name → the name before, of those that were renamed since `begin_night`.
    """

    def __init__(self, root, *, images=12, table=None):
        self.root, self.table = root, table
        self.groups, self.renamed, self._made = {}, {}, 0
        for number in range(images):
            self._add("ab"[number % 2], f"g{number % 5}")
        self._write_table()

    @property
    def names(self):
        return sorted(self.groups)

    def begin_night(self):
        self.renamed = {}

    def change(self, kind, number):
        """One of CHANGES, to the image and the group that `number` chooses."""
        names = self.names
        name, other = names[number % len(names)], names[number // 7 % len(names)]
        if kind == "add":
            self._add("ab"[number % 2], f"g{number % 9}")
        elif kind == "copy":
            self._copy(name, self._new_name(name[0]), self.groups[name])
        elif kind == "remove" and len(names) > 6:
            self._remove(name)
        elif kind == "rename":
            self._rename(name, self._new_name("ab"[number // 3 % 2]))
        elif kind == "replace":
            self._draw(name)
        elif kind == "replace by a copy" and name != other:
            self._copy(other, name, self.groups[name])
        elif kind == "regroup":
            self.groups[name] = self.groups[other]
        elif kind == "merge":
            merged = self.groups[name]
            self.groups = {n: self.groups[other] if g == merged else g
                           for n, g in self.groups.items()}  # fmt: skip
        self._write_table()

    def content(self, name):
        return (self.root / name).read_bytes()

    def _new_name(self, label):
        self._made += 1
        return f"{label}/{self._made:04}.bmp"

    def _add(self, label, group):
        name = self._new_name(label)
        self._draw(name)
        self.groups[name] = group

    def _draw(self, name):
        self._made += 1
        write(self.root / name, photo(4, 4, seed=self._made))

    def _copy(self, name, new, group):
        (self.root / new).parent.mkdir(exist_ok=True)
        shutil.copy2(self.root / name, self.root / new)
        self.groups[new] = group

    def _remove(self, name):
        (self.root / name).unlink()
        del self.groups[name]
        self.renamed.pop(name, None)

    def _rename(self, name, new):
        (self.root / new).parent.mkdir(exist_ok=True)
        os.replace(self.root / name, self.root / new)
        self.groups[new] = self.groups.pop(name)
        self.renamed[new] = self.renamed.pop(name, name)

    def _write_table(self):
        if self.table is not None:
            lines = [f"{name},{name[0]},{group}" for name, group in sorted(self.groups.items())]
            self.table.write_text("\n".join(["path,label,patient", *lines]) + "\n")
