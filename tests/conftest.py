"""Options and fixtures that every test may use."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run every case, not the fixed sample")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: runs with --full only")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        for item in items:
            item.add_marker(pytest.mark.timeout(4 * 3600))
        return
    skip = pytest.mark.skip(reason="runs with --full (scripts/test --all)")
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def full(request):
    """True where every case is wanted, not the fixed sample."""
    return request.config.getoption("--full")
