"""Failures that no job event announces: plans that make no job, and what only notifications of vaults tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from .guardian import DIAGNOSE, VAULT_NOTIFICATIONS, Guardian
from .organization import ROOT, Inbox, Json, Lab

pytestmark = pytest.mark.usefixtures("unhurried")

RECORD = "backup-guardian-record-success"
EVENTS = ROOT / "tests" / "events"
SCP = "arn:aws:organizations::{management}:policy/o-exampleorgid/service_control_policy/p-examplepolicyid111"


@pytest.fixture
def twice(lab: Lab, inbox: Inbox) -> Iterator[None]:
    """EventBridge delivers everything twice."""
    lab.control("bus", {"duplicate": 1})
    yield
    lab.control("bus", {})


@pytest.fixture
def plan(lab: Lab) -> str:
    return make_plan(lab)


def make_plan(lab: Lab) -> str:
    """A plan of the source account; its ARN."""
    rule = {"RuleName": "nightly", "TargetBackupVaultName": "any", "ScheduleExpression": "cron(0 5 * * ? *)"}
    created = lab.client(lab.source, "backup").create_backup_plan(
        BackupPlan={"BackupPlanName": lab.unique("quiet"), "Rules": [rule]}
    )
    return created["BackupPlanArn"]


def happen(lab: Lab, event_name: str, details: Json, error_message: str = "") -> None:
    """AWS Backup records something of itself in the source account."""
    error = {"error_code": "AccessDenied", "error_message": error_message} if error_message else {}
    body = {"account_id": lab.source, "region": lab.region, "event_name": event_name, "details": details, **error}
    lab.control("service-event", body)


def only(alerts: list[Json]) -> Json:
    assert len(alerts) == 1, [alert["title"] for alert in alerts]
    return alerts[0]


# -- plans that make no job --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("twice")
def test_a_selection_whose_role_cannot_be_assumed_is_told_once_and_ends_with_a_job_of_its_plan(
    lab: Lab, inbox: Inbox, guardian: Guardian, plan: str
) -> None:
    nobody = {"Version": "2012-10-17", "Statement": []}
    iam = lab.client(lab.source, "iam")
    role = iam.create_role(RoleName=lab.unique("quiet"), AssumeRolePolicyDocument=json.dumps(nobody))["Role"]["Arn"]
    text = f"The provided role {role} cannot be assumed by AWS Backup."
    for _ in range(2):
        # The plan runs again, and fails again: the same incident.
        happen(lab, "ProcessBackupPlanSelection", {"backupPlanArn": plan, "selectionId": "weekly-tagged"}, text)
        lab.idle()
    alert = only(inbox.drain())
    assert (alert["cause"], alert["certainty"], alert["kind"]) == ("selection-not-processed", "proven", "failure")
    assert alert["act_in"]["account_id"] == lab.source and alert["act_in"]["resource_arn"] == role
    assert (alert["denied"]["action"], alert["denied"]["resource"]) == ("sts:AssumeRole", role)
    assert alert["jobs"][0]["account_id"] == lab.source and alert["jobs"][0]["state"] == "NOT_STARTED"
    assert alert["jobs"][0]["resource_arn"] == plan
    assert "weekly-tagged" in alert["summary"] and plan in alert["summary"] and "trust policy" in alert["summary"]
    assert "job_id" not in alert["jobs"][0], "there is no job to read"
    assert not [gap for gap in alert["gaps"] if gap["action"].startswith("backup:Describe")]

    done = json.loads((EVENTS / "backup-job" / "completed.json").read_text())
    done |= {"account": lab.source, "region": lab.region}
    done["detail"] |= {"creationDate": f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"}

    def completes(created_by: str, role_arn: str) -> list[Json]:
        job = {"backupJobId": lab.unique("done"), "iamRoleArn": role_arn, "createdBy": {"backupPlanArn": created_by}}
        event = json.dumps({**done, "detail": {**done["detail"], **job}})
        guardian.send(event, function=RECORD)
        return inbox.drain()

    other_role = f"arn:aws:iam::{lab.source}:role/another"
    assert completes(make_plan(lab), role) == [], "another plan proves nothing"
    assert completes(plan, other_role) == [], "another role proves nothing"
    over = only(completes(plan, role))
    assert (over["kind"], over["incident_id"]) == ("resolved", alert["incident_id"])


@pytest.mark.usefixtures("twice")
def test_a_selection_that_an_organization_policy_stops_is_told_to_its_owner(lab: Lab, inbox: Inbox, plan: str) -> None:
    policy = SCP.format(management=lab.management)
    text = (
        f"User: arn:aws:sts::{lab.source}:assumed-role/AWSBackupDefaultServiceRole/AWSBackup-AWSBackupDefaultServiceRole is not authorized "
        f"to perform: tag:GetResources with an explicit deny in a service control policy: {policy}"
    )
    happen(lab, "ProcessBackupPlanSelection", {"backupPlanArn": plan, "selectionId": "tagged"}, text)
    lab.idle()
    alert = only(inbox.drain())
    # The lab has no such policy: AWS' record is the only witness.
    assert (alert["cause"], alert["certainty"]) == ("selection-not-processed", "supported")
    assert (alert["act_in"]["account_id"], alert["act_in"]["resource_arn"]) == (lab.management, policy)
    assert alert["denied"]["action"] == "tag:GetResources" and alert["jobs"][0]["resource_arn"] == plan


def test_two_plans_that_fail_alike_are_two_incidents(lab: Lab, inbox: Inbox) -> None:
    plans = [make_plan(lab), make_plan(lab)]
    for plan in plans:
        happen(lab, "ProcessBackupPlanSelection", {"backupPlanArn": plan}, "Something went wrong")
        lab.idle()
    alerts = inbox.drain()
    assert [alert["jobs"][0]["resource_arn"] for alert in alerts] == plans
    assert len({alert["incident_id"] for alert in alerts}) == 2


@pytest.mark.usefixtures("twice")
def test_a_selection_that_went_with_its_role_is_told_once(lab: Lab, inbox: Inbox, plan: str) -> None:
    details = {"backupPlanArn": plan, "backupPlanName": "daily", "selectionName": "everything"}
    happen(lab, "BackupSelectionDeletedDueToSLRDeletion", details)
    alert = only(inbox.drain())
    assert (alert["cause"], alert["certainty"]) == ("selection-deleted", "proven")
    assert (alert["act_in"]["account_id"], alert["act_in"]["resource_arn"]) == (lab.source, plan)
    assert alert["title"].startswith("Backup not started: daily (backup plan) of account ")
    assert "everything" in alert["summary"]


@pytest.mark.usefixtures("twice")
def test_a_policy_that_makes_no_plan_is_told_to_the_management_account(lab: Lab, inbox: Inbox) -> None:
    name = lab.unique("org-plan")
    selections = {"tagSelections": [{"selectionName": "tagged-daily"}]}
    happen(
        lab,
        "InvalidOrganizationBackupPlan",
        {
            "effectivePolicyId": lab.unique("policy"),
            "effectiveBackupPlan": {"logicalName": name, "selections": selections},
        },
    )
    alert = only(inbox.drain())
    assert (alert["cause"], alert["certainty"]) == ("organization-policy-invalid", "proven")
    assert alert["act_in"]["account_id"] == lab.management and alert["jobs"][0]["account_id"] == lab.source
    assert name in alert["summary"] and "tagged-daily" in alert["summary"]


def test_a_plan_that_works_is_nothing(lab: Lab, inbox: Inbox, guardian: Guardian, plan: str) -> None:
    happen(lab, "ProcessBackupPlanSelection", {"backupPlanArn": plan})
    happen(lab, "CreateOrganizationalBackupPlan", {"backupPlanArn": plan})
    assert inbox.drain() == [] and guardian.waiting() == 0


# -- notifications of vaults -------------------------------------------------------------------------------------------

TOLD = {
    "CONTINUOUS_BACKUP_INTERRUPTED": "continuous-backup-interrupted",
    "S3_BACKUP_OBJECT_FAILED": "objects-left-out",
    "S3_RESTORE_OBJECT_FAILED": "objects-left-out",
    "EKS_BACKUP_OBJECT_FAILED": "objects-left-out",
    "EKS_RESTORE_OBJECT_FAILED": "objects-left-out",
    "EKS_RESTORE_OBJECT_SKIPPED": "objects-left-out",
}


class Vault:
    """A vault of the source account whose notifications go to the guardian, set up as README.md says."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.name = lab, lab.unique("quiet")
        self.topic = f"arn:aws:sns:{lab.region}:{lab.source}:{VAULT_NOTIFICATIONS}"
        self.backup = lab.client(lab.source, "backup")
        self.backup.create_backup_vault(BackupVaultName=self.name)
        self.backup.put_backup_vault_notifications(
            BackupVaultName=self.name, SNSTopicArn=self.topic, BackupVaultEvents=[*TOLD, "BACKUP_JOB_COMPLETED"]
        )
        lab.client(lab.guardian, "sns").subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=lab.info["outputs"]["VaultNotificationsQueueArn"]
        )

    def notify(self, event: str, message: str, **attributes: str) -> str | None:
        body = {"account_id": self.lab.source, "region": self.lab.region, "vault": self.name, "event": event}
        sent = self.lab.control("vault-notification", {**body, "message": message, "attributes": attributes})
        self.lab.idle()
        return sent["message_id"]


@pytest.fixture
def vault(lab: Lab, inbox: Inbox) -> Vault:
    return Vault(lab)


def held(guardian: Guardian) -> Json:
    """The mapping of the queue of notifications."""
    mappings = guardian.functions.list_event_source_mappings(FunctionName=DIAGNOSE)["EventSourceMappings"]
    (mapping,) = (each for each in mappings if each["EventSourceArn"].endswith(VAULT_NOTIFICATIONS))
    return mapping


@pytest.mark.parametrize("event", TOLD)
def test_a_notification_without_a_twin_is_one_alert_however_often_it_comes(
    lab: Lab, inbox: Inbox, guardian: Guardian, vault: Vault, event: str
) -> None:
    bucket = lab.unique("bucket")
    # The queue keeps what was sent: SQS delivers at least once.
    guardian.functions.update_event_source_mapping(UUID=held(guardian)["UUID"], Enabled=False)
    assert vault.notify(event, f"It happened. Resource ARN : arn:aws:s3:::{bucket}.", Id=lab.unique("job"))
    url = guardian.sqs.get_queue_url(QueueName=VAULT_NOTIFICATIONS)["QueueUrl"]
    (message,) = guardian.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    guardian.sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
    guardian.functions.update_event_source_mapping(UUID=held(guardian)["UUID"], Enabled=True)
    alert = only(inbox.drain())
    assert alert["cause"] == TOLD[event] and alert["act_in"]["account_id"] == lab.source
    assert alert["jobs"][0]["account_id"] == lab.source and alert["jobs"][0]["region"] == lab.region
    assert bucket in alert["summary"]
    assert alert["jobs"][0]["job_type"] == ("restore" if "RESTORE" in event else "backup")


def test_what_eventbridge_tells_as_well_and_what_was_not_asked_for_is_left_alone(
    lab: Lab, inbox: Inbox, guardian: Guardian, vault: Vault
) -> None:
    assert vault.notify("BACKUP_JOB_COMPLETED", "A job failed.", State="FAILED")
    assert vault.notify("COPY_JOB_FAILED", "A copy failed.") is None
    assert inbox.drain() == []


def test_an_account_can_speak_for_nobody_but_itself(lab: Lab, inbox: Inbox, guardian: Guardian, vault: Vault) -> None:
    sns = lab.client(lab.source, "sns")
    event = json.loads((EVENTS / "copy-job" / "failed.json").read_text())
    forged = json.dumps({**event, "account": lab.backup})
    account = {"DataType": "String", "StringValue": lab.backup}
    sns.publish(TopicArn=vault.topic, Message=forged, MessageAttributes={"AccountId": account})
    alert = only(inbox.drain())
    # Nobody knows what it is, so a person sees it as it came; and whose it is SNS says.
    assert (alert["cause"], alert["jobs"][0]["account_id"]) == ("unexplained", lab.source)

    # A subscription with raw delivery would bring the forged event itself: it is set aside and ends where an alarm looks.
    url = guardian.sqs.get_queue_url(QueueName=VAULT_NOTIFICATIONS)["QueueUrl"]
    before = guardian.counts().get(("quarantined", "not-an-event"), 0)
    guardian.sqs.send_message(QueueUrl=url, MessageBody=forged)
    assert inbox.drain() == []
    assert guardian.counts()[("quarantined", "not-an-event")] > before


def test_a_topic_of_another_name_is_not_heard(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    sns = lab.client(lab.source, "sns")
    topic = sns.create_topic(Name=lab.unique("another"))["TopicArn"]
    queue = lab.info["outputs"]["VaultNotificationsQueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    attributes = {"EventType": {"DataType": "String", "StringValue": "S3_BACKUP_OBJECT_FAILED"}}
    sns.publish(TopicArn=topic, Message="It happened.", MessageAttributes=attributes)
    assert inbox.drain() == []
    url = guardian.sqs.get_queue_url(QueueName=VAULT_NOTIFICATIONS)["QueueUrl"]
    found = guardian.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert found["Attributes"]["ApproximateNumberOfMessages"] == "0"
