"""The program that `make bench` holds the sweep against makes the same calls and comes to the same states: else the comparison means nothing."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from perf import floor, runs, sweep

from .organization import ROOT

BINARIES = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", str(ROOT / "target" / "debug")))
# One account of every fate, pages that are not full, and a resource whose copies are older than the newest backups.
SMALL = floor.Estate(8, vaults=2, points=9, resources=3, page=5)


@pytest.fixture(scope="module")
def ours() -> runs.Run:
    return runs.guardian(SMALL, binaries=BINARIES)


@pytest.fixture(scope="module")
def theirs() -> runs.Run:
    return runs.twin(SMALL, binaries=BINARIES)


def test_both_make_the_fewest_calls(ours: runs.Run, theirs: runs.Run) -> None:
    sweep.same_calls(SMALL, ours, "guardian sweep")
    sweep.same_calls(SMALL, theirs, "the program in boto3")


def test_both_come_to_the_same_states(ours: runs.Run, theirs: runs.Run) -> None:
    assert ours.states == theirs.states
    # Every ill of the estate is there, in each Region once; so a program that says the same of everything is not the same.
    ill = {"stale": 2, "never-copied": 2, "unprotected": 2, "selected-never-backed-up": 2}
    assert Counter(ours.states.values()) == Counter({"protected": 8 * 2 * 2 * 3 - 6, **ill})


def test_what_is_not_the_same_is_told(ours: runs.Run, theirs: runs.Run) -> None:
    resource = next(iter(theirs.states))
    with pytest.raises(RuntimeError, match="1 states differ"):
        sweep.same_states(ours, replace(theirs, states=theirs.states | {resource: "unknown"}))
    log = theirs.log | {"by_operation": theirs.log["by_operation"] | {"backup:ListTags": 1}}
    with pytest.raises(RuntimeError, match="backup:ListTags: 1 instead of 0"):
        sweep.same_calls(SMALL, replace(theirs, log=log), "the program in boto3")


def test_the_floor_is_that_of_the_published_limits() -> None:
    # 1,002 accounts at 5 a second after 8 at once; nothing else comes near.
    first, second, *_ = floor.bounds(floor.Estate(1000), 0.08)
    assert first.by == "organizations:DescribeEffectivePolicy"
    assert first.seconds == pytest.approx((1002 - 8) / 5 + 0.08)
    assert second.seconds < first.seconds / 10
    # The reference of a sweep: sessions, lists of vaults, lists of points.
    counts = floor.by_operation(floor.Estate(1000))
    assert counts["sts:AssumeRole"] == 1002 and counts["backup:ListBackupVaults"] == 2004
    assert counts["backup:ListRecoveryPointsByBackupVault"] == 6000 + 2 * 60
