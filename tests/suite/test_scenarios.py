"""One way to break a copy per test, end to end: jobs through the AWS API, events over the deployed rules, alerts from the topic.

Each test asserts the cause, how sure the verdict is, which account must act, and that no second message comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .organization import (
    JOB_ROLE,
    SLR,
    Inbox,
    Lab,
    Route,
    ebs_route,
    efs_route,
    failed,
    grant_statement,
    key_policy,
    use_statement,
    vault_policy,
)

CERTAINTY = ["unexplained", "suspected", "supported", "proven"]


def expect_one(
    inbox: Inbox, *, cause: str, at_least: str, act_in: str, job_id: str | None = None, kind: str = "failure"
) -> dict[str, Any]:
    """Exactly one alert arrived, it says what it must, and none follows."""
    alerts = inbox.drain()
    assert len(alerts) == 1, [(alert["cause"], alert["title"]) for alert in alerts]
    alert = alerts[0]
    assert alert["kind"] == kind
    assert alert["cause"] == cause, json.dumps(alert, indent=1)
    assert CERTAINTY.index(alert["certainty"]) >= CERTAINTY.index(at_least), json.dumps(alert, indent=1)
    assert alert["act_in"]["account_id"] == act_in, json.dumps(alert, indent=1)
    if job_id is not None:
        assert [job["job_id"] for job in alert["jobs"]] == [job_id.lower()]
    assert alert["_attributes"]["cause"] == cause
    assert alert["next_steps"], "an alert without a next step helps nobody"
    assert inbox.drain() == [], "a second message came"
    return alert


def test_use_statement_missing(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    inbox.drain()
    route.put_key_policy(key_policy(route.source, grant_statement(SLR.format(account=route.destination))))
    job_id = failed(route.copy())
    alert = expect_one(
        inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source, job_id=job_id
    )
    assert alert["denied"]["resource"] == route.key_arn
    assert alert["denied"]["recorded_in"] == route.destination


def test_grant_statement_missing(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    job_id = failed(route.copy())
    alert = expect_one(
        inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source, job_id=job_id
    )
    assert alert["denied"]["principal"] == SLR.format(account=route.destination)
    assert alert["denied"]["action"] == "kms:CreateGrant"
    assert alert["denied"]["resource"] == route.key_arn
    assert alert["denied"]["recorded_in"] == route.destination
    assert alert["act_in"]["resource_arn"] == route.key_arn


def test_explicit_deny_in_the_key_policy(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    slr = SLR.format(account=route.destination)
    deny = {
        "Sid": "No",
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{route.destination}:root"},
        "Action": "kms:CreateGrant",
        "Resource": "*",
    }
    route.put_key_policy(key_policy(route.source, use_statement(slr), grant_statement(slr), deny))
    failed(route.copy())
    alert = expect_one(inbox, cause="explicit-deny-policy", at_least="supported", act_in=route.source)
    assert alert["denied"]["effect"] == "explicit-deny"


def test_key_disabled(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    lab.client(route.source, "kms").disable_key(KeyId=route.key_arn)
    failed(route.copy())
    alert = expect_one(inbox, cause="kms-key-unusable", at_least="proven", act_in=route.source)
    assert alert["act_in"]["resource_arn"] == route.key_arn


def test_key_pending_deletion(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    lab.client(route.source, "kms").schedule_key_deletion(KeyId=route.key_arn, PendingWindowInDays=7)
    failed(route.copy())
    expect_one(inbox, cause="kms-key-unusable", at_least="proven", act_in=route.source)


def test_source_under_an_aws_managed_key(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    volume = lab.client(route.source, "ec2").create_volume(
        AvailabilityZone=f"{route.source_region}a", Size=1, Encrypted=True, KmsKeyId="alias/aws/ebs"
    )
    route.resource_arn = f"arn:aws:ec2:{route.source_region}:{route.source}:volume/{volume['VolumeId']}"
    route.back_up()
    failed(route.copy())
    expect_one(inbox, cause="source-key-aws-managed", at_least="proven", act_in=route.source)


def test_key_policy_admits_the_wrong_service_only(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    slr = SLR.format(account=route.destination)
    via_backup = {"StringEquals": {"kms:ViaService": f"backup.{route.source_region}.amazonaws.com"}}
    route.put_key_policy(
        key_policy(route.source, use_statement(slr, Condition=via_backup), grant_statement(slr, Condition=via_backup))
    )
    failed(route.copy())
    alert = expect_one(inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source)
    assert "ViaService" in json.dumps([alert["summary"], alert["next_steps"]])


def test_revoked_grant(lab: Lab, inbox: Inbox) -> None:
    """The destination may use the key through a grant of an administrator only; the grant is revoked."""
    route = ebs_route(lab)
    slr = SLR.format(account=route.destination)
    kms = lab.client(route.source, "kms")
    route.put_key_policy(key_policy(route.source))
    grant = kms.create_grant(
        KeyId=route.key_arn,
        GranteePrincipal=slr,
        Operations=["DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext"],
    )
    route.back_up()
    assert route.copy()["State"] == "COMPLETED", "the grant must suffice, or this test shows nothing"
    inbox.drain()
    kms.revoke_grant(KeyId=route.key_arn, GrantId=grant["GrantId"])
    failed(route.copy())
    alert = expect_one(inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source)
    assert alert["changed"]["action"] == "kms:RevokeGrant"


def test_key_policy_names_a_deleted_role(lab: Lab, inbox: Inbox) -> None:
    """A statement for a role that was deleted shows its unique id and admits nobody, even a new role of the same name."""
    route = ebs_route(lab)
    route.back_up()
    iam = lab.client(route.destination, "iam")
    name = lab.unique("copier")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    route.put_key_policy(key_policy(route.source, use_statement(role["Arn"]), grant_statement(role["Arn"])))
    iam.delete_role(RoleName=name)
    stored = lab.client(route.source, "kms").get_key_policy(KeyId=route.key_arn, PolicyName="default")["Policy"]
    assert role["RoleId"] in stored
    failed(route.copy())
    alert = expect_one(inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source)
    assert role["RoleId"] in json.dumps([alert["summary"], alert["next_steps"]])


def test_vault_policy_missing(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    route.put_vault_policy(None)
    failed(route.copy())
    alert = expect_one(inbox, cause="destination-vault-policy", at_least="supported", act_in=route.destination)
    assert alert["act_in"]["resource_arn"] == route.destination_vault_arn


def test_vault_policy_names_another_organization(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    route.put_vault_policy(vault_policy("o-somebodyelse"))
    failed(route.copy())
    expect_one(inbox, cause="destination-vault-policy", at_least="supported", act_in=route.destination)


@pytest.fixture
def scp(lab: Lab) -> Any:
    """Attaches an SCP to the source account and takes it away afterwards."""
    organizations = lab.client(lab.management, "organizations")
    attached: list[str] = []

    def attach(statement: dict[str, Any]) -> None:
        policy = organizations.create_policy(
            Name=lab.unique("suite"),
            Description="suite",
            Type="SERVICE_CONTROL_POLICY",
            Content=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=policy, TargetId=lab.source)
        attached.append(policy)

    yield attach
    for policy in attached:
        organizations.detach_policy(PolicyId=policy, TargetId=lab.source)


def test_scp_on_the_job_role(lab: Lab, inbox: Inbox, scp: Callable[[dict[str, Any]], None]) -> None:
    route = ebs_route(lab)
    route.back_up()
    scp({"Effect": "Deny", "Action": "backup:CopyFromBackupVault", "Resource": "*"})
    failed(route.copy())
    alert = expect_one(inbox, cause="explicit-deny-policy", at_least="proven", act_in=lab.management)
    assert alert["denied"]["policy_type"] == "service-control-policy"
    assert alert["denied"]["recorded_in"] == route.source
    assert "management account" in json.dumps([alert["summary"], alert["next_steps"]]).lower()


def test_lock_range(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    lab.client(route.destination, "backup").put_backup_vault_lock_configuration(
        BackupVaultName=route.destination_vault, MinRetentionDays=30, MaxRetentionDays=60
    )
    route.back_up()
    route.lifecycle = {"DeleteAfterDays": 7}
    failed(route.copy())
    expect_one(inbox, cause="vault-lock-retention", at_least="suspected", act_in=route.source)


def test_copy_back(lab: Lab, inbox: Inbox) -> None:
    """The way back: the job belongs to the backup account, the service-linked role of the source account is refused."""
    route = ebs_route(lab, source=lab.backup, destination=lab.source)
    route.back_up()
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    failed(route.copy())
    alert = expect_one(inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=lab.backup)
    assert alert["denied"]["principal"] == SLR.format(account=lab.source)
    assert alert["denied"]["recorded_in"] == lab.source


def test_cross_region(lab: Lab, inbox: Inbox) -> None:
    """The source key is called in its own Region while the vault lies in another: both Regions are searched."""
    route = ebs_route(lab, destination_region="eu-west-1")
    route.back_up()
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    failed(route.copy())
    expect_one(inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source)


def test_fully_managed_type_needs_the_vault_key(lab: Lab, inbox: Inbox) -> None:
    route = efs_route(lab)
    route.back_up()
    route.put_key_policy(key_policy(route.source), route.vault_key_arn)
    failed(route.copy())
    alert = expect_one(inbox, cause="kms-key-policy-missing-destination", at_least="supported", act_in=route.source)
    assert alert["denied"]["resource"] == route.vault_key_arn


def test_organization_mismatch(lab: Lab, inbox: Inbox) -> None:
    message = "Copy job failed. Both source and destination account must be a member of the same organization."
    route = ebs_route(lab)
    route.back_up()
    next_job(lab, route, "copy", "FAILED", message)
    failed(route.copy())
    expect_one(inbox, cause="organization-mismatch", at_least="suspected", act_in=lab.management)


def next_job(lab: Lab, route: Route, job_type: str, state: str, message: str, category: str | None = None) -> None:
    """What no policy decides: the outcome of the next job of that type in the source account."""
    body = {
        "account_id": route.source,
        "region": route.source_region,
        "job_type": job_type,
        "state": state,
        "status_message": message,
    }
    lab.control("next-job", {**body, **({"message_category": category} if category else {})})


def start_backup(lab: Lab, route: Route) -> str:
    backup = lab.client(route.source, "backup", route.source_region)
    job = backup.start_backup_job(
        BackupVaultName=route.vault, ResourceArn=route.resource_arn, IamRoleArn=JOB_ROLE.format(account=route.source)
    )
    lab.idle()
    return job["BackupJobId"]


def test_expired_because_another_job_ran_is_harmless(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    message = "Backup job failed because there was a running job for the same resource."
    next_job(lab, route, "backup", "EXPIRED", message)
    start_backup(lab, route)
    alert = expect_one(inbox, cause="concurrent-job", at_least="suspected", act_in=route.source)
    assert alert["severity"] in ("info", "low")


def test_expired_before_completion_is_real(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    next_job(lab, route, "backup", "EXPIRED", "Backup job expired before completion.")
    start_backup(lab, route)
    alert = expect_one(inbox, cause="window-expired", at_least="suspected", act_in=route.source)
    assert alert["severity"] in ("medium", "high", "critical")


def test_completed_but_not_copied(lab: Lab, inbox: Inbox) -> None:
    """The job state says COMPLETED; only the message says that the copy into the air-gapped vault does not exist."""
    route = ebs_route(lab)
    message = (
        "Backup job completed successfully to the target backup vault. "
        "This resource type is not supported by logically air-gapped backup vault."
    )
    next_job(lab, route, "backup", "COMPLETED", message)
    start_backup(lab, route)
    alert = expect_one(inbox, cause="unsupported-resource-or-operation", at_least="suspected", act_in=route.source)
    assert alert["severity"] in ("high", "critical")


def test_unsupported_type(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    message = "Images from AWS Marketplace cannot be copied to another AWS account."
    next_job(lab, route, "copy", "FAILED", message)
    failed(route.copy())
    expect_one(inbox, cause="unsupported-resource-or-operation", at_least="suspected", act_in=route.source)


def test_two_copies_at_once_without_a_key_in_the_records(lab: Lab, inbox: Inbox) -> None:
    """Both are refused at the same time, for different keys, and the records name no key: neither may be called proven."""
    routes = [ebs_route(lab), ebs_route(lab)]
    for route in routes:
        route.back_up()
        route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    inbox.drain()
    lab.control("denial-form", {"form": "vague"})
    try:
        for route in routes:
            route.start_copy()
        alerts = inbox.drain()
    finally:
        lab.control("denial-form", {"form": "full"})
    assert len(alerts) == 2, [(alert["cause"], alert["title"]) for alert in alerts]
    assert {job["job_id"] for alert in alerts for job in alert["jobs"]} == {j.lower() for r in routes for j in r.jobs}
    for alert in alerts:
        assert alert["certainty"] != "proven", json.dumps(alert, indent=1)


def test_a_copy_that_works_is_silent(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    assert route.copy()["State"] == "COMPLETED"
    assert inbox.drain() == []
