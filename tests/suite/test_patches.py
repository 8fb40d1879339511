"""The patch of an alert, applied as it stands, makes the same copy succeed; any part of it less, and the copy fails again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .organization import (
    SLR,
    Inbox,
    Json,
    Lab,
    Route,
    ebs_route,
    efs_route,
    failed,
    grant_statement,
    key_policy,
    rds_route,
    use_statement,
    vault_policy,
)

Break = Callable[[Route], None]


def broken_key(*statements: Callable[[str], Json]) -> Break:
    """Only these statements are left for the destination's service-linked role."""

    def apply(route: Route) -> None:
        slr = SLR.format(account=route.destination)
        route.put_key_policy(key_policy(route.source, *(make(slr) for make in statements)), route.protecting_key_arn)

    return apply


def only_through_backup(statement: Callable[..., Json]) -> Callable[[str], Json]:
    def make(principal: str) -> Json:
        made = statement(principal)
        made["Condition"] = {"StringEquals": {"kms:ViaService": "backup.eu-central-1.amazonaws.com"}}
        return made

    return make


def deleted_principal(route: Route) -> None:
    """The statements name the unique id of a role that is gone."""
    broken_key(lambda _: use_statement("AROAEXAMPLEEXAMPLE123"), lambda _: grant_statement("AROAEXAMPLEEXAMPLE123"))(
        route
    )


def without_vault_policy(route: Route) -> None:
    route.put_vault_policy(None)


def for_another_organization(route: Route) -> None:
    route.put_vault_policy(vault_policy("o-somebodyelse"))


def both_sides(route: Route) -> None:
    """Two accounts must act: the first alert carries the patch of the one, and says what the other must do."""
    broken_key(use_statement)(route)
    without_vault_policy(route)


ROUTES: dict[str, Callable[[Lab], Route]] = {
    "ebs": ebs_route,
    "ebs to another Region": lambda lab: ebs_route(lab, destination_region="eu-west-1"),
    "ebs back": lambda lab: ebs_route(lab, source=lab.backup, destination=lab.source),
    "efs": efs_route,
    "rds": rds_route,
}
BREAKS: dict[str, Break] = {
    "no statement": broken_key(),
    "use only": broken_key(use_statement),
    "grants only": broken_key(grant_statement),
    "wrong service": broken_key(only_through_backup(use_statement), only_through_backup(grant_statement)),
    "deleted principal": deleted_principal,
    "no vault policy": without_vault_policy,
    "another organization": for_another_organization,
}
# AWS Backup itself calls the key of a fully managed type: there that service is the right one.
NOT_BROKEN = {("efs", "wrong service")}
CASES = [(route, broken) for route in ROUTES for broken in BREAKS if (route, broken) not in NOT_BROKEN]


def apply(lab: Lab, patch: Json, document: Json) -> None:
    """Makes the change as the account that must act."""
    arn, account = patch["target_arn"], patch["account_id"]
    region, text = arn.split(":")[3], json.dumps(document)
    match patch["operation"]:
        case "kms:PutKeyPolicy":
            lab.client(account, "kms", region).put_key_policy(KeyId=arn, PolicyName="default", Policy=text)
        case "backup:PutBackupVaultAccessPolicy":
            name = arn.rsplit(":", 1)[-1]
            lab.client(account, "backup", region).put_backup_vault_access_policy(BackupVaultName=name, Policy=text)
        case other:
            raise AssertionError(f"an operation the test does not know: {other}")


def one_part_less(patch: Json) -> Iterator[tuple[str, Json]]:
    """The patched document without one statement, or without one action of one statement, of the patch."""
    for statement in patch["statements"]:
        place = patch["document"]["Statement"].index(statement)
        less = copy.deepcopy(patch["document"])
        del less["Statement"][place]
        # A policy without a statement is none: AWS refuses it, and the stored one stays.
        if less["Statement"]:
            yield f"without {statement['Sid']}", less
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in actions if len(actions) > 1 else []:
            less = copy.deepcopy(patch["document"])
            less["Statement"][place]["Action"] = [each for each in actions if each != action]
            yield f"{statement['Sid']} without {action}", less


def assert_modest(lab: Lab, patch: Json) -> None:
    """Nobody but the organization is admitted, and nothing but what copies need."""
    for statement in patch["statements"]:
        if "*" in json.dumps(statement["Principal"]) and ":" not in json.dumps(statement["Principal"]).split("*")[0]:
            assert lab.organization_id in json.dumps(statement.get("Condition", {})), statement
        for action in statement["Action"]:
            assert "*" not in action, statement
    assert all(patch["proof"].values()), patch["proof"]


@pytest.mark.parametrize(("route_name", "break_name"), CASES, ids=[f"{route}, {broken}" for route, broken in CASES])
def test_the_patch_mends_the_copy_and_every_part_of_it_is_needed(
    lab: Lab, inbox: Inbox, route_name: str, break_name: str
) -> None:
    route = ROUTES[route_name](lab)
    route.back_up()
    BREAKS[break_name](route)
    failed(route.copy())
    (alert,) = inbox.drain()
    patch = alert.get("patch")
    assert patch, json.dumps(alert, indent=1)
    assert patch["account_id"] == alert["act_in"]["account_id"]
    assert patch["target_arn"] == alert["act_in"]["resource_arn"]
    assert_modest(lab, patch)
    tried = 0
    for what, document in one_part_less(patch):
        apply(lab, patch, document)
        assert route.copy()["State"] == "FAILED", f"the copy works {what}: that part was not needed"
        tried += 1
    assert tried or len(patch["document"]["Statement"]) == 1
    apply(lab, patch, patch["document"])
    assert route.copy()["State"] == "COMPLETED", json.dumps(patch, indent=1)


def test_what_two_accounts_must_do_is_told_in_one_message(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    both_sides(route)
    failed(route.copy())
    (alert,) = inbox.drain()
    steps = json.dumps(alert["next_steps"])
    assert alert["patch"]["target_arn"] == route.destination_vault_arn
    assert route.key_arn in steps and f"account {route.source}" in steps
    apply(lab, alert["patch"], alert["patch"]["document"])
    job = route.copy()
    assert job["State"] == "FAILED", "the key policy still lacks the grants"
    (second,) = inbox.drain()
    assert second["patch"]["target_arn"] == route.key_arn
    apply(lab, second["patch"], second["patch"]["document"])
    assert route.copy()["State"] == "COMPLETED"


def test_an_explicit_deny_gets_no_patch_but_a_reason(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    slr = SLR.format(account=route.destination)
    deny: dict[str, Any] = {
        "Sid": "NoGrants",
        "Effect": "Deny",
        "Principal": {"AWS": slr},
        "Action": "kms:CreateGrant",
        "Resource": "*",
    }
    route.put_key_policy(key_policy(route.source, use_statement(slr), grant_statement(slr), deny))
    failed(route.copy())
    (alert,) = inbox.drain()
    assert "patch" not in alert
    assert alert["certainty"] == "proven"
    told = [step for step in alert["next_steps"] if step["grade"] == "human-only"]
    assert "NoGrants" in json.dumps(told), json.dumps(alert, indent=1)
