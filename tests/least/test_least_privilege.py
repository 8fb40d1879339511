"""Least privilege, proven by mutation: whatever is taken out of the policies of a role, some request of the end-to-end tests tells.

The requests are those that the labs of tests/suite wrote down in this run, so this runs after them.
"""

from __future__ import annotations

from collections import Counter

import pytest
from templates.deployed import TEMPLATES, as_list, load, role_statements

from . import judge
from .proof import TABLE, Proof, prove
from .recorded import roles, run


@pytest.fixture(scope="module")
def proof() -> Proof:
    run()
    found = prove(roles())
    TABLE[:] = found.table()
    return found


def test_the_record_is_of_every_test_and_of_these_templates() -> None:
    assert run()["passed"]


def test_it_is_known_what_every_call_asks_for(proof: Proof) -> None:
    assert not proof.unknown


def test_nothing_that_was_asked_for_is_refused(proof: Proof) -> None:
    by_product = judge.allowed_by_product([case for _, case in proof.asked])
    refused = [
        f"{role}: {case['request']['action']} on {case['request']['resource']} ({'only ' * (here or there)}by "
        f"{'the lab' if there else 'the product' if here else 'both'})"
        for (role, case), there in zip(proof.asked, by_product, strict=True)
        if not ((here := judge.allowed(case)) and there)
    ]
    assert not sorted(set(refused)), "\n".join(sorted(set(refused)))


def test_whatever_is_taken_out_of_a_policy_some_request_tells(proof: Proof) -> None:
    assert not proof.unnoticed, (
        "nobody needs these: take them out, or add the test of the flow that does\n"
        + "\n".join(map(str, proof.unnoticed))
    )


def test_the_product_tells_the_same(proof: Proof) -> None:
    """Each witness once more, by the evaluator that shares no code with the lab's."""
    witnesses = list(proof.witnesses.values())
    cases = [case for witness in witnesses for case in (witness.before, witness.after)]
    answers = judge.allowed_by_product(cases)
    differing = [
        str(witness.place)
        for witness, before, after in zip(witnesses, answers[::2], answers[1::2], strict=True)
        if (before, after) != (witness.narrows, not witness.narrows)
    ]
    assert not differing, "\n".join(differing)


def in_templates() -> set[tuple[str, str, int, int]]:
    """Role, statement, and how many actions and resources it has where every condition of the template holds."""
    found = set()
    for name in ("guardian", "agent-global"):
        file = TEMPLATES[name].relative_to(judge.ROOT)
        for logical_id, body in load(name)["Resources"].items():
            if body["Type"] == "AWS::IAM::Role":
                for statement in role_statements(name, logical_id):
                    resource = statement["Resource"]
                    if isinstance(resource, dict) and "Fn::If" in resource:
                        resource = resource["Fn::If"][1]
                    counts = (len(as_list(statement["Action"])), len(as_list(resource)))
                    found.add((f"{file} {logical_id}", statement["Sid"], *counts))
    return found


def test_every_statement_of_the_templates_was_deployed_in_full(proof: Proof) -> None:
    """A statement under a condition that no lab fulfils would be proven by nothing."""
    counts = Counter((place.role, place.statement, place.kind) for place in proof.places)
    deployed = {
        (role, statement, counts[role, statement, "action"], counts[role, statement, "resource"])
        for role, statement, _, _ in in_templates()
    }
    assert deployed == in_templates()
