"""Options and fixtures that every test may use: the three tiers, and the seed of a sample."""

import datetime

import hypothesis
import pytest
from support.crash import checks

hypothesis.settings.register_profile("imgmem", deadline=None)  # machines are busy at times
hypothesis.settings.load_profile("imgmem")


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also run slow tests, and larger samples")
    parser.addoption("--full", action="store_true", help="run every case, not a sample")
    parser.addoption("--seed", type=int, help="of samples; by default 0, with --all that of today")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: runs with --all and --full only")
    config.addinivalue_line("markers", "full: runs with --full only")
    checks.SEED = seed_of(config)


def pytest_report_header(config):
    return f"tier {tier_of(config)}, seed {seed_of(config)} (repeat with --seed)"


def pytest_collection_modifyitems(config, items):
    skipped = {"fast": ("slow", "full"), "all": ("full",), "full": ()}[tier_of(config)]
    seconds = {"fast": None, "all": 1800, "full": 4 * 3600}[tier_of(config)]
    for item in items:
        if seconds:
            item.add_marker(pytest.mark.timeout(seconds))
        for name in skipped:
            if item.get_closest_marker(name):
                option = {"slow": "--all", "full": "--full"}[name]
                item.add_marker(pytest.mark.skip(reason=f"runs with {option} only"))


def tier_of(config):
    return "full" if config.getoption("--full") else "all" if config.getoption("--all") else "fast"


def seed_of(config):
    given = config.getoption("--seed")
    if given is not None:
        return given
    return datetime.date.today().toordinal() if tier_of(config) == "all" else 0


@pytest.fixture(scope="session")
def by_tier(request):
    """by_tier(fast, all, full): the value for the tier that runs."""
    place = ("fast", "all", "full").index(tier_of(request.config))
    return lambda *values: values[place]
