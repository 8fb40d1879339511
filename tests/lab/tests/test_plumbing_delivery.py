"""Events reach a function by the rules that are deployed, and no other way."""

from __future__ import annotations

import json

import pytest
from plumbing_lab import aws, control, emit, fresh, handled, idle, job_event, messages, open_queue

from lab import accounts, bus

ALL_CLOUDTRAIL_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@pytest.fixture(autouse=True)
def _lab() -> None:
    fresh()


def test_an_event_of_a_source_account_reaches_the_function_unchanged() -> None:
    control("POST", "sqs", {"paused": True})
    event = job_event()
    emit(event)
    (message,) = messages("problems")
    body = json.loads(message["Body"])
    assert (body["account"], body["region"], body["id"]) == (accounts.SOURCES[0], "eu-central-1", event["id"])
    assert body["detail"] == {"state": "FAILED"} and body["time"].endswith("Z")


def test_the_function_handles_what_matches_and_nothing_else() -> None:
    wanted = emit(job_event("FAILED"))
    emit(job_event("COMPLETED"))
    emit({**job_event("FAILED"), "source": "aws.ec2"})
    idle()
    assert handled() == [wanted]


def test_an_event_may_cross_one_account_border_and_one_region_border() -> None:
    wanted = emit(job_event(), accounts.BACKUP, "eu-west-1")
    idle()
    assert handled() == [wanted]


@pytest.mark.parametrize(
    ("account_id", "region", "code"),
    [
        (accounts.BACKUP, "eu-central-1", "THIRD_ACCOUNT_HOP_DETECTED"),
        (accounts.GUARDIAN, "us-east-1", "THIRD_REGION_HOP_DETECTED"),
    ],
)
def test_a_second_hop_is_not_made(account_id: str, region: str, code: str) -> None:
    events = aws("events")
    if account_id == accounts.GUARDIAN:
        aws("events", accounts.GUARDIAN, region).create_event_bus(Name="third")
    else:
        aws("events", account_id, region).create_event_bus(Name="third")
    dead = _dead_letter_queue()
    events.put_rule(Name="again", EventBusName="backup-guardian", EventPattern='{"source":["aws.backup"]}')
    target = {
        "Id": "third",
        "Arn": f"arn:aws:events:{region}:{account_id}:event-bus/third",
        "RoleArn": f"arn:aws:iam::{accounts.GUARDIAN}:role/backup-guardian-forwarder",
        "DeadLetterConfig": {"Arn": dead},
    }
    events.put_targets(Rule="again", EventBusName="backup-guardian", Targets=[target])
    # From eu-west-1, so that the hop to the hub has used up the Region as well as the account.
    emit(job_event("COMPLETED"), accounts.SOURCES[0], "eu-west-1")
    (message,) = messages("bus-dead")
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == code


def _dead_letter_queue() -> str:
    return open_queue("bus-dead")[1]


def test_the_bus_policy_keeps_other_roles_out() -> None:
    iam, events = aws("iam", accounts.SOURCES[0]), aws("events", accounts.SOURCES[0])
    role = iam.create_role(RoleName="somebody", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    target = events.list_targets_by_rule(Rule="forward")["Targets"][0]
    events.put_targets(Rule="forward", Targets=[{**target, "RoleArn": role}])
    emit(job_event())
    idle()
    assert handled() == []
    (message,) = messages("undelivered", accounts.SOURCES[0])
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_PERMISSIONS" and role in attributes["ERROR_MESSAGE"]
    assert control("GET", "health")["bus"]["undeliverable"] == 1


def test_the_bus_policy_keeps_other_organizations_out() -> None:
    events = aws("events")
    statement = json.loads(events.describe_event_bus(Name="backup-guardian")["Policy"])["Statement"][0]
    statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"] = "o-otherorganization"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    events.put_permission(EventBusName="backup-guardian", Policy=policy)
    emit(job_event())
    idle()
    assert handled() == []


def test_without_a_role_nothing_crosses_an_account_border() -> None:
    events = aws("events", accounts.SOURCES[0])
    target = events.list_targets_by_rule(Rule="forward")["Targets"][0]
    target.pop("RoleArn")
    events.put_targets(Rule="forward", Targets=[target])
    emit(job_event())
    idle()
    assert handled() == [] and control("GET", "health")["bus"]["dead_lettered"] == 1


def _denial(name: str, read_only: bool | None) -> dict[str, object]:
    detail = {"eventSource": "kms.amazonaws.com", "eventName": name, "errorCode": "AccessDenied"}
    if read_only is not None:
        detail["readOnly"] = read_only
    return {
        "id": "denial",
        "source": "aws.kms",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": detail,
    }


@pytest.mark.parametrize(
    ("name", "read_only", "first", "second", "heard"),
    [
        ("Decrypt", True, "ENABLED", "ENABLED", False),
        ("Decrypt", True, ALL_CLOUDTRAIL_EVENTS, "ENABLED", False),
        ("Decrypt", True, "ENABLED", ALL_CLOUDTRAIL_EVENTS, False),
        ("Decrypt", True, ALL_CLOUDTRAIL_EVENTS, ALL_CLOUDTRAIL_EVENTS, True),
        ("GenerateDataKeyWithoutPlaintext", None, "ENABLED", "ENABLED", False),
        ("DescribeKey", None, "ENABLED", "ENABLED", False),
        ("CreateGrant", False, "ENABLED", "ENABLED", True),
        ("CreateGrant", None, "ENABLED", "ENABLED", True),
        ("CreateGrant", False, "DISABLED", "ENABLED", False),
    ],
)
def test_read_only_calls_need_the_state_on_every_bus(
    name: str, read_only: bool | None, first: str, second: str, heard: bool
) -> None:
    pattern = '{"source":["aws.kms"]}'
    source, hub, dead = aws("events", accounts.SOURCES[0]), aws("events"), _dead_letter_queue()
    forward = source.list_targets_by_rule(Rule="forward")["Targets"]
    source.put_rule(Name="denials", EventPattern=pattern, State=first)
    source.put_targets(Rule="denials", Targets=forward)
    hub.put_rule(Name="denials", EventBusName="backup-guardian", EventPattern=pattern, State=second)
    hub.put_targets(Rule="denials", EventBusName="backup-guardian", Targets=[{"Id": "queue", "Arn": dead}])
    emit(_denial(name, read_only))
    assert bool(messages("bus-dead")) is heard


def test_nobody_may_pretend_to_be_aws() -> None:
    forged = {"Source": "aws.backup", "DetailType": "Copy Job State Change", "Detail": '{"state":"FAILED"}'}
    honest = {"Source": "com.example", "DetailType": "x", "Detail": "{}"}
    answer = aws("events", accounts.SOURCES[0]).put_events(Entries=[forged, honest])
    idle()
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert "EventId" in answer["Entries"][1]
    assert handled() == []


def test_a_customers_event_takes_the_same_way() -> None:
    events, dead = aws("events"), _dead_letter_queue()
    events.put_rule(Name="own", EventPattern='{"source":["com.example"]}')
    events.put_targets(Rule="own", Targets=[{"Id": "queue", "Arn": dead, "InputPath": "$.detail"}])
    events.put_events(Entries=[{"Source": "com.example", "DetailType": "x", "Detail": '{"a":1}'}])
    assert [json.loads(message["Body"]) for message in messages("bus-dead")] == [{"a": 1}]


def test_an_input_transformer_makes_the_text_of_the_target() -> None:
    events, dead = aws("events"), _dead_letter_queue()
    transformer = {"InputPathsMap": {"state": "$.detail.state"}, "InputTemplate": '{"is": "<state>"}'}
    events.put_rule(Name="own", EventBusName="backup-guardian", EventPattern='{"source":["aws.backup"]}')
    target = {"Id": "queue", "Arn": dead, "InputTransformer": transformer}
    events.put_targets(Rule="own", EventBusName="backup-guardian", Targets=[target])
    emit(job_event("EXPIRED"))
    assert [json.loads(message["Body"]) for message in messages("bus-dead")] == [{"is": "EXPIRED"}]


def test_duplicates_and_losses_come_as_ordered() -> None:
    control("POST", "sqs", {"paused": True})
    control("POST", "bus", {"duplicate": 1})
    emit(job_event())
    # Two copies from the default bus, each twice from the hub bus.
    assert len(messages("problems")) == 4
    fresh()
    control("POST", "bus", {"drop": 1.0})
    emit(job_event())
    idle()
    assert handled() == []


def test_losses_are_the_same_for_the_same_seed() -> None:
    def lost(seed: int) -> list[bool]:
        bus.disturb(drop=0.5, seed=seed)
        return [bus._disturbance.copies() == 0 for _ in range(40)]

    assert lost(1) == lost(1) != lost(2)


def test_a_target_that_is_gone_is_counted_and_buried() -> None:
    sqs = aws("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="problems")["QueueUrl"])
    emit(job_event())
    counts = control("GET", "health")["bus"]
    assert (counts["undeliverable"], counts["lost"]) == (1, 1)


def test_a_schedule_runs_when_it_is_told_to_and_only_a_schedule() -> None:
    control("POST", "sqs", {"paused": True})
    queue, arn = open_queue("scheduled")
    events = aws("events")
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)", State="ENABLED")
    events.put_targets(Rule="hourly", Targets=[{"Id": "queue", "Arn": arn}])
    events.put_rule(Name="listening", EventPattern=json.dumps({"source": ["aws.backup"]}), State="ENABLED")
    # Losses are of events; a schedule is no event of a service.
    control("POST", "bus", {"drop": 1.0})
    control("POST", "schedule", {"rule": "hourly"})
    (message,) = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    body = json.loads(message["Body"])
    assert (body["source"], body["detail-type"], body["account"]) == (
        "aws.events",
        "Scheduled Event",
        accounts.GUARDIAN,
    )
    for name in ("listening", "nobody"):
        answer = control("POST", "schedule", {"rule": name})
        assert answer["status"] == 400 and name in answer["error"]


def test_the_policy_of_a_queue_and_that_of_its_key_decide_what_a_rule_delivers() -> None:
    events, (url, arn) = aws("events"), open_queue("guarded")
    events.put_rule(Name="own", EventPattern='{"source":["com.example"]}')
    dead = {"Arn": _dead_letter_queue()}
    events.put_targets(Rule="own", Targets=[{"Id": "queue", "Arn": arn, "DeadLetterConfig": dead}])
    entry = {"Source": "com.example", "DetailType": "Any", "Detail": "{}"}
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{accounts.GUARDIAN}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    use = ["kms:GenerateDataKey", "kms:Decrypt"]
    sender = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": use, "Resource": "*"}
    kms, sqs = aws("kms"), aws("sqs")
    keys = {
        actor: kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))["KeyMetadata"][
            "KeyId"
        ]
        for actor, statements in {"owner": [owner], "events": [owner, sender]}.items()
    }
    right = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    other = json.loads(right)
    other["Statement"][0]["Condition"] = {
        "ArnEquals": {"aws:SourceArn": "arn:aws:events:eu-central-1:444444444444:rule/other"}
    }
    for policy, key, arrives in (
        (right, "", True),
        (right, keys["events"], True),
        (right, keys["owner"], False),
        (json.dumps(other), "", False),
        ("", "", False),
    ):
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy, "KmsMasterKeyId": key})
        events.put_events(Entries=[entry])
        idle()
        assert len(messages("guarded")) == arrives, (policy, key)
        buried = [one["MessageAttributes"]["ERROR_CODE"]["StringValue"] for one in messages("bus-dead")]
        assert buried == ([] if arrives else ["NO_PERMISSIONS"])
