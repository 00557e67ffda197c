"""CRC-32 is the same by every implementation."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import python

from imgmem.core.storage import crc


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_the_values_are_those_of_zlib(data, start):
    assert crc.crc32(data, start) == zlib.crc32(data, start)
    assert crc.crc32(memoryview(data)) == zlib.crc32(data)


def test_zlib_stands_in_where_zlib_ng_is_not_installed():
    script = "import sys; sys.modules['zlib_ng'] = None\nfrom imgmem.core.storage import crc\n"
    assert python(script + "print(crc.crc32.__module__)").stdout.strip() == "zlib"


def test_zlib_ng_is_taken_where_it_is_installed():
    pytest.importorskip("zlib_ng")
    assert crc.crc32.__module__ == "zlib_ng.zlib_ng"
