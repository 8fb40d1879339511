"""Whether a request is allowed, by two evaluators that share no code: the lab's and the product's `guardian policy eval`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab.aws.evaluator import ALLOWED, Policies, Request, evaluate

from .mutations import as_list
from .recorded import Json, Role

ROOT = Path(__file__).resolve().parents[2]
GUARDIAN = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", ROOT / "target/debug")) / "guardian"


def request_of(role: Role, line: Json, policies: dict[str, Json], context: Json | None = None) -> Json:
    """The case of a request that was made with a role, under these policies of the role."""
    name = role.arn.rsplit("/", 1)[-1]
    principal = f"arn:aws:sts::{role.account}:assumed-role/{name}/session"
    account = role.account
    resource_policy = None
    if line["action"] == "sts:AssumeRole":
        account = line["resource"].split(":")[4]
        resource_policy = _on(line["trust"]) if "trust" in line else _leaves_it_to(role.account, "AWS")
    elif line["action"].startswith("kms:"):
        # Every key of the guardian leaves the decision to IAM; what other key policies say is not the role's matter.
        resource_policy = _leaves_it_to(role.account, "AWS")
    given = {"aws:PrincipalArn": role.arn, **line["context"], **(context or {})}
    return _case(principal, line["action"], line["resource"], account, given, list(policies.values()), resource_policy)


def assumption_of(role: Role, line: Json, trust: Json, context: Json | None = None) -> Json:
    """The case of somebody who takes the role on, under this trust policy. Whatever else they need, they have."""
    given = {**line["context"], **(context or {})}
    principal = line["principal"]
    if "aws:PrincipalArn" in (context or {}):
        account, name = given["aws:PrincipalArn"].split(":")[4], given["aws:PrincipalArn"].rsplit("/", 1)[-1]
        principal = f"arn:aws:sts::{account}:assumed-role/{name}/session"
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    return _case(principal, "sts:AssumeRole", role.arn, role.account, given, [everything], _on(trust))


def _on(trust: Json) -> Json:
    """A trust policy says nothing of a resource: it is that of the role it hangs on."""
    return {**trust, "Statement": [{**one, "Resource": "*"} for one in as_list(trust["Statement"])]}


def _leaves_it_to(account: str, kind: str) -> Json:
    everybody = {kind: f"arn:aws:iam::{account}:root"}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": everybody, "Action": "*", "Resource": "*"}],
    }


def _case(
    principal: str, action: str, resource: str, account: str, context: Json, identity: list[Json], policy: Json | None
) -> Json:
    return {
        "id": "",
        "request": {
            "principal": principal,
            "action": action,
            "resource": resource,
            "resource_account": account,
            "context": context,
        },
        "identity_policies": identity,
        "permission_boundary": None,
        "scps": [],
        "rcps": [],
        "resource_policy": policy,
    }


def allowed(case: Json) -> bool:
    """By the lab's evaluator."""
    policies = Policies(identity=tuple(case["identity_policies"]), resource=case["resource_policy"])
    return evaluate(Request(**case["request"]), policies).outcome == ALLOWED


def allowed_by_product(cases: list[Json]) -> list[bool]:
    """By the product, case by case."""
    lines = "".join(json.dumps({**case, "id": str(number)}) + "\n" for number, case in enumerate(cases))
    done = subprocess.run([GUARDIAN, "policy", "eval"], input=lines, capture_output=True, text=True, check=True)
    answers: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [str(number) for number in range(len(cases))], done.stderr
    return [answer["decision"] == ALLOWED for answer in answers]
