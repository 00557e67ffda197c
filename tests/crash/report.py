"""Counts of all crash tests, and how many of them went wrong: `python tests/crash/report.py`.

Takes some ten minutes for everything; `--sample` looks at a fixed sample of the points.
"""

import sys
import tempfile
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.crash.cases import FAMILIES, all_cases
from support.crash.checks import (
    cases_by_sync,
    damages,
    failures,
    is_missed,
    kills,
    power_cuts,
    power_cuts_after_kills,
)
from support.crash.harness import Scratch


def main(sample):
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        sizes = (4, 1) if sample else (21, 9, 4, 1)
        cases = list(all_cases(base, sizes))
        scratch = Scratch(base / "scratch")
        for family in FAMILIES:
            concerned = [case for case in cases if case.family == family]
            for name, check in checks(sample, len(concerned)).items():
                trials = [trial for case in concerned for trial in check(scratch, case)]
                problems = [trial for trial in trials if trial.problem]
                wrong += len(problems)
                print(f"{name:<20}{family:<16}{len(trials):>7} tried, {len(problems)} wrong")
        if not sample:
            wrong += mutations(scratch, cases)
        scratch.close()
    print(f"silent differences: {wrong}")
    return wrong > 0


def checks(sample, cases):
    """What is tried with each case of a family of so many: as `test_crashes.py` with --full."""
    if sample:
        return {
            "(a) kills": lambda s, c: kills(s, c, limit=5, second=1),
            "(b) power cuts": lambda s, c: power_cuts(s, c, limit=5, seeds=4),
            "(b) after a kill": lambda s, c: power_cuts_after_kills(s, c, kills=5, limit=5),
            "(c) failing calls": lambda s, c: failures(s, c, limit=5),
            "(g) damage": lambda s, c: damages(s, c, limit=5),
        }
    cuts, harm = ceil(3000 / cases), ceil(1000 / cases)
    return {
        "(a) kills": lambda s, c: kills(s, c, second=2),
        "(b) power cuts": lambda s, c: power_cuts(s, c, limit=cuts, seeds=40),
        "(b) after a kill": lambda s, c: power_cuts_after_kills(s, c, kills=8, limit=8),
        "(c) failing calls": failures,
        "(g) damage": lambda s, c: damages(s, c, limit=harm),
    }


def mutations(scratch, cases):
    by_site = cases_by_sync(scratch, cases)
    kept = sum(not is_missed(scratch, concerned, site) for site, concerned in by_site.items())
    print(f"(e) left-out syncs  {len(by_site)} tried, {kept} not noticed")
    return kept


if __name__ == "__main__":
    sys.exit(main("--sample" in sys.argv))
