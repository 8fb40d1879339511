"""State machines of a template are executed: their tasks are the functions' processes, and the lab is not idle before they end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from plumbing_lab import aws, control, fresh, handled, idle, messages

from lab import accounts

MACHINE = f"arn:aws:states:eu-central-1:{accounts.GUARDIAN}:stateMachine:all-commands"


@pytest.fixture(autouse=True)
def _lab() -> None:
    fresh()


def run(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The schedule of the state machine, to its end; every execution so far, oldest first."""
    aws("s3").put_object(Bucket="lists-of-commands", Key="list.json", Body=json.dumps(commands))
    control("POST", "schedule", {"rule": "every-day"})
    idle()
    return executions()


def executions() -> list[dict[str, Any]]:
    states = aws("stepfunctions")
    found = states.list_executions(stateMachineArn=MACHINE)["executions"]
    described = [states.describe_execution(executionArn=one["executionArn"]) for one in found]
    return sorted(described, key=lambda one: one["startDate"])


def test_every_item_of_a_list_reaches_the_function_and_the_lab_waits_for_all() -> None:
    (execution,) = run([{"put": name} for name in "abcdefg"])
    assert execution["status"] == "SUCCEEDED" and handled() == list("abcdefg")
    assert json.loads(execution["output"]) == json.loads(execution["input"]) == {"key": "list.json"}


def test_an_execution_runs_after_another() -> None:
    run([{"put": "first"}])
    assert [one["status"] for one in run([{"put": "second"}])] == ["SUCCEEDED", "SUCCEEDED"]
    assert handled() == ["first", "second"]


def test_what_fails_for_good_stops_no_other_item_and_is_tried_as_often_as_the_definition_says() -> None:
    (execution,) = run([{"put": "a"}, {"crash": True}, {"raise": True}, {"put": "b"}])
    assert execution["status"] == "SUCCEEDED" and handled() == ["a", "b"]
    # Two that are well, and two that are tried three times.
    assert control("GET", "health")["functions"] == {"errors": 6, "invocations": 8}


def test_a_list_that_is_not_there_fails_the_execution() -> None:
    control("POST", "schedule", {"rule": "every-day"})
    idle()
    (execution,) = executions()
    assert execution["status"] == "FAILED" and handled() == []


def test_a_schedule_needs_a_role_that_exists() -> None:
    aws("iam").delete_role_policy(RoleName="all-commands", PolicyName="run")
    aws("iam").delete_role(RoleName="all-commands")
    control("POST", "schedule", {"rule": "every-day"})
    idle()
    (buried,) = messages("problems-dead")
    assert buried["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS" and executions() == []


def test_a_reset_ends_what_runs() -> None:
    aws("s3").put_object(Bucket="lists-of-commands", Key="list.json", Body=json.dumps([{"loop": True}]))
    control("POST", "schedule", {"rule": "every-day"})
    assert "execution" in control("GET", "health")["in_flight"]
    fresh()
    idle()
    assert executions() == []
