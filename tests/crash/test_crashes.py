"""Kills, power cuts, failing calls and damage, at every point that the protocols have.

Without --full a fixed sample of the points is looked at; the numbers that are promised are those
of --full. `python tests/crash/report.py` prints them.
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
)

PROMISED = ("build", "widening", "same size", "undo")


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
def test_killed_anywhere_it_goes_on_to_the_same_bytes(cases, scratch, full, family):
    """(a) Also in mid-write, also when the recovery is killed."""
    size = {"limit": None, "second": 2} if full else {"limit": 12, "second": 1}
    check(cases, family, lambda case: kills(scratch, case, **size), 1000 if full else 30)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_power_cut_anywhere_costs_nothing(cases, scratch, full, family):
    """(b) Whatever of the unsynced writes and names has arrived, in part or out of order."""
    limit, seeds = (share(3000, cases[family]), 40) if full else (20, 4)
    least = 2000 if full else 40
    check(cases, family, lambda case: power_cuts(scratch, case, limit=limit, seeds=seeds), least)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_power_cut_after_a_kill_and_a_second_run_costs_nothing(cases, scratch, full, family):
    """(b) What the killed run had not synced is not taken for durable by the next."""
    size = {"limit": 8, "kills": 8} if full else {"limit": 3, "kills": 5}
    check(cases, family, lambda case: power_cuts_after_kills(scratch, case, **size), 30)


@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_call_fails_nothing_is_lost(cases, scratch, full, family):
    """(c) ENOSPC, EDQUOT, EIO, short writes, once and for good; failed syncs are not trusted."""
    check(cases, family, lambda case: failures(scratch, case, limit=None if full else 15), 30)


@pytest.mark.parametrize("family", ["build", "widening", "same size", "undo", "turned midway"])
def test_no_damage_during_the_transition_goes_unnoticed(cases, scratch, full, family):
    """(g) Flips, cuts and growth of data and journal are refused, or make no difference."""
    limit = share(1000 if full else 30, cases[family])
    check(cases, family, lambda case: damages(scratch, case, limit=limit), 1000 if full else 30)


def test_no_sync_can_be_left_out(cases, scratch, full):
    """(e) Each sync in the code taken away, in turn, is noticed by the power cuts above."""
    families = FAMILIES if full else ("on read", "new dataset")
    by_site = cases_by_sync(scratch, [case for family in families for case in cases[family]])
    missed = [
        site for site, concerned in by_site.items() if not is_missed(scratch, concerned, site)
    ]
    assert len(by_site) > (30 if full else 3)
    assert not missed
