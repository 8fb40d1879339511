"""`guardian policy eval` against the lab's evaluator, which shares no code with it, on seeded random cases.

Neither is right because it is here: a difference is settled by the documentation, and the wrong one is mended.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lab.aws.evaluator import Policies, Request, evaluate

from .policy_cases import Cases

ROOT = Path(__file__).resolve().parents[2]
GUARDIAN = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", ROOT / "target/debug")) / "guardian"
SEED = 20261127
COUNT = 100_000 if os.environ.get("GUARDIAN_SOAK") else 3_000
DECISIONS = ("Allowed", "ImplicitlyDenied", "ExplicitlyDenied", "Uncertain")


def second_opinion(case: dict[str, Any]) -> str:
    levels = {name: tuple(tuple(level) for level in case[name]) for name in ("scps", "rcps")}
    return evaluate(
        Request(**case["request"], unknown=tuple(case.get("unknown_context", ()))),
        Policies(
            identity=tuple(case["identity_policies"]),
            boundary=case["permission_boundary"],
            resource=case["resource_policy"],
            session=case.get("session_policy"),
            grants=tuple(case.get("grants", ())),
            management_account=case.get("management_account"),
            aws_managed_key=case.get("aws_managed_key", False),
            **levels,
        ),
    ).outcome


def answers(cases: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What the product says, line by line."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([GUARDIAN, "policy", "eval"], input=lines, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    yield from map(json.loads, done.stdout.splitlines())


def random_cases(seed: int, count: int) -> list[dict[str, Any]]:
    drawn = Cases(Random(seed))
    return [drawn.case(number) for number in range(count)]


def test_two_evaluators_agree_on_random_cases() -> None:
    seen: Counter[str] = Counter()
    differences = []
    for start in range(0, COUNT, 10_000):
        cases = random_cases(SEED + start, min(10_000, COUNT - start))
        for case, answer in zip(cases, answers(cases), strict=True):
            assert answer["id"] == case["id"]
            expected = second_opinion(case)
            seen[expected] += 1
            if answer["decision"] != expected:
                differences.append((expected, answer, case))
    for expected, answer, case in differences[:3]:
        print(
            f"the lab says {expected}, the product {answer['decision']}:\n{json.dumps(case, indent=1)}\n{json.dumps(answer['why'], indent=1)}"
        )
    assert not differences, (
        f"{len(differences)} of {COUNT} cases are judged differently; the first three are printed above"
    )
    # Agreement means little where everything is denied.
    assert all(seen[decision] > COUNT / 25 for decision in DECISIONS), seen


FACTS = [
    json.loads(line)
    for name in ("iam-cases", "policy-cases")
    for line in (ROOT / f"tests/facts/{name}.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", FACTS, ids=[case["id"] for case in FACTS])
def test_the_second_opinion_is_as_documented(case: dict[str, Any]) -> None:
    assert second_opinion(case) == ("Uncertain" if case["expect"] == "Error" else case["expect"]), case["note"]


def test_the_command_answers_every_documented_case_as_documented() -> None:
    wrong = [
        (case["id"], answer["decision"])
        for case, answer in zip(FACTS, answers(FACTS), strict=True)
        if answer["decision"] != ("Uncertain" if case["expect"] == "Error" else case["expect"])
    ]
    assert not wrong
