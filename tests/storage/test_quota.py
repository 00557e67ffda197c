"""A quota is named as such: the disk itself may have room."""

import errno
import os

import pytest

from imgmem import ResourceError
from imgmem.core.storage import durable
from imgmem.core.storage.system import System


class Refusing(System):
    """A disk on which no file may grow."""

    def __init__(self, number):
        self.number = number

    def allocate(self, *_):
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EDQUOT, "the disk quota is exceeded"), (errno.ENOSPC, "No space left on device")],
)
def test_a_refusal_while_the_disk_has_room_is_named_and_leaves_the_file_as_it_was(
    tmp_path, monkeypatch, number, said
):
    monkeypatch.setattr(durable, "_system", Refusing(number))
    with durable.File(str(tmp_path / "X.npy"), create=True) as file:
        with pytest.raises(ResourceError) as caught:
            file.allocate(4096)
        assert file.size() == 0
    assert f"4.0 KiB needed, {said}" in caught.value.message
    assert "missing" not in caught.value.message
    assert "quota" in caught.value.hint
