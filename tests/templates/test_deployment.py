"""The templates are taken by the checkers and by CloudFormation (moto's), with and without the optional parts."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from samtranslator.translator.transform import transform

from .deployed import ROOT, TEMPLATES, load

REGION = "eu-central-1"
REQUIRED = {
    "OrganizationId": "o-exampleorgid",
    "BackupAccountIds": "222222222222",
    "Regions": "eu-central-1,eu-west-1",
}
OPTIONAL = {
    "OrganizationRoleArn": "arn:aws:iam::333333333333:role/organization-reader",
    "ExternalId": "external-1",
    "AlertEmail": "on-call@example.com",
    "OperationsEmail": "platform@example.com",
    "ChatTopic": "yes",
}
AGENT = {"GuardianAccountId": "444444444444", "HubRegion": REGION}


class NoManagedPolicies:
    """The templates name none, so the translator needs none."""

    def load(self) -> dict[str, str]:
        return {}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # moto names the types that it does not create
        yield


def translated() -> dict[str, Any]:
    """template.yaml as plain CloudFormation, with code from a bucket."""
    template = load("guardian")
    for body in template["Resources"].values():
        if body["Type"] == "AWS::Serverless::Function":
            body["Properties"]["CodeUri"] = "s3://code/function.zip"
    return transform(template, {}, NoManagedPolicies())


def create(name: str, body: str, parameters: dict[str, str]) -> dict[str, str]:
    """Creates a stack and returns its outputs."""
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=body,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def create_guardian(parameters: dict[str, str]) -> dict[str, str]:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", "")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="code", Key="function.zip", Body=code.getvalue())
    return create("backup-guardian", json.dumps(translated()), parameters)


def environment(function: str) -> dict[str, str]:
    settings = boto3.client("lambda").get_function_configuration(FunctionName=f"backup-guardian-{function}")
    return settings["Environment"]["Variables"]


def test_cfn_lint_finds_nothing() -> None:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([cfn_lint, *TEMPLATES.values()], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_configured_is_absent_not_empty(aws: None) -> None:
    outputs = create_guardian(REQUIRED)
    given = environment("diagnose-job")
    assert given.pop("GUARDIAN_FOLLOW_UP_QUEUE_URL").startswith("https://sqs.")
    assert given == {
        "GUARDIAN_TABLE": outputs["GuardianTableName"],
        "GUARDIAN_DENIALS_TABLE": outputs["DenialsTableName"],
        "GUARDIAN_ALERT_TOPIC_ARN": outputs["AlertTopicArn"],
        "GUARDIAN_READER_ROLE_NAME": "backup-guardian-reader",
        "GUARDIAN_ORGANIZATION_ID": "o-exampleorgid",
        "GUARDIAN_BACKUP_ACCOUNT_IDS": "222222222222",
        "GUARDIAN_REGIONS": "eu-central-1,eu-west-1",
        "GUARDIAN_EVIDENCE_WINDOW_MS": "1000",
    }
    assert environment("collect-denials") == {"GUARDIAN_DENIALS_TABLE": outputs["DenialsTableName"]}
    assert boto3.client("sns").list_subscriptions()["Subscriptions"] == []


def test_what_is_configured_arrives(aws: None) -> None:
    outputs = create_guardian({**REQUIRED, **OPTIONAL})
    given = environment("diagnose-job")
    assert given["GUARDIAN_CHAT_TOPIC_ARN"] == outputs["ChatTopicArn"]
    assert given["GUARDIAN_EXTERNAL_ID"] == "external-1"
    assert given["GUARDIAN_ORGANIZATION_ROLE_ARN"] == OPTIONAL["OrganizationRoleArn"]
    assert subscribed() == {
        outputs["AlertTopicArn"]: "on-call@example.com",
        outputs["OperationsTopicArn"]: "platform@example.com",
    }


def test_without_an_address_of_their_own_the_alarms_about_the_guardian_go_to_that_of_the_alerts(aws: None) -> None:
    outputs = create_guardian({**REQUIRED, "AlertEmail": "on-call@example.com"})
    topics = [outputs["AlertTopicArn"], outputs["OperationsTopicArn"]]
    assert subscribed() == dict.fromkeys(topics, "on-call@example.com")


def subscribed() -> dict[str, str]:
    """The address behind each topic."""
    subscriptions = boto3.client("sns").list_subscriptions()["Subscriptions"]
    return {each["TopicArn"]: each["Endpoint"] for each in subscriptions}


def test_the_hub_takes_what_the_agents_send(aws: None) -> None:
    outputs = create_guardian(REQUIRED)
    create("agent-global", TEMPLATES["agent-global"].read_text(encoding="utf-8"), AGENT)
    create("agent-regional", TEMPLATES["agent-regional"].read_text(encoding="utf-8"), AGENT)
    events = boto3.client("events")
    names = sorted(rule["Name"] for rule in events.list_rules()["Rules"] if not rule.get("ScheduleExpression"))
    assert names == [
        "backup-guardian-change-events",
        "backup-guardian-completed-events",
        "backup-guardian-denial-events",
        "backup-guardian-not-started-events",
        "backup-guardian-problem-events",
        "backup-guardian-write-events",
    ]
    hub = outputs["HubBusArn"].replace("123456789012", "444444444444")
    for name in names:
        (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
        assert target["Arn"] == hub
        assert boto3.client("iam").get_role(RoleName=target["RoleArn"].split("/")[-1])


def test_the_events_of_iam_and_organizations_are_forwarded_from_the_global_region(aws: None) -> None:
    body = TEMPLATES["agent-regional"].read_text(encoding="utf-8")
    parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in AGENT.items()]
    boto3.client("cloudformation", region_name="us-east-1").create_stack(
        StackName="agent-regional", TemplateBody=body, Parameters=parameters
    )
    names = {rule["Name"] for rule in boto3.client("events", region_name="us-east-1").list_rules()["Rules"]}
    assert {"backup-guardian-global-write-events", "backup-guardian-write-events"} <= names


@pytest.mark.parametrize(("wanted", "topics"), [("yes", 1), ("no", 0)])
def test_an_account_may_do_without_the_topic_of_vault_notifications(aws: None, wanted: str, topics: int) -> None:
    body = TEMPLATES["agent-regional"].read_text(encoding="utf-8")
    outputs = create("agent-regional", body, {**AGENT, "VaultNotifications": wanted})
    assert len(boto3.client("sns").list_topics()["Topics"]) == topics
    assert ("VaultNotificationsTopicArn" in outputs) == bool(topics)


def test_an_agent_leaves_no_name_that_collides_in_a_second_region(aws: None) -> None:
    body = TEMPLATES["agent-regional"].read_text(encoding="utf-8")
    create("agent-regional", body, AGENT)
    second = boto3.client("cloudformation", region_name="eu-west-1")
    second.create_stack(
        StackName="agent-regional",
        TemplateBody=body,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in AGENT.items()],
    )
    (stack,) = second.describe_stacks(StackName="agent-regional")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    # Roles are global: a regional template must make none.
    types = {each["Type"] for each in load("agent-regional")["Resources"].values()}
    assert not {each for each in types if each.startswith("AWS::IAM::")}
