"""Sources that are closed when the test ends."""

from contextlib import ExitStack

import pytest

from imgmem.core.sources import open_source


@pytest.fixture
def opened():
    """`open_source` for a path of any type."""
    with ExitStack() as stack:

        def open_and_remember(path, **options):
            source = open_source(str(path), **options)
            stack.callback(source.close)
            return source

        yield open_and_remember
