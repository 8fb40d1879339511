"""Faults on the wire look to an SDK as the service's own."""

from __future__ import annotations

import time

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from plumbing_lab import control, emit, fresh, handled, idle, invoke, job_event, the_lab, through_proxy

# botocore does not compare lengths: it sees a cut body as one that does not parse.
BROKEN = (ConnectionClosedError, HTTPClientError, ResponseParserError)
# JSON 1.0, JSON 1.1, query XML, REST JSON and REST XML.
CALLS = {
    "dynamodb": ("list_tables", {}),
    "kms": ("list_keys", {}),
    "sns": ("list_topics", {}),
    "lambda": ("list_functions", {}),
    "s3": ("list_buckets", {}),
    "ec2": ("describe_volumes", {}),
    "sqs": ("list_queues", {}),
}
DENIED = {"sns": "AccessDenied", "s3": "AccessDenied", "ec2": "UnauthorizedOperation"}
THROTTLED = {"sns": "Throttling", "s3": "SlowDown", "ec2": "RequestLimitExceeded"}


@pytest.fixture(autouse=True)
def _lab() -> None:
    fresh()
    control("POST", "sqs", {"retry_seconds": 0.02})


def call(service: str) -> None:
    operation, arguments = CALLS[service]
    getattr(through_proxy(service), operation)(**arguments)


@pytest.mark.parametrize("service", sorted(CALLS))
def test_errors_have_the_format_of_the_service(service: str) -> None:
    for fault, code in (
        ("denied", DENIED.get(service, "AccessDeniedException")),
        ("throttle", THROTTLED.get(service, "ThrottlingException")),
    ):
        control("POST", "faults", {"match": {"service": service}, "fault": fault, "times": 1})
        with pytest.raises(ClientError) as refused:
            call(service)
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["Error"]["Message"]
        control("DELETE", "faults")
    control("POST", "faults", {"match": {"service": service}, "fault": "error500", "times": 1})
    with pytest.raises(ClientError) as refused:
        call(service)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    call(service)


def test_an_sdk_takes_the_throttle_for_one_and_tries_again() -> None:
    control("POST", "faults", [{"match": {"service": "kms"}, "fault": "throttle", "times": 2}])
    boto3.client("kms", endpoint_url=the_lab().proxy.main.url).list_keys()
    assert [one["status"] for one in control("GET", "requests?service=kms")] == [400, 400, 200]


@pytest.mark.parametrize("fault", ["reset", "truncate", "reset-after"])
def test_a_broken_connection_is_one(fault: str) -> None:
    control("POST", "faults", {"match": {"operation": "ListTopics"}, "fault": fault, "times": 1})
    with pytest.raises(BROKEN):
        call("sns")
    call("sns")


def test_a_hanging_call_runs_into_the_clients_timeout() -> None:
    control("POST", "faults", {"match": {"operation": "ListTopics"}, "fault": "hang", "seconds": 30, "times": 1})
    with pytest.raises(ReadTimeoutError):
        through_proxy("sns", read_timeout=0.5).list_topics()


def test_a_delayed_call_succeeds_late() -> None:
    control("POST", "faults", {"match": {"operation": "ListTopics"}, "fault": "delay", "seconds": 0.3, "times": 1})
    started = time.monotonic()
    call("sns")
    assert time.monotonic() - started >= 0.3


def test_the_nth_call_only() -> None:
    control("POST", "faults", {"match": {"service": "sns", "nth": 2}, "fault": "denied"})
    call("sns")
    with pytest.raises(ClientError):
        call("sns")
    call("sns")
    assert control("GET", "faults")[0]["applied"] == 1


def test_other_accounts_and_functions_are_left_alone() -> None:
    control("POST", "faults", {"match": {"account_id": "444444444444"}, "fault": "denied"})
    control("POST", "faults", {"match": {"function": "worker"}, "fault": "denied"})
    call("sns")
    assert invoke({"put": "x"})[1] == "Unhandled" and handled() == []


def test_probability_follows_the_seed() -> None:
    def pattern() -> list[bool]:
        control("DELETE", "faults")
        control("POST", "faults", {"match": {"service": "sns", "probability": 0.5}, "fault": "denied", "seed": 7})
        control("DELETE", "requests")
        for _ in range(12):
            try:
                call("sns")
            except ClientError:
                continue
        return [one["status"] == 403 for one in control("GET", "requests")]

    first = pattern()
    assert first == pattern() and 0 < sum(first) < 12


@pytest.mark.parametrize(
    "rule",
    [{"fault": "explode"}, {"match": {"servcie": "sns"}, "fault": "denied"}, {"fault": "delay", "second": 1}, 7],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: object) -> None:
    assert control("POST", "faults", [rule])["status"] == 400
    assert control("GET", "faults") == []


@pytest.mark.parametrize(("fault", "written"), [("kill-before", 1), ("kill-after", 2)])
def test_a_kill_point_ends_the_process_before_or_after_the_call(fault: str, written: int) -> None:
    pid = invoke({})[0]["pid"]
    control("POST", "faults", {"match": {"function": "worker", "operation": "PutItem"}, "fault": fault, "times": 1})
    answer, error = invoke({"put": "first"})
    assert error == "Unhandled" and "SIGKILL" in answer["errorMessage"]
    invoke({"put": "second"})
    assert len(handled()) == written
    assert pid not in control("GET", "health")["processes"]["worker"]


def test_work_that_a_kill_point_interrupted_is_done_again() -> None:
    control("POST", "faults", {"match": {"function": "worker"}, "fault": "kill-before", "times": 1})
    wanted = emit(job_event())
    idle()
    assert handled() == [wanted]


def test_rest_operations_have_their_names() -> None:
    call("lambda")
    through_proxy("backup").list_backup_vaults()
    assert [one["operation"] for one in control("GET", "requests")] == ["ListFunctions", "ListBackupVaults"]


def test_an_upload_to_a_bucket_is_told_from_a_copy_in_it() -> None:
    s3 = through_proxy("s3")
    s3.put_object(Bucket="lists-of-commands", Key="one", Body=b"1")
    s3.copy_object(Bucket="lists-of-commands", Key="two", CopySource="lists-of-commands/one")
    s3.get_object(Bucket="lists-of-commands", Key="two")
    calls = control("GET", "requests?service=s3")
    assert [(call["operation"], call["status"]) for call in calls] == [
        ("PutObject", 200),
        ("CopyObject", 200),
        ("GetObject", 200),
    ]
