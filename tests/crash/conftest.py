"""Cases and a scratch directory, made once for all crash tests of a process."""

import pytest
from support.crash.cases import all_cases
from support.crash.harness import Scratch


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    scratch = Scratch(tmp_path_factory.mktemp("scratch"))
    yield scratch
    scratch.close()


@pytest.fixture(scope="session")
def cases(tmp_path_factory, by_tier):
    """Every case by family: with --all and --full of more sizes, and all kinds of updates."""
    base = tmp_path_factory.mktemp("cases")
    sizes = by_tier((10, 1), (10, 4, 1), (21, 9, 4, 1))
    found = {}
    for case in all_cases(base, sizes):
        found.setdefault(case.family, []).append(case)
    found["update"] = found["update"][:: by_tier(2, 1, 1)]
    return found
