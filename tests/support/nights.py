"""A folder of small images that changes from night to night."""

import os
import shutil

from support.images import photo, write

CHANGES = ("add", "copy", "remove", "rename", "replace", "replace by a copy", "regroup", "merge")
MORE = (*CHANGES, "touch", "relabel", "break", "mend", "new class", "replace by an older one")
LONG_AGO = (10**9, 10**9)


class Photos:
    """`root/CLASS/NAME.bmp`, all files of one size; with groups, in the table `table` too.

    labels: of each name; in the table, another than its folder where it was relabeled.
    renamed: name → the name before, of those that were renamed since `begin_night`.
    """

    def __init__(self, root, *, images=12, table=None):
        self.root, self.table = root, table
        self.groups, self.labels, self.renamed, self._made = {}, {}, {}, 0
        for number in range(images):
            self._add("ab"[number % 2], f"g{number % 5}")
        self._write_table()

    @property
    def names(self):
        return sorted(self.groups)

    def begin_night(self):
        self.renamed = {}

    def change(self, kind, number):
        """One of MORE, to the image and the group that `number` chooses."""
        names = self.names
        name, other = names[number % len(names)], names[number // 7 % len(names)]
        getattr(self, f"_do_{kind.replace(' ', '_')}")(name, other, number)
        self._write_table()

    def _do_add(self, name, other, number):
        self._add(self.labels[other], f"g{number % 9}")

    def _do_new_class(self, name, other, number):
        self._add("cZd"[number % 3] + "a" * (number % 2), "g0")

    def _do_copy(self, name, other, number):
        self._copy(name, self._new_name(self.labels[name]), self.groups[name])

    def _do_remove(self, name, other, number):
        if len(self.names) > 6:
            self._remove(name)

    def _do_rename(self, name, other, number):
        self._rename(name, self._new_name(self.labels[other]))

    def _do_relabel(self, name, other, number):
        if self.table is None:
            self._do_rename(name, other, number)
        else:
            self.labels[name] = self.labels[other]

    def _do_replace(self, name, other, number):
        self._draw(name)

    def _do_replace_by_a_copy(self, name, other, number):
        if name != other:
            self._copy(other, name, self.groups[name])

    def _do_regroup(self, name, other, number):
        self.groups[name] = self.groups[other]

    def _do_merge(self, name, other, number):
        merged, into = self.groups[name], self.groups[other]
        self.groups = {n: into if group == merged else group for n, group in self.groups.items()}

    def _do_touch(self, name, other, number):
        os.utime(self.root / name)

    def _do_break(self, name, other, number):
        """Of the same size, and not an image."""
        data = (self.root / name).read_bytes()
        (self.root / name).write_bytes(b"\0\0" + data[2:])

    def _do_mend(self, name, other, number):
        self._draw(name)

    def _do_replace_by_an_older_one(self, name, other, number):
        self._draw(name)
        os.utime(self.root / name, LONG_AGO)

    def facts(self):
        """All that decides the dataset: the bytes, the label and the group of each image."""
        return {
            name: ((self.root / name).read_bytes(), self.labels[name], self.groups[name])
            for name in self.names
        }

    def _new_name(self, label):
        self._made += 1
        return f"{label}/{self._made:04}.bmp"

    def _add(self, label, group):
        name = self._new_name(label)
        self._draw(name)
        self.groups[name], self.labels[name] = group, label

    def _draw(self, name):
        self._made += 1
        write(self.root / name, photo(4, 4, seed=self._made))

    def _copy(self, name, new, group):
        (self.root / new).parent.mkdir(exist_ok=True)
        shutil.copy2(self.root / name, self.root / new)
        self.groups[new], self.labels[new] = group, self.labels.get(new, self.labels[name])

    def _remove(self, name):
        (self.root / name).unlink()
        self._remove_empty(name)
        del self.groups[name], self.labels[name]
        self.renamed.pop(name, None)

    def _rename(self, name, new):
        (self.root / new).parent.mkdir(exist_ok=True)
        os.replace(self.root / name, self.root / new)
        self._remove_empty(name)
        self.groups[new] = self.groups.pop(name)
        label = self.labels.pop(name)
        self.labels[new] = label if self.table is not None else new.partition("/")[0]
        self.renamed[new] = self.renamed.pop(name, name)

    def _remove_empty(self, name):
        folder = (self.root / name).parent
        if not any(folder.iterdir()):
            folder.rmdir()

    def _write_table(self):
        if self.table is not None:
            lines = [f"{n},{self.labels[n]},{g}" for n, g in sorted(self.groups.items())]
            self.table.write_text("\n".join(["path,label,patient", *lines]) + "\n")
