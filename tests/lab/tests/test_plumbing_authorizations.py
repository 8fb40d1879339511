"""What AWS does in the name of a role is written down, and so is who took the role on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plumbing_lab import aws, control, emit, fresh, idle, job_event, the_lab

from lab import accounts, authorizations

ACCOUNT = accounts.GUARDIAN


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    the_lab()
    authorizations.use(tmp_path)
    fresh()
    yield tmp_path
    authorizations.use(None)


def written(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.iterdir()
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def asked_by(lines: list[dict[str, Any]], role: str) -> set[tuple[str, str]]:
    return {(one["action"], one["resource"]) for one in lines if one.get("by") == f"template.yaml {role}"}


def work(count: int) -> None:
    """A message for the function, and a run of the state machine."""
    emit(job_event())
    aws("s3").put_object(Bucket="lists-of-commands", Key="list.json", Body=json.dumps([{"put": f"item-{count}"}]))
    control("POST", "schedule", {"rule": "every-day"})
    idle()


def test_each_role_and_each_request_once(folder: Path) -> None:
    work(1)
    lines = written(folder)
    (role,) = [one for one in lines if one.get("role") == "template.yaml WorkerRole"]
    assert role["trust"]["Statement"] and role["arn"].startswith(f"arn:aws:iam::{ACCOUNT}:role/")
    queue = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:problems"
    asked = asked_by(lines, "WorkerRole")
    polls = {(f"sqs:{name}", queue) for name in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
    stream = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/worker:log-stream:lab"
    assert asked >= polls | {(f"logs:{name}", stream) for name in ("CreateLogStream", "PutLogEvents")}
    machine = f"arn:aws:states:eu-central-1:{ACCOUNT}:stateMachine:all-commands"
    assert ("states:StartExecution", machine) in asked_by(lines, "MachineRole")
    assumed = {(one["assumed"], one["principal"]) for one in lines if "assumed" in one}
    assert {
        ("template.yaml WorkerRole", "lambda.amazonaws.com"),
        ("template.yaml MachineRole", "states.amazonaws.com"),
    } <= assumed
    work(2)
    assert written(folder) == lines, "the same again"


def test_the_same_deployment_writes_the_same_whatever_it_is_called(folder: Path) -> None:
    work(1)
    before = {json.dumps(one, sort_keys=True) for one in written(folder)}
    fresh()
    work(1)
    assert {json.dumps(one, sort_keys=True) for one in written(folder)} == before


def test_nothing_is_written_unless_somebody_wants_it(tmp_path: Path) -> None:
    fresh()
    work(1)
    assert not list(tmp_path.iterdir()) and not authorizations.watched(f"arn:aws:iam::{ACCOUNT}:role/all-commands")
