"""Which events reach the guardian, and which stay where they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .deployed import ROOT, pattern, properties, resources
from .events import Event, call, call_seen_by_the_key_owner, failed_copy, job, job_role_not_assumed, service_event

SIDES = ["guardian", "agent-regional"]

PROBLEMS: dict[str, Event] = {
    "a failed copy": failed_copy(),
    "a failed backup": job("Backup", state="FAILED", statusMessage='"Backup job failed"'),
    "a failed restore says status": job("Restore", status="FAILED", statusMessage="no"),
    "a failed scan": job("Scan", state="FAILED"),
    "aborted": job("Backup", state="ABORTED"),
    "expired": job("Backup", state="EXPIRED"),
    "partial": job("Copy", state="PARTIAL"),
    "scan completed with issues": job("Scan", state="COMPLETED_WITH_ISSUES"),
    "scan canceled": job("Scan", state="CANCELED"),
    "an unknown state": job("Copy", state="QUARANTINED"),
    "an unknown status": job("Restore", status="QUARANTINED"),
    "a state in lower case": job("Copy", state="failed"),
    "completed with a message": job("Backup", state="COMPLETED", statusMessage='"VSS failed"'),
    "a restore that completed with a message": job("Restore", status="COMPLETED", statusMessage="partly"),
    "a scan that found a threat": job("Scan", state="COMPLETED", scanResult={"scanResultStatus": "THREATS_FOUND"}),
    "a scan with an unknown result": job("Scan", state="COMPLETED", scanResult={"scanResultStatus": "UNSURE"}),
    "a scan without a result": job("Scan", state="COMPLETED", scanJobId="4d5fc12e-7e33-4336-a981-bbe43c300298"),
    "neither state nor status": job("Copy", copyJobId="47C8EF56"),
}

NO_PROBLEMS: dict[str, Event] = {
    "created without an id": job("Copy", state="CREATED"),
    "a created restore says state": job("Restore", state="CREATED"),
    "pending with an empty message": job("Backup", state="PENDING", statusMessage=""),
    "pending with a message": job("Backup", state="PENDING", statusMessage='"waiting"'),
    "running": job("Restore", status="RUNNING"),
    "aborting ends in aborted": job("Backup", state="ABORTING"),
    "failing ends in failed": job("Copy", state="FAILING"),
    "completing ends in completed": job("Copy", state="COMPLETING"),
    "completed": job("Backup", state="COMPLETED"),
    "completed with an empty message": job("Backup", state="COMPLETED", statusMessage=""),
    "completed with a quoted empty message": job("Backup", state="COMPLETED", statusMessage='""'),
    "a completed restore": job("Restore", status="COMPLETED"),
    "a clean scan": job(
        "Scan", scanJobId="4d5fc12e", state="COMPLETED", scanResult={"scanResultStatus": "NO_THREATS_FOUND"}
    ),
    "a vault, not a job": {**job("Copy", state="DELETED"), "detail-type": "Backup Vault State Change"},
    "an event of somebody else": {**failed_copy(), "source": "com.example.backup"},
    "a recorded call": call(source="aws.backup"),
}

DENIALS: dict[str, Event] = {
    "the service-linked role may not create a grant": call(),
    "a job role may not re-encrypt": call(event_name="ReEncrypt", role="AWSBackupDefaultServiceRole", invoked_by=None),
    "a call by another service with the session of a job role": call(
        role="OrgBackupRole", invoked_by="ec2.amazonaws.com"
    ),
    "a session name of its own, invoked by AWS Backup": call(role="OrgBackupRole", session="restore-7"),
    "the other form of the code": call(error_code="AccessDeniedException"),
    "EC2's form of the code": call("ec2", "CopySnapshot", "Client.UnauthorizedOperation"),
    "the vault refuses": call("backup", "CopyIntoBackupVault"),
    "the key is disabled": call(event_name="GenerateDataKeyWithoutPlaintext", error_code="DisabledException"),
    "the key is pending deletion": call(error_code="KMSInvalidStateException"),
    "the key is gone": call(error_code="NotFoundException"),
    "RDS cannot use the key": call("rds", "CopyDBSnapshot", "KMSKeyNotAccessibleFault"),
    "the record of the key owner": call_seen_by_the_key_owner(),
    "the job role cannot be assumed": job_role_not_assumed(),
    "the role of restore testing": call(role="AWSServiceRoleForBackupRestoreTesting", invoked_by=None),
}

NOT_STARTED: dict[str, Event] = {
    "a selection with an error": service_event("ProcessBackupPlanSelection", errorCode="AccessDenied"),
    "a selection with a message only": service_event("ProcessBackupPlanSelection", errorMessage="no"),
    "recorded as a call": {
        **service_event("ProcessBackupPlanSelection", errorCode="AccessDenied"),
        "detail-type": "AWS API Call via CloudTrail",
    },
    "a deleted selection": service_event("BackupSelectionDeletedDueToSLRDeletion"),
    "an invalid policy": service_event("InvalidOrganizationBackupPlan"),
}

STARTED: dict[str, Event] = {
    "a selection that was processed": service_event("ProcessBackupPlanSelection"),
    "a plan of the organization": service_event("CreateOrganizationalBackupPlan"),
    "a job": service_event("BackupJobCompleted"),
    "somebody else": {**service_event("InvalidOrganizationBackupPlan"), "source": "com.example.backup"},
    "a refused call": call("backup", "StartBackupJob"),
    "a job event": failed_copy(),
}

NO_DENIALS: dict[str, Event] = {
    "a call that worked": call(error_code=None),
    "a person": call(role="Admin", session="anna", invoked_by=None),
    "another service": call(role="LambdaRole", session="run", invoked_by="lambda.amazonaws.com"),
    "a code that is no refusal": call(error_code="ValidationException"),
    "another API": call("s3", "GetObject"),
    "a job event": failed_copy(),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", PROBLEMS)
def test_a_problem_reaches_the_queue(side: str, what: str) -> None:
    assert pattern(side, "ProblemEventsRule").matches_event(PROBLEMS[what])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", NO_PROBLEMS)
def test_what_is_no_problem_stays_out_of_the_queue(side: str, what: str) -> None:
    assert not pattern(side, "ProblemEventsRule").matches_event(NO_PROBLEMS[what])


@pytest.mark.parametrize("side", SIDES)
def test_completed_backups_and_copies_are_recorded(side: str) -> None:
    matches = pattern(side, "CompletedEventsRule").matches_event
    assert matches(job("Backup", state="COMPLETED")) and matches(job("Copy", state="COMPLETED"))
    for other in (job("Copy", state="FAILED"), job("Copy", state="RUNNING"), job("Restore", status="COMPLETED")):
        assert not matches(other), other


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", NOT_STARTED)
def test_what_makes_no_job_reaches_the_queue(side: str, what: str) -> None:
    assert pattern(side, "NotStartedEventsRule").matches_event(NOT_STARTED[what])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", STARTED)
def test_plans_that_work_stay_out_of_the_queue(side: str, what: str) -> None:
    assert not pattern(side, "NotStartedEventsRule").matches_event(STARTED[what])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", DENIALS)
def test_a_denial_is_collected(side: str, what: str) -> None:
    assert pattern(side, "DenialEventsRule").matches_event(DENIALS[what])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", NO_DENIALS)
def test_what_is_no_denial_is_not_collected(side: str, what: str) -> None:
    assert not pattern(side, "DenialEventsRule").matches_event(NO_DENIALS[what])


def write(service: str, name: str, error: str | None = None, invoked_by: str | None = None) -> Event:
    """A call of somebody."""
    return call(service, name, error, role="Admin", session="anna", invoked_by=invoked_by)


WRITES: dict[str, Event] = {
    "a recovery point is deleted": write("backup", "DeleteRecoveryPoint"),
    "it was tried and refused": write("backup", "DeleteRecoveryPoint", "AccessDeniedException"),
    "a key policy is narrowed": write("kms", "PutKeyPolicy"),
    "a key is made, whose policy is the first": write("kms", "CreateKey"),
    "somebody makes a grant": write("kms", "CreateGrant"),
    "somebody revokes a grant": write("kms", "RevokeGrant"),
    "somebody revokes a grant through Step Functions": write("kms", "RevokeGrant", invoked_by="states.amazonaws.com"),
    "a stack retires a grant": write("kms", "RetireGrant", invoked_by="cloudformation.amazonaws.com"),
    "the default key of EBS is another": write("ec2", "ModifyEbsDefaultKmsKeyId"),
    "a trail is stopped": write("cloudtrail", "StopLogging"),
}
NO_WRITES: dict[str, Event] = {
    "a service gives a grant back": write("kms", "RetireGrant", invoked_by="ec2.amazonaws.com"),
    "a service revokes a grant": write("kms", "RevokeGrant", invoked_by="rds.amazonaws.com"),
    "a service makes a grant": write("kms", "CreateGrant", invoked_by="ec2.amazonaws.com"),
    "a copy makes a grant, as the owner of the key sees it": call_seen_by_the_key_owner(error_code=None),
    "a key rotates": write("kms", "RotateKey"),
    "a copy begins": write("backup", "StartCopyJob"),
    "another API": write("s3", "DeleteObject"),
    "a job event": failed_copy(),
}
GLOBAL_WRITES: dict[str, Event] = {
    "a role loses a policy": write("iam", "DetachRolePolicy"),
    "a role is made, whose trust policy is the first": write("iam", "CreateRole"),
    "a policy of the organization is changed": write("organizations", "UpdatePolicy"),
    "an administrator is removed": write("organizations", "DeregisterDelegatedAdministrator"),
}


def change(detail_type: str, **detail: Any) -> Event:
    return {**job("Copy", **detail), "detail-type": detail_type}


CHANGES: dict[str, Event] = {
    "a vault is deleted": change("Backup Vault State Change", state="DELETED"),
    "a plan is deleted": change("Backup Plan State Change", state="DELETED"),
    "a recovery point goes": change("Recovery Point State Change", status="DELETING"),
    "a type is switched off": change("Region Setting State Change", state="MODIFIED"),
}
NO_CHANGES: dict[str, Event] = {
    "a vault is made": change("Backup Vault State Change", state="CREATED"),
    "a recovery point is made": change("Recovery Point State Change", status="COMPLETED"),
    "an index": change("Recovery Point Index State Change", status="DELETING"),
    "a job event": failed_copy(),
}
OF_RULES = {
    "WriteEventsRule": (WRITES, NO_WRITES | GLOBAL_WRITES),
    "GlobalWriteEventsRule": (GLOBAL_WRITES, NO_WRITES | WRITES),
    "ChangeEventsRule": (CHANGES, NO_CHANGES | WRITES),
}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("rule", OF_RULES)
def test_what_endangers_backups_reaches_the_queue_of_writes_and_nothing_else(side: str, rule: str) -> None:
    wanted, others = OF_RULES[rule]
    matches = pattern(side, rule).matches_event
    assert {what for what, event in wanted.items() if not matches(event)} == set()
    assert {what for what, event in others.items() if matches(event)} == set()


@pytest.mark.parametrize("side", SIDES)
def test_every_write_that_is_judged_is_forwarded(side: str) -> None:
    """The cases of the judgement: a rule lets each of them through, but for what is known to be the work of a service; and so it does what each is
    compared with."""
    lines = (ROOT / "tests" / "facts" / "tamper-cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    matching = [pattern(side, rule).matches_event for rule in ("WriteEventsRule", "GlobalWriteEventsRule")]

    def reach(event: Event) -> bool:
        return any(matches(event) for matches in matching)

    stopped = {
        case["id"]
        for case in cases
        if not reach(write(case["service"], case["event_name"], case.get("error"), case.get("invoked_by")))
    }
    assert stopped == {
        "grant-of-a-service-retired",
        "grant-of-a-file-system-retired-by-its-service",
        "grant-revoked-by-aws-inside",
        "grant-revoked-by-rds-itself",
    }
    compared = [(case["service"], case["before"]["event_name"]) for case in cases if "before" in case]
    assert compared and [call for call in compared if not reach(write(*call))] == []


@pytest.mark.parametrize("side", SIDES)
def test_the_services_whose_grants_are_their_own_are_those_of_the_judgement(side: str) -> None:
    source = (ROOT / "shared" / "src" / "tamper" / "judge" / "mod.rs").read_text(encoding="utf-8")
    listed = source.split("ON_THEIR_OWN: [&str; ", 1)[1].split("= [", 1)[1].split("];", 1)[0]
    *_, grants = properties(side, "WriteEventsRule")["EventPattern"]["detail"]["$or"]
    (others,) = [one["anything-but"] for one in grants["userIdentity"]["invokedBy"] if "anything-but" in one]
    assert others == [line.strip(' ",') for line in listed.strip().splitlines()]


def listening(side: str) -> dict[str, Any]:
    """The rules that hear events, not those with a schedule."""
    rules = resources(side, "AWS::Events::Rule")
    return {key: body for key, body in rules.items() if "ScheduleExpression" not in body["Properties"]}


def test_nobody_outside_can_pose_as_the_reconciliation() -> None:
    posed = {**failed_copy(), "source": "backup-guardian.reconcile"}
    for side in SIDES:
        for rule in listening(side):
            assert not pattern(side, rule).matches_event(posed), (side, rule)
    (queue_policy,) = (
        body["Properties"]["PolicyDocument"]
        for body in resources("guardian", "AWS::SQS::QueuePolicy").values()
        if body["Properties"]["Queues"] == [{"Ref": "ProblemEventsQueue"}]
    )
    allowed = [statement["Principal"] for statement in queue_policy["Statement"] if statement["Effect"] == "Allow"]
    assert allowed == [{"Service": "events.amazonaws.com"}], "another account could write into the queue"
    source = (ROOT / "shared" / "src" / "event" / "reconciled.rs").read_text(encoding="utf-8")
    assert f'RECONCILED_SOURCE: &str = "{posed["source"]}"' in source


def test_both_buses_let_the_same_events_through() -> None:
    hub = {key: body["Properties"] for key, body in listening("guardian").items()}
    agent = {key: body["Properties"] for key, body in listening("agent-regional").items()}
    assert hub.keys() == agent.keys()
    for rule in hub:
        assert hub[rule]["EventPattern"] == agent[rule]["EventPattern"], rule
        # Read-only calls pass only where both rules have the state for them.
        assert hub[rule]["State"] == agent[rule]["State"], rule


def test_read_only_calls_are_seen() -> None:
    for side in SIDES:
        state = properties(side, "DenialEventsRule")["State"]
        assert state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", side


@pytest.mark.parametrize("side", SIDES)
def test_patterns_are_ones_that_eventbridge_takes(side: str) -> None:
    rules = listening(side)
    assert rules
    for rule, body in rules.items():
        event_pattern = body["Properties"]["EventPattern"]
        assert len(json.dumps(event_pattern)) <= 2048, rule
        # The envelope keeps the account of the origin: naming one would blind the hub.
        assert "account" not in event_pattern, rule
        assert event_pattern["source"], rule
        assert operators(event_pattern) <= {"anything-but", "exists", "prefix", "wildcard"}, rule


def operators(node: object) -> set[str]:
    """The operators of a pattern: keys of objects that stand inside a list of values."""
    found: set[str] = set()
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$or":
                found |= set().union(*(operators(branch) for branch in value))
            elif isinstance(value, list):
                found |= {name for each in value if isinstance(each, dict) for name in each}
            else:
                found |= operators(value)
    return found
