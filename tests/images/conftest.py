"""Images are decoded under the settings that operations make."""

import pytest

from imgmem.core.machine import process


@pytest.fixture(scope="session", autouse=True)
def settings():
    with process.settings():
        yield
