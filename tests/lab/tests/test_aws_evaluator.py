"""The evaluator against the answers that AWS documents (tests/facts/README.md says where they come from)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.aws.evaluator import Policies, Request, evaluate

CASES_FILE = Path(__file__).parents[2] / "facts" / "iam-cases.jsonl"
CASES = [json.loads(line) for line in CASES_FILE.read_text().splitlines()]
KEY = "arn:aws:kms:us-east-1:222233334444:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/BackupCopy"


def levels(value: Any) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(level) for level in value or [])


def decide(case: dict[str, Any]) -> str:
    return evaluate(
        Request(**case["request"]),
        Policies(
            identity=tuple(case["identity_policies"]),
            boundary=case["permission_boundary"],
            scps=levels(case["scps"]),
            rcps=levels(case["rcps"]),
            resource=case["resource_policy"],
            session=case.get("session_policy"),
            grants=tuple(case.get("grants", [])),
            management_account=case.get("management_account"),
            aws_managed_key=case.get("aws_managed_key", False),
        ),
    ).outcome


def test_every_case_is_there() -> None:
    assert len(CASES) == 93
    assert sum(case["expect"] == "Error" for case in CASES) == 3


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_answers_as_documented(case: dict[str, Any]) -> None:
    expected = "Uncertain" if case["expect"] == "Error" else case["expect"]
    assert decide(case) == expected, case["note"]


@pytest.mark.parametrize("grantee", [True, False])
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("constraint", ["none", "met", "unmet"])
@pytest.mark.parametrize("denied", [True, False])
@pytest.mark.parametrize("identity", [True, False])
def test_a_grant_allows_alone_but_never_against_a_deny(
    grantee: bool, listed: bool, constraint: str, denied: bool, identity: bool
) -> None:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    constraints = {
        "none": {},
        "met": {"EncryptionContextSubset": {"AWS:EBS:ID": "vol-1"}},
        "unmet": {"EncryptionContextSubset": {"aws:ebs:id": "VOL-1"}},
    }[constraint]
    grant = {
        "GrantId": "1",
        "GranteePrincipal": ROLE if grantee else ROLE + "Other",
        "Operations": ["Decrypt" if listed else "Encrypt"],
        "Constraints": constraints,
    }
    context = {"aws:PrincipalArn": ROLE, "kms:EncryptionContext:aws:ebs:id": "vol-1"}
    decision = evaluate(
        Request(ROLE, "kms:Decrypt", KEY, "222233334444", context),
        Policies(
            identity=(everything,) if identity else (),
            resource={"Version": "2012-10-17", "Statement": [deny] if denied else []},
            grants=(grant,),
        ),
    )
    assert decision.allowed == (grantee and listed and constraint != "unmet" and not denied)


@pytest.mark.parametrize(
    ("policies", "policy_type"),
    [
        (Policies(), "resource-based policy"),
        (Policies(scps=((),)), "service control policy"),
    ],
)
def test_names_the_layer_that_the_error_message_of_aws_names(policies: Policies, policy_type: str) -> None:
    decision = evaluate(Request(ROLE, "kms:CreateGrant", KEY, "222233334444", {}), policies)
    assert decision.policy_type == policy_type
