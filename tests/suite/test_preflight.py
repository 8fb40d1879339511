"""Will the next copies work? Asked of the real command, live and from a folder, before and after something is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .guardian import Guardian
from .organization import JOB_ROLE, SLR, Json, Lab, Route, ebs_route, key_policy, running_lab, use_statement
from .terminal import Terminal


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Of its own: a key that another test left without a reader is a gap of the account, and no folder of it is whole."""
    with running_lab("preflight-lab.log") as lab:
        Guardian(lab).set_watching(False)
        yield lab


@pytest.fixture(scope="module")
def terminal(lab: Lab) -> Terminal:
    return Terminal(lab)


def plan_for(
    route: Route, *, resources: list[str] | None = None, lifecycle: Json | None = None, **selection: Any
) -> str:
    """A plan that backs up into the vault of a route and copies every backup to its destination."""
    backup = route.lab.client(route.source, "backup", route.source_region)
    action: Json = {"DestinationBackupVaultArn": route.destination_vault_arn}
    if lifecycle:
        action["Lifecycle"] = lifecycle
    plan = backup.create_backup_plan(
        BackupPlan={
            "BackupPlanName": route.lab.unique("nightly"),
            "Rules": [{"RuleName": "night", "TargetBackupVaultName": route.vault, "CopyActions": [action]}],
        }
    )
    backup.create_backup_selection(
        BackupPlanId=plan["BackupPlanId"],
        BackupSelection={
            "SelectionName": "volumes",
            "IamRoleArn": JOB_ROLE.format(account=route.source),
            "Resources": [route.resource_arn] if resources is None else resources,
            **selection,
        },
    )
    return plan["BackupPlanId"]


@pytest.fixture
def route(lab: Lab) -> Route:
    """A healthy route, and the only one: no other plan is in its account."""
    route = ebs_route(lab)
    backup = lab.client(route.source, "backup", route.source_region)
    for plan in backup.list_backup_plans()["BackupPlansList"]:
        for selection in backup.list_backup_selections(BackupPlanId=plan["BackupPlanId"])["BackupSelectionsList"]:
            backup.delete_backup_selection(BackupPlanId=plan["BackupPlanId"], SelectionId=selection["SelectionId"])
        backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])
    return route


def where(route: Route) -> list[str]:
    return ["--account", route.source, "--region", route.source_region]


def only(report: Json) -> Json:
    assert len(report["routes"]) == 1, json.dumps(report, indent=1)
    return report["routes"][0]


def test_a_healthy_route_works(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route)
    result = terminal.run("preflight", *where(route), "--format", "json")
    found = only(result.json)
    assert found["verdict"] == "works", result.out + result.errors
    assert (found["source_account"], found["source_region"]) == (route.source, route.source_region)
    assert (found["source_vault"], found["destination_vault"]) == (route.vault, route.destination_vault_arn)
    assert (found["resource_type"], found["key"]) == ("EBS", route.key_arn)
    assert found["denied"] == found["depends_on"] == found["obstacles"] == found["patches"] == found["gaps"] == []
    assert result.json["summary"] == {
        "plans": 1, "plans_that_copy": 1, "routes": 1, "works": 1, "will_fail": 0, "depends": 0, "not_known": 0, "gaps": 0,
    }  # fmt: skip
    assert (result.code, result.errors) == (0, "")
    assert route.copy()["State"] == "COMPLETED"


def test_without_the_statement_for_grants_it_will_fail_and_says_why(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route)
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr)))
    result = terminal.run("preflight", *where(route), "--format", "json")
    found = only(result.json)
    assert found["verdict"] == "will-fail", result.out
    assert [(one["principal"], one["action"], one["resource"]) for one in found["denied"]] == [
        (slr, "kms:CreateGrant", route.key_arn)
    ]
    assert result.code == 1
    (patch,) = found["patches"]
    assert (patch["account_id"], patch["target_arn"]) == (route.source, route.key_arn)
    assert all(patch["proof"].values()) and found["without_patch"] == [], found
    text = terminal.run("preflight", *where(route))
    assert text.out.count(f"{slr} may not kms:CreateGrant on {route.key_arn}") == 1
    assert text.code == 1
    for line in json.dumps(patch["statements"][0], indent=2).splitlines():
        assert line in text.out, text.out
    assert route.copy()["State"] == "FAILED"
    # What is foretold of the patch holds as well.
    route.put_key_policy(patch["document"])
    mended = terminal.run("preflight", *where(route), "--format", "json")
    assert (only(mended.json)["verdict"], mended.code) == ("works", 0), mended.out
    assert route.copy()["State"] == "COMPLETED"


def test_equal_causes_are_told_once(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route)
    second = route.lab.unique("second-vault")
    backup = route.lab.client(route.source, "backup", route.source_region)
    backup.create_backup_vault(BackupVaultName=second, EncryptionKeyArn=route.vault_key_arn)
    route.vault = second
    route.back_up()
    plan_for(route)
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr)))
    result = terminal.run("preflight", *where(route))
    assert result.out.startswith("2 routes: 2 will fail"), result.out
    assert result.out.count(" may not kms:CreateGrant") == 1, result.out
    assert result.out.count('"kms:CreateGrant"') == 1, result.out
    assert second in result.out


def test_a_folder_gives_what_the_accounts_gave(terminal: Terminal, route: Route, tmp_path: Path) -> None:
    route.back_up()
    plan_for(route)
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    live = terminal.run("preflight", *where(route), "--format", "json")
    folder = tmp_path / "evidence"
    collected = terminal.run("collect", "--out", str(folder), *where(route), "--format", "json")
    assert collected.code == 0, collected.out + collected.errors
    manifest = json.loads((folder / "manifest.json").read_text())
    files = [file for file in folder.rglob("*.json") if file.name != "manifest.json"]
    assert len(files) == manifest["answers"] == collected.json["answers"]
    assert f"arn:aws:iam::{route.source}:role/backup-guardian-reader" in manifest["principals"]
    for file in files:
        account, region, service, operation = file.relative_to(folder).parts[:4]
        recorded = json.loads(file.read_text())
        outcome = "error" if "error" in recorded else "response"
        assert set(recorded) == {"request", outcome, "at", "principal"}, file
        # The source vault has no policy and announces nothing, and the organization has no backup policies: all of them say so.
        without = ("GetBackupVaultAccessPolicy", "GetBackupVaultNotifications", "DescribeEffectivePolicy")
        assert outcome == "response" or operation in without, recorded
        assert account.isdigit() and (region == "global") == (service in ("iam", "organizations")), file
        assert operation.startswith(("Describe", "Get", "List")), file
    # Nobody to ask: everything comes from the folder.
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for places in ([], where(route)):
        recorded = terminal.run("preflight", "--evidence", str(folder), *places, "--format", "json", **offline)
        assert (recorded.code, recorded.out) == (live.code, live.out)
    refused = terminal.run("collect", "--out", str(folder), *where(route))
    assert refused.code == 2 and "not empty" in refused.errors and refused.out == ""
    assert terminal.run("collect", "--out", str(folder), "--force", *where(route)).code == 0


def test_what_could_not_be_read_is_never_health(terminal: Terminal, route: Route, tmp_path: Path) -> None:
    route.back_up()
    plan_for(route)
    lab = route.lab
    denied = {"match": {"service": "kms", "operation": "GetKeyPolicy"}, "fault": "denied"}
    lab.control("faults", [denied])
    through = {"AWS_ENDPOINT_URL": lab.info["proxy_endpoint"]}
    folder = tmp_path / "evidence"
    try:
        live = terminal.run("preflight", *where(route), "--format", "json", **through)
        collected = terminal.run("collect", "--out", str(folder), *where(route), **through)
    finally:
        lab.control("faults", method="DELETE")
    found = only(live.json)
    assert found["verdict"] == "depends", live.out
    assert {(gap["action"], gap["reason"]) for gap in found["gaps"]} == {("kms:GetKeyPolicy", "access-denied")}
    assert found["depends_on"] and found["denied"] == []
    assert live.code == 3
    assert collected.code == 3, collected.out
    recorded = terminal.run("preflight", "--evidence", str(folder), "--format", "json")
    assert (recorded.code, recorded.out) == (3, live.out)


def test_an_account_that_cannot_be_reached_stops_no_other(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route)
    result = terminal.run(
        "preflight", *where(route), "--account", "999999999999", "--format", "json", AWS_REGION=route.source_region
    )
    assert only(result.json)["verdict"] == "works", result.out
    assert [(gap["action"], gap["account_id"], gap["reason"]) for gap in result.json["gaps"]] == [
        ("sts:AssumeRole", "999999999999", "role-not-assumable")
    ]
    assert result.code == 3


def test_the_organization_tells_the_accounts(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route)
    result = terminal.run("preflight", "--format", "json", GUARDIAN_REGIONS=",".join(route.lab.info["regions"]))
    assert [one["verdict"] for one in result.json["routes"] if one["key"] == route.key_arn] == ["works"], result.out
    assert result.json["gaps"] == []
    refused = terminal.run("preflight", "--region", route.source_region, organization=False)
    assert refused.code == 2 and "--account" in refused.errors, refused.errors
    refused = terminal.run("preflight", "--account", route.source)
    assert refused.code == 2 and "--region" in refused.errors, refused.errors


def test_without_the_organization_it_depends_on_it(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route)
    result = terminal.run("preflight", *where(route), "--format", "json", organization=False)
    found = only(result.json)
    assert (found["verdict"], result.code) == ("depends", 3)
    assert all(gap["reason"] == "not-configured" for gap in found["gaps"]), found["gaps"]
    # What was seen to be refused stays refused, whatever the organization says.
    route.put_vault_policy(None)
    result = terminal.run("preflight", *where(route), "--format", "json", organization=False)
    found = only(result.json)
    assert (found["verdict"], result.code) == ("will-fail", 1)
    assert [(one["action"], one["why"]) for one in found["denied"]] == [
        ("backup:CopyIntoBackupVault", "nothing in resource policy allows it")
    ]


def test_a_plan_that_never_ran_tells_what_can_be_told(terminal: Terminal, route: Route) -> None:
    plan_for(route)
    plan_for(route, resources=["*"])
    result = terminal.run("preflight", *where(route), "--format", "json")
    found = only(result.json)
    assert (found["resource_type"], found["verdict"]) == ("EBS", "depends")
    assert "key" not in found and "no recovery point yet" in " ".join(found["depends_on"])
    assert [one["source_vault"] for one in result.json["not_known"]] == [route.vault]
    assert result.code == 3
    route.put_vault_policy(None)
    found = only(terminal.run("preflight", *where(route), "--format", "json").json)
    assert found["verdict"] == "will-fail"
    assert [one["action"] for one in found["denied"]] == ["backup:CopyIntoBackupVault"]


def test_states_that_suffice_alone_are_told(terminal: Terminal, route: Route) -> None:
    route.back_up()
    plan_for(route, lifecycle={"DeleteAfterDays": 5})
    kms = route.lab.client(route.source, "kms", route.source_region)
    kms.disable_key(KeyId=route.key_arn)
    central = route.lab.client(route.destination, "backup", route.destination_region)
    central.put_backup_vault_lock_configuration(BackupVaultName=route.destination_vault, MinRetentionDays=30)
    result = terminal.run("preflight", *where(route), "--format", "json")
    found = only(result.json)
    assert found["verdict"] == "will-fail" and result.code == 1
    assert any(route.key_arn in one and "Disabled" in one for one in found["obstacles"]), found["obstacles"]
    assert any("at least 30 days" in one for one in found["obstacles"]), found["obstacles"]


@contextmanager
def copies_into_other_accounts_off(lab: Lab) -> Iterator[None]:
    settings = lab.client(lab.management, "backup")
    settings.update_global_settings(GlobalSettings={"isCrossAccountBackupEnabled": "false"})
    try:
        yield
    finally:
        settings.update_global_settings(GlobalSettings={"isCrossAccountBackupEnabled": "true"})


def test_an_organization_that_allows_no_copies_into_other_accounts_is_told(terminal: Terminal, route: Route) -> None:
    lab = route.lab
    route.back_up()
    plan_for(route)
    with copies_into_other_accounts_off(lab):
        result = terminal.run("preflight", *where(route), "--format", "json")
        job = route.copy()
    found = only(result.json)
    assert (found["verdict"], result.code) == ("will-fail", 1), result.out
    assert any("isCrossAccountBackupEnabled" in one and lab.management in one for one in found["obstacles"]), found
    assert (found["denied"], job["State"]) == ([], "FAILED")
    # Nobody but the management account is sure to know, and the reader may be kept out there.
    denied = {"match": {"service": "backup", "operation": "DescribeGlobalSettings"}, "fault": "denied"}
    lab.control("faults", [denied])
    try:
        unseen = terminal.run(
            "preflight", *where(route), "--format", "json", AWS_ENDPOINT_URL=lab.info["proxy_endpoint"]
        )
    finally:
        lab.control("faults", method="DELETE")
    found = only(unseen.json)
    assert (found["verdict"], unseen.code) == ("depends", 3), unseen.out
    assert [(gap["action"], gap["account_id"]) for gap in found["gaps"]] == [
        ("backup:DescribeGlobalSettings", lab.management)
    ]
    assert any("copies into other accounts" in one for one in found["depends_on"]), found


def test_what_no_selection_selects_is_no_route(terminal: Terminal, route: Route) -> None:
    """Another backup is in the vault, under a key that nobody can use from outside: no plan copies it."""
    route.back_up()
    volume = ebs_route(route.lab)
    volume.put_key_policy(key_policy(volume.source))
    volume.vault = route.vault
    volume.back_up()
    plan = plan_for(route)
    works = terminal.run("preflight", *where(route), "--format", "json")
    assert (only(works.json)["key"], works.code) == (route.key_arn, 0), works.out
    plan_for(route, resources=["arn:aws:ec2:*:*:volume/*"], NotResources=[volume.resource_arn])
    assert terminal.run("preflight", *where(route)).code == 0
    # As soon as one does, its copies will fail.
    plan_for(route, resources=[volume.resource_arn])
    fails = terminal.run("preflight", *where(route), "--format", "json")
    assert {one["key"]: one["verdict"] for one in fails.json["routes"]} == {
        route.key_arn: "works",
        volume.key_arn: "will-fail",
    }
    assert fails.code == 1 and plan


@pytest.mark.parametrize(
    "selection",
    [
        {"ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}]},
        {
            "Resources": ["*"],
            "Conditions": {
                "StringEquals": [{"ConditionKey": "aws:ResourceTag/backup", "ConditionValue": "daily"}],
            },
        },
    ],
    ids=["list of tags", "conditions"],
)
def test_what_tags_select_is_no_certainty(terminal: Terminal, route: Route, selection: Json) -> None:
    route.back_up()
    plan_for(route, **{"resources": [], **selection})
    works = terminal.run("preflight", *where(route), "--format", "json")
    found = only(works.json)
    assert (found["verdict"], found["perhaps_selected_by"], works.code) == ("works", "volumes", 0), works.out
    route.put_vault_policy(None)
    fails = terminal.run("preflight", *where(route), "--format", "json")
    found = only(fails.json)
    assert (found["verdict"], fails.code) == ("depends", 3), fails.out
    assert [one["action"] for one in found["denied"]] == ["backup:CopyIntoBackupVault"]
    assert any("`volumes`" in one and "tags" in one for one in found["depends_on"]), found
    text = terminal.run("preflight", *where(route)).out
    assert "if it is made, it will fail: " in text and "chooses by tags" in text, text


def organization_policy(route: Route) -> Json:
    """A backup policy of the organization that wants the copies of a route, of what is tagged."""
    destination = route.destination_vault_arn
    rule = {
        "target_backup_vault_name": {"@@assign": route.vault},
        "copy_actions": {destination: {"target_backup_vault_arn": {"@@assign": destination}}},
    }
    tags = {
        "iam_role_arn": {"@@assign": JOB_ROLE.format(account="$account")},
        "tag_key": {"@@assign": "backup"},
        "tag_value": {"@@assign": ["daily"]},
    }
    plan = {
        "regions": {"@@assign": [route.source_region]},
        "rules": {"Night": rule},
        "selections": {"tags": {"by-tag": tags}},
    }
    return {"plans": {"Daily": plan}}


def test_a_policy_of_the_organization_is_told_before_and_after_it_is_a_plan(
    terminal: Terminal, route: Route, tmp_path: Path
) -> None:
    lab = route.lab
    route.back_up()
    organizations = lab.client(lab.management, "organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="BACKUP_POLICY")
    created = organizations.create_policy(
        Content=json.dumps(organization_policy(route)),
        Description="suite",
        Name=lab.unique("backup-policy"),
        Type="BACKUP_POLICY",
    )
    policy = created["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=route.source)
    try:
        before = terminal.run("preflight", *where(route), "--format", "json")
        text = terminal.run("preflight", *where(route)).out
        folder = tmp_path / "evidence"
        assert terminal.run("collect", "--out", str(folder), *where(route)).code == 0
        recorded = terminal.run("preflight", "--evidence", str(folder), "--format", "json")
        assert lab.control("backup-policies", {})["plans"] == 1
        after = terminal.run("preflight", *where(route), "--format", "json")
    finally:
        organizations.detach_policy(PolicyId=policy, TargetId=route.source)
        organizations.disable_policy_type(RootId=root, PolicyType="BACKUP_POLICY")
        lab.control("backup-policies", {})
    (wanted,) = before.json["not_known"]
    assert (wanted["plan"], wanted["source_vault"], wanted["destination_vault"]) == (
        "Daily",
        route.vault,
        route.destination_vault_arn,
    )
    assert "backup policy of the organization" in wanted["why"] and before.code == 3
    assert f"plan Daily: {route.source} {route.source_region} {route.vault} -> " in text, text
    assert (recorded.code, recorded.out) == (before.code, before.out)
    assert after.json["not_known"] == [], after.out
    assert (only(after.json)["verdict"], after.code) == ("works", 0), after.out


def test_nothing_to_judge_is_not_health(terminal: Terminal, route: Route) -> None:
    backup = route.lab.client(route.source, "backup", route.source_region)
    none = terminal.run("preflight", *where(route))
    assert none.code == 3 and "no backup plan was read" in none.out, none.out
    rule = {"RuleName": "night", "TargetBackupVaultName": route.vault}
    backup.create_backup_plan(BackupPlan={"BackupPlanName": route.lab.unique("local"), "Rules": [rule]})
    local = terminal.run("preflight", *where(route))
    assert local.code == 0 and "1 backup plan was read, and none copies anything" in local.out, local.out
    rule["CopyActions"] = [{"DestinationBackupVaultArn": route.destination_vault_arn}]
    backup.create_backup_plan(BackupPlan={"BackupPlanName": route.lab.unique("idle"), "Rules": [rule]})
    idle = terminal.run("preflight", *where(route), "--format", "json")
    assert idle.code == 3, idle.out
    assert (idle.json["summary"]["plans"], idle.json["summary"]["plans_that_copy"]) == (2, 1)
