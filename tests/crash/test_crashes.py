"""Kills, power cuts, failing calls and damage, at every point that the protocols have.

Without --full a sample of the points is tried, with --all a larger one by the seed of the day; the
numbers that are promised are those of --full. `python tests/crash/report.py` prints them.
"""

from math import ceil

import pytest
from support.crash.cases import FAMILIES
from support.crash.checks import (
    cases_by_sync,
    damages,
    failures,
    is_missed,
    kills,
    power_cuts,
    power_cuts_after_kills,
    some,
)

PROMISED = ("build", "update", "widening", "same size", "undo")


def problems(trials):
    """(number of trials, the first few that went wrong)."""
    trials = list(trials)
    return len(trials), [(t.what, t.problem[-500:]) for t in trials if t.problem][:3]


def check(cases, family, trials_of, least):
    count, wrong = problems(trial for case in cases[family] for trial in trials_of(case))
    assert not wrong
    assert family not in PROMISED or count >= least


def share(total, cases):
    """How many of `total` trials each of the cases gets."""
    return ceil(total / len(cases))


@pytest.mark.parametrize("family", FAMILIES)
def test_killed_anywhere_it_resumes_to_the_same_bytes(cases, scratch, by_tier, family):
    """(a) Also in mid-write, also when the recovery is killed."""
    limit, second, least = by_tier((12, 1, 30), (40, 1, 100), (None, 2, 1000))
    size = {"limit": limit, "second": second}
    check(cases, family, lambda case: kills(scratch, case, **size), least)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_power_loss_anywhere_costs_nothing(cases, scratch, by_tier, family):
    """(b) Whatever of the unsynced writes and names has arrived, in part or out of order."""
    limit, seeds, least = by_tier((20, 4, 40), (80, 8, 150), (share(3000, cases[family]), 40, 2000))
    check(cases, family, lambda case: power_cuts(scratch, case, limit=limit, seeds=seeds), least)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_power_loss_after_a_kill_and_a_second_run_costs_nothing(cases, scratch, by_tier, family):
    """(b) What the killed run had not synced is not taken for durable by the next."""
    limit, syncs = by_tier((3, 5), (4, 6), (8, 8))
    size = {"limit": limit, "kills": syncs}
    check(cases, family, lambda case: power_cuts_after_kills(scratch, case, **size), 30)


@pytest.mark.parametrize(("family", "name"), [("build", "overwrite"), ("update", "plain")])
def test_what_a_killed_build_completed_is_durable_before_it_replaces(cases, scratch, family, name):
    """(b) Killed before the name of `dataset.json` was, and the next run only publishes it."""
    (case,) = (case for case in cases[family] if case.name == name)
    count, wrong = problems(power_cuts_after_kills(scratch, case, at="write_record"))
    assert count > 20 and not wrong


@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_call_fails_nothing_is_lost(cases, scratch, by_tier, family):
    """(c) ENOSPC, EDQUOT, EIO, short writes, once and for good; failed syncs are not trusted."""
    limit = by_tier(15, 60, None)
    check(cases, family, lambda case: failures(scratch, case, limit=limit), 30)


@pytest.mark.parametrize("family", (*PROMISED, "turned midway"))
def test_no_damage_during_the_transition_goes_unnoticed(cases, scratch, by_tier, family):
    """(g) Flips, cuts and growth of data and journal are refused, or make no difference."""
    least = by_tier(30, 150, 1000)
    limit = share(least, cases[family])
    check(cases, family, lambda case: damages(scratch, case, limit=limit), least)


def test_no_sync_can_be_left_out(cases, scratch, by_tier):
    """(e) Each sync in the code taken away, in turn, is noticed by the power cuts above."""
    families = by_tier(("on read", "new dataset"), FAMILIES, FAMILIES)
    by_site = cases_by_sync(scratch, [case for family in families for case in cases[family]])
    tried = some(by_site.items(), by_tier(None, 8, None))
    missed = [site for site, concerned in tried if not is_missed(scratch, concerned, site)]
    assert len(by_site) > by_tier(3, 30, 30)
    assert not missed
