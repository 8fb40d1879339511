"""What arrives damaged, and what is missing around the guardian: an alert all the same, and it says what it could not see."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .guardian import DIAGNOSE, LOOKUP, READER_ROLE, Guardian
from .organization import ROOT, Inbox, Json, Lab, failing_route

EVENTS = ROOT / "tests" / "events"
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SNS_LIMIT = 262_144
COPY_FAILED = json.loads((EVENTS / "copy-job" / "failed.json").read_text())
# Bounded by the template; a diagnosis may never take more of the two calls per second that everybody in an account shares.
LOOKUP_BUDGET = 20


def only(alerts: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(alerts) == 1, [(alert["kind"], alert["cause"], alert["title"]) for alert in alerts]
    return alerts[0]


def gaps(alert: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(gap["action"], gap["account_id"], gap["reason"]) for gap in alert["gaps"]}


# -- events that are damaged ---------------------------------------------------------------------------------------------


def test_what_is_no_event_ends_in_the_dead_letter_queue_and_the_failure_beside_it_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    text = json.dumps(COPY_FAILED)
    damaged = {"a copy failed, says AWS": "not-json", text[: len(text) // 2]: "not-json", " ": "not-json"}
    damaged['{"hello": "world"}'] = "not-an-event"
    first, second, *others = damaged
    route = failing_route(lab)
    guardian.bring_retries(0)
    before = guardian.counts()
    with guardian.stopped(DIAGNOSE):
        # One batch: two before the failure, two after it.
        guardian.send(first, second)
        job = route.copy()
        guardian.send(*others)
    alert = only(inbox.drain())
    assert [each["job_id"] for each in alert["jobs"]] == [job["CopyJobId"].lower()]
    assert sorted(guardian.dead_letters()) == sorted(damaged)
    assert guardian.waiting() == 0
    # Each came as often as the queue lets it come, and was counted each time.
    receives = json.loads(guardian.queue_attributes()["RedrivePolicy"])["maxReceiveCount"]
    counted = {reason: guardian.counts()["quarantined", reason] for reason in damaged.values()}
    for reason, count in counted.items():
        expected = int(receives) * list(damaged.values()).count(reason)
        assert count - before.get(("quarantined", reason), 0) == expected, reason


def test_events_of_an_unknown_type_are_done_and_counted(inbox: Inbox, guardian: Guardian) -> None:
    files = sorted((EVENTS / "other").glob("*.json"))
    before = guardian.counts().get(("ignored", "unknown-detail-type"), 0)
    guardian.send(*(file.read_text() for file in files))
    assert inbox.drain() == []
    assert guardian.waiting() == 0 and guardian.dead_letters() == []
    assert guardian.counts()["ignored", "unknown-detail-type"] == before + len(files) > before


@pytest.mark.parametrize(
    "detail",
    [None, "FAILED", [], 7, {}, {"state": None, "copyJobId": None}, {"state": ["FAILED"], "copyJobId": 5}, "missing"],
    ids=["null", "a text", "a list", "a number", "empty", "nulls inside", "wrong types inside", "missing"],
)
def test_a_failure_whose_detail_is_damaged_is_told_with_what_could_not_be_read(
    lab: Lab, inbox: Inbox, guardian: Guardian, detail: Any
) -> None:
    event = {**COPY_FAILED, "account": lab.unique("5").replace("-", "").ljust(12, "0"), "detail": detail}
    if detail == "missing":
        del event["detail"]
    guardian.send(json.dumps(event))
    alert = only(inbox.drain())
    assert alert["jobs"][0]["account_id"] == event["account"]
    assert alert["jobs"][0]["job_type"] == "copy"
    # The words of the envelope are no message of AWS: no cause may be read out of them.
    assert (alert["cause"], alert["certainty"]) == ("unexplained", "unexplained")
    assert any(unread["field"].startswith("detail") for unread in alert["unread"]), alert["unread"]
    assert guardian.waiting() == 0


@pytest.mark.usefixtures("unhurried")
def test_an_event_of_one_account_that_names_the_objects_of_another_hides_nothing_there(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    route = failing_route(lab)
    stranger = lab.accounts["sources"][1]
    detail = {
        **COPY_FAILED["detail"],
        "account": route.source,
        "sourceBackupVaultArn": f"arn:aws:backup:{lab.region}:{route.source}:backup-vault:{route.vault}",
        "destinationBackupVaultArn": route.destination_vault_arn,
        "resourceArn": route.resource_arn,
        "iamRoleArn": f"arn:aws:iam::{route.source}:role/service-role/AWSBackupDefaultServiceRole",
    }
    guardian.send(
        json.dumps({**COPY_FAILED, "account": stranger, "resources": [route.recovery_point_arn], "detail": detail})
    )
    forged = only(inbox.drain())
    assert {job["account_id"] for job in forged["jobs"]} == {stranger}
    assert forged["act_in"]["account_id"] == stranger
    route.copy()
    real = only(inbox.drain())
    assert real["incident_id"] != forged["incident_id"]
    assert {job["account_id"] for job in real["jobs"]} == {route.source}
    assert (real["act_in"]["account_id"], real["certainty"]) == (route.source, "proven")


@pytest.fixture
def subscribers(lab: Lab) -> Iterator[dict[str, str]]:
    """One e-mail and one SMS subscriber of the alerts."""
    sns = lab.client(lab.guardian, "sns")
    name = lab.unique("on-call")
    endpoints = {"email": f"{name}@example.com", "sms": f"+4915500{name.rsplit('-', 1)[-1].zfill(6)}"}
    topic = lab.info["alert_topic_arn"]
    arns = [
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True)[
            "SubscriptionArn"
        ]
        for protocol, endpoint in endpoints.items()
    ]
    yield endpoints
    for arn in arns:
        sns.unsubscribe(SubscriptionArn=arn)


@pytest.mark.parametrize("way", ["the queue", "lambda invoke"])
def test_a_huge_message_is_cut_says_so_and_fits_the_topic(
    lab: Lab, inbox: Inbox, guardian: Guardian, subscribers: dict[str, str], way: str
) -> None:
    # Every character grows when it is written into JSON within JSON.
    message = ('Ü"\\\t' * 75_000)[:300_000]
    detail = {**COPY_FAILED["detail"], "statusMessage": message}
    event = {**COPY_FAILED, "account": lab.unique("6").replace("-", "").ljust(12, "0"), "detail": detail}
    if way == "the queue":
        guardian.send(json.dumps(event))
    else:
        assert guardian.invoke(event) == {"outcome": "announced"}
    alert = only(inbox.drain())
    whole = len(message.strip().encode())
    assert alert["jobs"][0]["status_message"].endswith(f" of {whole} bytes]"), alert["jobs"][0]["status_message"][-60:]
    assert [unread["field"] for unread in alert["unread"]] == ["detail.statusMessage"]

    sent = {each["protocol"]: each for each in lab.control("mailbox") if each["endpoint"] in subscribers.values()}
    attributes = alert.pop("_attributes")
    bodies = {"default": json.dumps(alert, ensure_ascii=False, separators=(",", ":"))}
    bodies |= {protocol: each["body"] for protocol, each in sent.items()}
    assert set(bodies) == {"default", "email", "sms"}
    size = len(json.dumps(bodies, ensure_ascii=False).encode())
    size += sum(len(name) + len("String") + len(value) for name, value in attributes.items())
    assert size + len(sent["email"]["subject"]) <= SNS_LIMIT


# -- what only some jobs are about ---------------------------------------------------------------------------------------

# One recovery point of every service that keeps its own: what AWS Backup names it.
POINTS = {
    "an image": "arn:aws:ec2:{region}::image/ami-0a1b2c3d4e5f60718",
    "a cluster snapshot": "arn:aws:rds:{region}:{account}:cluster-snapshot:awsbackup:job-1",
    "a file system of FSx": "arn:aws:fsx:{region}:{account}:backup/backup-0a1b2c3d4e5f60718",
    "a table": "arn:aws:dynamodb:{region}:{account}:table/orders/backup/01700000000000-0a1b2c3d",
    "a warehouse": "arn:aws:redshift:{region}:{account}:snapshot:orders/awsbackup-job-1",
    "a serverless warehouse": "arn:aws:redshift-serverless:{region}:{account}:snapshot/0a1b2c3d-1111-2222-3333-444455556666",
}


def another_copy(lab: Lab) -> Json:
    """The event of a copy that failed as no other has: in a route of its own."""
    vault = f"arn:aws:backup:{lab.region}:{lab.source}:backup-vault:{lab.unique('gone')}"
    detail = {**COPY_FAILED["detail"], "copyJobId": str(uuid.uuid4()).upper(), "sourceBackupVaultArn": vault}
    return {**COPY_FAILED, "detail": detail}


@pytest.mark.parametrize("point", POINTS)
def test_recovery_points_of_every_service_may_be_read(lab: Lab, inbox: Inbox, guardian: Guardian, point: str) -> None:
    arn = POINTS[point].format(region=lab.region, account=lab.source)
    guardian.invoke({**another_copy(lab), "resources": [arn]})
    gaps = {gap["action"]: gap for gap in only(inbox.drain())["gaps"]}
    assert gaps["backup:DescribeRecoveryPoint"]["reason"] == "not-found", gaps


def test_a_scan_is_described(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    scan = json.loads((EVENTS / "scan-job" / "completed-threats-found.json").read_text())
    guardian.invoke({**scan, "detail": {**scan["detail"], "scanJobId": str(uuid.uuid4())}})
    assert only(inbox.drain())["cause"] == "threats-found"
    assert guardian.requests(operation="DescribeScanJob")[-1]["account_id"] == scan["account"]


def test_a_claim_of_a_form_that_nobody_knows_is_somebody_elses(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    event = another_copy(lab)
    job_id = event["detail"]["copyJobId"].lower()
    key = {"pk": {"S": f"claim#{lab.source}#{lab.region}#copy#{job_id}#FAILED"}, "sk": {"S": "claim"}}
    guardian.dynamodb.put_item(TableName=guardian.table, Item={**key, "v": {"N": "99"}})
    answer = guardian.functions.invoke(FunctionName=DIAGNOSE, Payload=json.dumps(event))
    assert "FunctionError" in answer and inbox.drain() == []
    guardian.dynamodb.delete_item(TableName=guardian.table, Key=key)
    guardian.invoke(event)
    assert only(inbox.drain())["jobs"][0]["job_id"].lower() == job_id


# -- what the guardian needs, missing ------------------------------------------------------------------------------------

READS = [
    ("backup", "DescribeCopyJob", "source"),
    ("backup", "DescribeRecoveryPoint", "source"),
    ("backup", "DescribeBackupVault", "source"),
    ("backup", "DescribeBackupVault", "backup"),
    ("backup", "GetBackupVaultAccessPolicy", "source"),
    ("backup", "GetBackupVaultAccessPolicy", "backup"),
    ("kms", "DescribeKey", "source"),
    ("kms", "DescribeKey", "backup"),
    ("kms", "GetKeyPolicy", "source"),
    ("kms", "GetKeyPolicy", "backup"),
    ("kms", "ListGrants", "source"),
    ("kms", "ListGrants", "backup"),
    ("cloudtrail", LOOKUP, "source"),
    ("cloudtrail", LOOKUP, "backup"),
]
# The guardian's own: other tests take them away.
OWN = {"dynamodb", "sns", "sqs", "sts"}


@pytest.mark.usefixtures("unhurried")
def test_the_reads_that_are_denied_below_are_all_that_a_diagnosis_makes(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    calls = guardian.requests(failing_route(lab).copy)
    sides = {lab.source: "source", lab.backup: "backup"}
    made = {
        (call["service"], call["operation"], sides[call["account_id"]]) for call in calls if call["service"] not in OWN
    }
    assert made == set(READS)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(("service", "operation", "side"), READS, ids=[f"{one[1]} in {one[2]}" for one in READS])
def test_a_read_that_is_denied_is_a_gap_that_names_action_and_account(
    lab: Lab, inbox: Inbox, guardian: Guardian, service: str, operation: str, side: str
) -> None:
    route = failing_route(lab)
    account = getattr(lab, side)
    # No denial arrives as an event, so that CloudTrail must be asked.
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    guardian.fault("denied", service=service, operation=operation, account_id=account)
    route.copy()
    alert = only(inbox.drain())
    assert guardian.met() > 0, "the read was not made, so this shows nothing"
    assert (f"{service}:{operation}", account, "access-denied") in gaps(alert)
    assert alert["cause"] == "kms-key-policy-missing-destination"


@contextmanager
def role_deleted(lab: Lab, account: str, name: str) -> Iterator[None]:
    """A role is deleted meanwhile."""
    iam = lab.client(account, "iam")
    role = iam.get_role(RoleName=name)["Role"]
    policies = {
        policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }
    for policy in policies:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)
    try:
        yield
    finally:
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        iam.create_role(RoleName=name, Path=role["Path"], AssumeRolePolicyDocument=trust)
        for policy, document in policies.items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("side", ["source", "backup"])
def test_a_reader_role_that_is_gone_is_a_gap_that_names_the_account(
    lab: Lab, inbox: Inbox, guardian: Guardian, side: str
) -> None:
    route = failing_route(lab)
    account = getattr(lab, side)
    # Sessions outlive their role: only a new process notices.
    guardian.restart()
    with role_deleted(lab, account, READER_ROLE):
        route.copy()
        alert = only(inbox.drain())
    guardian.restart()
    assert ("sts:AssumeRole", account, "role-not-assumable") in gaps(alert)
    assert alert["cause"] == "kms-key-policy-missing-destination"


@contextmanager
def table_trouble(guardian: Guardian, trouble: str) -> Iterator[None]:
    if trouble == "deleted":
        with guardian.without_table(guardian.table):
            yield
        return
    guardian.fault(trouble, service="dynamodb")
    yield
    guardian.well()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("trouble", ["denied", "hang", "deleted"])
def test_without_the_guardian_table_the_alert_comes_and_is_repeated_at_most_once(
    lab: Lab, inbox: Inbox, guardian: Guardian, trouble: str
) -> None:
    route = failing_route(lab)
    before, errors = guardian.counts(), guardian.errors()
    with table_trouble(guardian, trouble):
        route.copy()
        alert = only(inbox.drain())
    assert guardian.errors() == errors, "an invocation crashed or ran out of time"
    for step in ("claim", "join"):
        assert guardian.counts().get(("failed-open", step), 0) == before.get(("failed-open", step), 0) + 1
    if trouble != "deleted":
        assert ("dynamodb:Query", lab.guardian) in {(action, account) for action, account, _ in gaps(alert)}
    route.copy()
    again = inbox.drain()
    assert [each["incident_id"] for each in again] in ([], [alert["incident_id"]])
    route.copy()
    assert inbox.drain() == [], "the incident is not recorded"


@pytest.mark.usefixtures("unhurried")
def test_without_the_table_of_denials_the_alert_comes_and_no_denial_is_lost(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    route = failing_route(lab)
    guardian.hold_retries()
    with guardian.without_table(guardian.denials_table):
        route.copy()
        alert = only(inbox.drain())
    assert ("dynamodb:Query", lab.guardian, "not-found") in gaps(alert)
    assert alert["denied"]["action"] == "kms:CreateGrant", "CloudTrail has the denial too"
    assert guardian.denials() == []
    guardian.bring_retries()
    lab.idle()
    assert [denial["event_id"] for denial in guardian.denials()] == [alert["denied"]["event_id"]]


# More often than the SDK tries, so that the message must come again; `hang` and the answers that are lost once.
TOPIC_TROUBLE = [("throttle", 5), ("error500", 5), ("reset", 5), ("reset-after", 1), ("truncate", 1), ("hang", 1)]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(("trouble", "times"), TOPIC_TROUBLE, ids=[one[0] for one in TOPIC_TROUBLE])
def test_trouble_with_the_topic_delays_the_alert_and_repeats_it_at_most_once(
    lab: Lab, inbox: Inbox, guardian: Guardian, trouble: str, times: int
) -> None:
    route = failing_route(lab)
    guardian.fault(trouble, service="sns", operation="Publish", times=times)
    route.copy()
    alerts = inbox.drain()
    assert guardian.met() == times
    published = trouble in ("reset-after", "truncate")
    assert 1 <= len(alerts) <= (2 if published else 1)
    assert len({alert["incident_id"] for alert in alerts}) == 1
    route.copy()
    assert inbox.drain() == [], "the incident is not recorded"


def test_an_alert_that_the_topic_refuses_waits_in_the_queue(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    route = failing_route(lab)
    guardian.hold_retries()
    guardian.fault("denied", service="sns")
    job = route.copy()
    assert inbox.drain() == [] and guardian.waiting() == 1
    guardian.well()
    guardian.bring_retries()
    alert = only(inbox.drain())
    assert [each["job_id"] for each in alert["jobs"]] == [job["CopyJobId"].lower()]
    assert guardian.waiting() == 0


@pytest.mark.parametrize("trouble", ["hang", "throttle", "error500", "reset", "truncate", "absent"])
def test_trouble_with_cloudtrail_is_a_gap_and_never_more_than_the_budget(
    lab: Lab, inbox: Inbox, guardian: Guardian, trouble: str
) -> None:
    route = failing_route(lab)
    late = 3600 if trouble == "absent" else 0
    lab.control("cloudtrail-delay", {"lookup_seconds": late, "event_seconds": 3600})
    if trouble != "absent":
        guardian.fault(trouble, service="cloudtrail")
    with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS="2000"):
        lookups = guardian.requests(route.copy, operation=LOOKUP)
    alert = only(inbox.drain())
    assert 0 < len(lookups) <= LOOKUP_BUDGET
    assert lab.backup in {account for action, account, _ in gaps(alert) if action == f"cloudtrail:{LOOKUP}"}
    assert alert["cause"] == "kms-key-policy-missing-destination"
    assert alert["certainty"] != "proven"


def test_the_budget_of_lookups_holds_however_long_there_is_time(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    route = failing_route(lab)
    lab.control("cloudtrail-delay", {"lookup_seconds": 3600, "event_seconds": 3600})
    with guardian.configured(GUARDIAN_LOOKUP_BUDGET="3", GUARDIAN_EVIDENCE_WINDOW_MS="20000"):
        lookups = guardian.requests(route.copy, operation=LOOKUP)
    alert = only(inbox.drain())
    assert 0 < len(lookups) <= 3
    assert "budget-spent" in {reason for _, _, reason in gaps(alert)}


def test_when_every_account_is_silent_one_alert_names_what_was_not_seen(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    route = failing_route(lab)
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    errors = guardian.errors()
    for service in ("backup", "kms", "cloudtrail", "sts"):
        guardian.fault("hang", service=service)
    route.copy()
    alert = only(inbox.drain())
    assert guardian.errors() == errors, "an invocation crashed or ran out of time"
    unseen = {(action, account) for action, account, reason in gaps(alert) if reason == "timed-out"}
    assert {("backup:DescribeCopyJob", lab.source), ("backup:DescribeBackupVault", lab.backup)} <= unseen
    assert alert["certainty"] in ("suspected", "unexplained")
