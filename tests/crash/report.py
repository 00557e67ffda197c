"""Counts of all crash tests, and how many of them went wrong: `python tests/crash/report.py`.

Takes about half an hour for everything; `--sample` looks at a fixed sample of the points.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from crash_cases import FAMILIES, build_cases, normalize_cases, other_cases
from crash_checks import (
    damages,
    failures,
    is_missed,
    kills,
    power_cuts,
    power_cuts_after_kills,
    sync_sites,
)
from crash_harness import Scratch


def main(sample):
    few = 5 if sample else None
    checks = {
        "(a) kills": lambda s, c: kills(s, c, limit=few, second=1 if sample else 5),
        "(b) power cuts": lambda s, c: power_cuts(s, c, limit=few, seeds=4 if sample else 40),
        "(b) after a kill": lambda s, c: power_cuts_after_kills(s, c, kills=few, limit=few or 20),
        "(c) failing calls": lambda s, c: failures(s, c, limit=few),
        "(g) damage": lambda s, c: damages(s, c, limit=few or 1000),
    }
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        base = Path(directory)
        sizes = (4, 1) if sample else (21, 9, 4, 1)
        cases = [*normalize_cases(base, sizes), *other_cases(base), *build_cases(base)]
        scratch = Scratch(base / "scratch")
        for family in FAMILIES:
            for name, check in checks.items():
                concerned = [case for case in cases if case.family == family]
                trials = [trial for case in concerned for trial in check(scratch, case)]
                problems = [trial for trial in trials if trial.problem]
                wrong += len(problems)
                print(f"{name:<20}{family:<16}{len(trials):>7} tried, {len(problems)} wrong")
        if not sample:
            wrong += mutations(scratch, cases)
        scratch.close()
    print(f"silent differences: {wrong}")
    return wrong > 0


def mutations(scratch, cases):
    by_site = {}
    for case in sorted(cases, key=lambda case: len(str(case.start))):
        for site in sync_sites(scratch, case):
            by_site.setdefault(site, []).append(case)
    kept = sum(not is_missed(scratch, concerned, site) for site, concerned in by_site.items())
    print(f"(e) left-out syncs  {len(by_site)} tried, {kept} not noticed")
    return kept


if __name__ == "__main__":
    sys.exit(main("--sample" in sys.argv))
