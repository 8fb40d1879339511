"""Functions run as real processes: deadlines, errors, crashes, timeouts, batches, retries."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from plumbing_lab import WORKER, aws, control, emit, fresh, handled, idle, invoke, job_event, messages, the_lab

from lab import accounts, queues
from lab.environments import Log, Stream


@pytest.fixture(autouse=True)
def _lab() -> None:
    fresh()
    control("POST", "sqs", {"retry_seconds": 0.02})


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_the_deadline_and_the_arn_are_true() -> None:
    answer, error = invoke({})
    assert error is None
    # Timeout: 6 in the template; less what the way takes on a busy machine.
    assert 1000 < answer["left_ms"] <= 6000
    assert f"event {WORKER}" in control("GET", "logs?function=worker")["worker"]


def test_the_environment_is_that_of_the_template_and_of_lambda() -> None:
    environment = invoke({})[0]["environment"]
    assert environment["TABLE"] == "seen"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "worker"
    assert environment["AWS_REGION"] == "eu-central-1"
    assert environment["AWS_ENDPOINT_URL"] != the_lab().endpoint


def test_a_call_of_the_function_is_made_with_its_role() -> None:
    invoke({"put": "x"})
    (call,) = control("GET", "requests?function=worker")
    assert (call["service"], call["operation"], call["account_id"]) == ("dynamodb", "PutItem", accounts.GUARDIAN)
    assert call["status"] == 200 and handled() == ["x"]


def test_a_process_is_kept_warm() -> None:
    assert invoke({})[0]["pid"] == invoke({})[0]["pid"]


def test_an_error_is_reported_with_its_type() -> None:
    answer, error = invoke({"raise": True})
    assert error == "Unhandled" and answer == {"errorType": "ValueError", "errorMessage": "asked to raise"}


def test_a_crash_is_reported_and_the_next_event_has_a_new_process() -> None:
    first = invoke({})[0]["pid"]
    answer, error = invoke({"crash": True})
    assert (
        error == "Unhandled"
        and answer["errorType"] == "Runtime.ExitError"
        and "exit status 7" in answer["errorMessage"]
    )
    assert invoke({})[0]["pid"] != first


def test_a_killed_process_is_replaced_and_swallows_nothing() -> None:
    first = invoke({})[0]["pid"]
    assert control("POST", "kill", {"function": "worker"}) == {"killed": [first]}
    assert gone(first)
    assert invoke({})[0]["pid"] != first


def test_a_function_that_takes_too_long_is_ended() -> None:
    pid = invoke({})[0]["pid"]
    answer, error = invoke({"loop": True})
    assert error == "Unhandled" and "Task timed out after 6.00 seconds" in answer["errorMessage"]
    assert gone(pid)


def test_an_init_error_is_reported() -> None:
    broken = Path(the_lab().functions._directory) / "test-function.broken"
    broken.touch()
    try:
        answer, error = invoke({})
    finally:
        broken.unlink()
    assert error == "Unhandled" and answer["errorType"] == "Init.Broken"
    assert invoke({})[1] is None


def test_an_unknown_function_is_refused() -> None:
    client = aws("lambda")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="nobody", Payload="{}")


def test_an_asynchronous_invocation_is_tried_three_times() -> None:
    aws("lambda").invoke(FunctionName="worker", InvocationType="Event", Payload=json.dumps({"raise": True}))
    idle()
    counts = control("GET", "health")["functions"]
    assert (counts["invocations"], counts["asynchronous_failures"]) == (3, 1)


def test_only_the_failed_messages_of_a_batch_come_again() -> None:
    control("POST", "sqs", {"paused": True})
    good = [emit(job_event()) for _ in range(3)]
    bad = emit(job_event(fail_until=1))
    control("POST", "sqs", {"paused": False})
    idle()
    assert handled() == sorted([*good, bad])
    assert control("GET", "health")["functions"]["invocations"] == 2


def test_a_message_that_always_fails_ends_in_the_dead_letter_queue() -> None:
    bad = emit(job_event(fail_until=99))
    idle()
    assert handled() == []
    (message,) = messages("problems-dead")
    assert json.loads(message["Body"])["id"] == bad


def test_a_crash_loses_no_message() -> None:
    wanted = sorted([emit(job_event(crash_until=1)), emit(job_event())])
    idle()
    assert handled() == wanted
    assert control("GET", "health")["functions"]["errors"] >= 1


def test_not_more_processes_than_reserved() -> None:
    control("POST", "sqs", {"paused": True})
    wanted = sorted(emit(job_event()) for _ in range(60))
    control("POST", "sqs", {"paused": False})
    idle()
    assert handled() == wanted
    assert len(control("GET", "health")["processes"]["worker"]) <= 2


def test_a_reset_leaves_no_process_and_no_trace() -> None:
    pid = invoke({"put": "x"})[0]["pid"]
    before = control("GET", "info")
    seconds = control("POST", "reset")["seconds"]
    assert gone(pid) and seconds > 0
    assert handled() == [] and control("GET", "requests") == []
    after = control("GET", "info")
    assert before["accounts"] == after["accounts"] and after["created_by_extension"] == before["created_by_extension"]


def test_what_moto_leaves_out_is_created_and_listed() -> None:
    listed = " ".join(control("GET", "info")["created_by_extension"])
    assert "EventBusPolicy" in listed and "QueuePolicy" in listed and "CloudWatch::Alarm" in listed
    assert len(aws("cloudwatch").describe_alarms()["MetricAlarms"]) == 1
    sqs = aws("sqs")
    url = sqs.get_queue_url(QueueName="problems")["QueueUrl"]
    assert (
        "events.amazonaws.com"
        in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    )


def test_the_organization_has_its_fixed_accounts_and_roles() -> None:
    organizations = aws("organizations", accounts.MANAGEMENT)
    assert organizations.describe_organization()["Organization"]["Id"] == "o-exampleorgid"
    assert {one["Id"] for one in organizations.list_accounts()["Accounts"]} == set(accounts.ALL)
    for account_id in accounts.ALL:
        assert aws("sts", account_id).get_caller_identity()["Account"] == account_id
        iam = aws("iam", account_id)
        role = iam.get_role(RoleName="AWSServiceRoleForBackup")["Role"]
        assert (
            role["Arn"]
            == f"arn:aws:iam::{account_id}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
        )
        attached = iam.list_attached_role_policies(RoleName="AWSBackupDefaultServiceRole")["AttachedPolicies"]
        assert [one["PolicyName"] for one in attached] == [
            "AWSBackupServiceRolePolicyForBackup",
            "AWSBackupServiceRolePolicyForRestores",
        ]


def test_processes_do_not_outlive_their_lab() -> None:
    pid = invoke({})[0]["pid"]
    os.kill(pid, 0)
    the_lab().functions.reset()
    assert gone(pid)


def test_what_failed_waits_as_long_as_the_test_wants() -> None:
    control("POST", "sqs", {"retry_seconds": 600})
    event = emit(job_event(fail_until=1))
    idle()
    assert handled() == []
    control("POST", "sqs", {"retry_seconds": 0.02})
    idle()
    assert handled() == [event]


class Looking(queues.Pollers):
    """Pollers without their thread; what happens while somebody looks at their one queue is up to the test."""

    def __init__(self, meanwhile: str) -> None:
        self.paused = False
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.meanwhile = meanwhile

    def _mappings(self) -> list[SimpleNamespace]:
        if self.meanwhile == "taken":
            self._busy["mapping"] += 1
        if self.meanwhile == "arrived":
            queues.wake()
        return [SimpleNamespace(event_source_arn=f"arn:aws:sqs:eu-central-1:{accounts.GUARDIAN}:nothing")]


@pytest.mark.parametrize(("meanwhile", "pending"), [("taken", 1), ("arrived", 1), ("nothing", 0)])
def test_what_moves_while_somebody_looks_is_not_overlooked(meanwhile: str, pending: int) -> None:
    assert Looking(meanwhile).pending() == pending


def test_every_line_that_was_written_is_in_the_log_though_nobody_read_it_yet() -> None:
    reading, writing = os.pipe()
    log = Log()
    stream = Stream(reading, log)
    os.write(writing, b"first\nsec")
    stream.take()
    assert log.lines() == ["first"]
    os.write(writing, "ond ä\nlast".encode())
    os.close(writing)
    stream.take()
    os.close(reading)
    assert log.lines() == ["first", "second ä", "last"]
    stream.take()
