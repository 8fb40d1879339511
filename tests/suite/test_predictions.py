"""Random changes of random topologies: people are told that a copy will fail exactly when the next one would have worked and will now fail.

Each change goes through the deployed rules to the deployed function, and so does its undoing, which is a change like any other. The lab decides how the
next copies would end before and after each, by an evaluator and a table of calls of its own, so agreement means something. What is told before a
change is made (`guardian preflight --changes`) must be the same. `GUARDIAN_SOAK=1` draws ten times as many.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from itertools import product
from typing import Any

import pytest

from .changes import OPEN, Change, Changes, Step, outcomes, together
from .guardian import WATCH, Guardian
from .organization import Inbox, Json, Lab, running_lab
from .terminal import Terminal
from .test_sweep_functions import Sweeps
from .test_topologies import Draw, Drawn, back_up, bounded, planned

SEED = 20210712
ROUTES = 30
# Copies that hang on a grant from before the first sweep.
HANGING = 4
# Routes with a job role of their own, beside those whose role is drawn as broken.
OWN_ROLES = 5
# Each is made and undone.
CHANGES = 100
BATCHES = 10 if os.environ.get("GUARDIAN_SOAK") == "1" else 1
# What AWS does not publish must stay rare.
MOST_OPEN = 0.05
TOLD = {("COMPLETED", "FAILED"): "will-fail", ("FAILED", "COMPLETED"): "will-work"}


def told_by(guardian: Guardian, inbox: Inbox, steps: list[Step]) -> dict[str, tuple[str, str]]:
    """What is told of copies after some changes, by the vault that they leave: how they will end, and how sure that is."""
    guardian.let_a_minute_pass()
    for step in steps:
        step()
    told: dict[str, tuple[str, str]] = {}
    for alert in inbox.drain():
        if alert["kind"] != "prediction":
            continue
        for route in alert["routes"]:
            vault = route["source_vault"].rsplit(":", 1)[-1]
            assert vault not in told, f"told twice: {alert['title']}"
            told[vault] = (alert["outlook"], alert["certainty"])
    inbox.tampering = []
    return told


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_change_is_told_exactly_when_it_turns_a_copy(batch: int) -> None:
    with running_lab("predictions-lab.log", whole=False) as lab:
        lab.cloudtrail_delay(0)
        guardian, draw = Guardian(lab), Draw(lab, random.Random(SEED + batch))
        guardian.set_watching(False)
        routes = [draw.route(number) for number in range(ROUTES)]
        back_up(lab, routes)
        drawing = Changes(lab, draw, routes)
        drawing.own_roles(OWN_ROLES)
        with planned(draw, routes), bounded(lab, draw.refused_by_scp), drawing.guarded():
            drawing.hang(HANGING)
            lab.idle()
            swept(lab, guardian, routes)
            guardian.set_watching(True)
            judged(lab, guardian, drawing)


def swept(lab: Lab, guardian: Guardian, routes: list[Drawn]) -> None:
    """Every route is known, and all that decides it: on a busy machine a read times out now and then, and the sweep of the next day has it."""
    for _ in range(3):
        assert Sweeps(lab).run().status == "SUCCEEDED"
        items = guardian.items(guardian.table)
        legs = [json.loads(item["leg"]) for item in items if item["sk"].startswith("leg#")]
        kept = {leg["leg"]["source_vault_arn"].rsplit(":", 1)[-1] for leg in legs}
        gaps = [gap for item in items if "held" in item for gap in unread(json.loads(item["held"]))]
        if not gaps and kept >= {drawn.vault for drawn in routes}:
            return
    raise AssertionError(f"not all was read: {gaps}, {len(kept)} of {len(routes)} vaults")


def unread(held: Any) -> list[Json]:
    """The gaps of an object that is kept, but for what does not exist."""
    if not isinstance(held, dict):
        return []
    if held.get("fact") == "gap":
        return [] if held["reason"] == "not-found" else [held]
    return [gap for member in held.values() for gap in unread(member)]


def told_before(lab: Lab, changes: list[Change]) -> dict[Change, dict[str, str]]:
    """What `guardian preflight --changes` says that the changes would do of which it can be asked, by the vault that a copy leaves."""
    asked = {str(number): change for number, change in enumerate(changes) if change.line}
    lines = [json.dumps({"id": id, **(change.line or {})}) for id, change in asked.items()]
    regions = ",".join(lab.info["regions"])
    told = Terminal(lab).run("preflight", "--changes", "-", given="\n".join(lines), GUARDIAN_REGIONS=regions)
    assert told.code == 0, (told.errors, [line for line in told.out.splitlines() if "error" in line][:5])
    answers = [json.loads(line) for line in told.out.splitlines()]
    assert [answer["id"] for answer in answers] == list(asked)
    turns = {"broken": "will-fail", "suspected": "will-fail", "mended": "will-work", "unblocked": "will-work"}
    return {
        asked[answer["id"]]: {one["source_vault"]: said for turn, said in turns.items() for one in answer[turn]}
        for answer in answers
    }


def judged(lab: Lab, guardian: Guardian, drawing: Changes) -> None:
    before = outcomes(lab, drawing.routes)
    broken = [drawn for drawn in drawing.routes if before[drawn.vault] == "FAILED"]
    changes = [drawing.one(broken) for _ in range(CHANGES)]
    thought = told_before(lab, changes)
    inbox = Inbox(lab)
    inbox.drain()
    surprises, counts = [], Counter()
    for group in together(changes):
        routes = [(change, drawn) for change in group for drawn in change.routes]
        there = told_by(guardian, inbox, [change.do for change in group])
        after = outcomes(lab, [drawn for _, drawn in routes])
        back = told_by(guardian, inbox, [change.undo for change in reversed(group)])
        others = (there.keys() | back.keys()) - after.keys()
        assert not others, f"{[change.what for change in group]}: told of copies that they do not decide: {others}"
        for change, drawn in routes:
            was, then = before[drawn.vault], after[drawn.vault]
            steps = ((change.what, (was, then), there), (f"undone: {change.what}", (then, was), back))
            for what, turned, told in steps:
                said, certainty = told.get(drawn.vault, (None, None))
                counts[*turned, said, certainty] += 1
                if said not in wanted(*turned):
                    surprises.append((what, drawn.kind, drawn.notes, turned, said, certainty))
            said = thought[change].get(drawn.vault) if change in thought else None
            if change in thought and said not in wanted(was, then):
                surprises.append((f"thought of: {change.what}", drawn.kind, drawn.notes, (was, then), said, None))
    print(dict(counts), {key: count for key, count in guardian.counts(WATCH).items() if key[0] == "foreseen"})
    assert outcomes(lab, drawing.routes) == before, "every change was undone"
    assert not surprises, f"{len(surprises)} of {2 * CHANGES}, {dict(counts)}\n" + "\n".join(map(str, surprises))
    assert guardian.dead_letters(WATCH) == []
    # Nothing was left open that could be told, and enough turned.
    told = Counter(said for *_, said, _ in counts.elements())
    assert min(told["will-fail"], told["will-work"]) >= CHANGES / 5, counts
    assert counts["COMPLETED", "COMPLETED", None, None] >= CHANGES / 5, counts
    assert sum(count for turn, count in counts.items() if OPEN in turn) <= MOST_OPEN * counts.total(), counts


def wanted(was: str, then: str) -> set[str | None]:
    """What is to be told of a copy that turned so. What AWS leaves open may be either."""
    readings = [("COMPLETED", "FAILED") if one == OPEN else (one,) for one in (was, then)]
    return {TOLD.get(turned) for turned in product(*readings)}


def test_a_change_that_cannot_be_judged_is_named(lab: Lab) -> None:
    lines = ['{"id": "a", "object": "arn:aws:kms:eu-central-1:111111111111:key/none", "policy": {}}', "no JSON"]
    asked = Terminal(lab).run(
        "preflight", "--account", lab.accounts["sources"][0], "--changes", "-", given="\n".join(lines),
        GUARDIAN_REGIONS=lab.region,
    )  # fmt: skip
    answers = [json.loads(line) for line in asked.out.splitlines()]
    assert asked.code == 2 and "2 of 2 changes could not be judged" in asked.errors, asked
    assert answers[0]["id"] == "a" and "decides no copy" in answers[0]["error"], answers
    assert answers[1]["line"] == 2 and answers[1]["error"], answers
