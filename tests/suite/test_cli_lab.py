"""The command line against the lab: jobs explained live through the reader roles, and recorded events through the real functions."""

from __future__ import annotations

import json
import re
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError

from .command import COULD_NOT_TELL, EXAMPLES, FINDING, FINE, USAGE, Ended, compare, guardian, redacted
from .guardian import Guardian
from .organization import ROOT, SLR, Inbox, Lab, Route, ebs_route, grant_statement, key_policy, use_statement

Json = dict[str, Any]


@pytest.fixture(scope="module")
def broken(lab: Lab) -> Route:
    """A route whose key policy lost the statement for grants, with one failed copy; the policy is as broken as it was then."""
    lab.cloudtrail_delay(0)
    route = ebs_route(lab)
    route.back_up()
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    assert route.copy()["State"] == "FAILED"
    return route


@pytest.fixture(scope="module")
def schema() -> Json:
    return json.loads((ROOT / "shared" / "src" / "report" / "alert-v1.schema.json").read_text(encoding="utf-8"))


def in_lab(lab: Lab, *arguments: str | Path, session: Json | None = None, stdin: str | None = None) -> Ended:
    environment = {"AWS_ENDPOINT_URL": lab.endpoint}
    if session:
        environment |= {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }
    return guardian(*arguments, environment=environment, stdin=stdin)


def session_of(lab: Lab, account: str, role: str) -> Json:
    """A session of a role, as an administrator of its account gets it."""
    sts = lab.client(account, "sts")
    return sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="somebody")["Credentials"]


def administrator(lab: Lab, account: str) -> Json:
    lab.client(account, "sts")
    return lab._sessions[account]


def expect_the_missing_grant(alert: Json, route: Route) -> None:
    assert (alert["cause"], alert["rule"]) == ("kms-key-policy-missing-destination", "BKD-001")
    assert alert["certainty"] in ("supported", "proven")
    assert alert["act_in"]["account_id"] == route.source and alert["act_in"]["resource_arn"] == route.key_arn
    denied = alert["denied"]
    assert denied["principal"] == SLR.format(account=route.destination)
    assert (denied["action"], denied["resource"]) == ("kms:CreateGrant", route.key_arn)
    assert denied["recorded_in"] == route.destination
    assert alert["gaps"] == [], "every account was looked into"


# --- explain ---------------------------------------------------------------------------------------------------------------------------


def test_a_job_is_explained_live_without_any_credentials_of_ones_own(lab: Lab, broken: Route, schema: Json) -> None:
    arguments = ["explain", "job", "--type", "copy", broken.source, lab.region, broken.jobs[0]]
    answer = in_lab(lab, *arguments, "--format", "json")
    assert (answer.code, answer.err) == (FINDING, "")
    alert = answer.json()
    jsonschema.validate(alert, schema)
    expect_the_missing_grant(alert, broken)
    assert alert["jobs"][0]["job_id"] == broken.jobs[0].lower()
    text = in_lab(lab, *arguments)
    assert (text.code, text.err) == (FINDING, "")
    compare("job-live", redacted(text.transcript()))


@pytest.mark.parametrize("who", ["administrator of the guardian account", "operator", "the function itself"])
def test_whoever_may_go_through_the_roles_of_the_guardian_account_gets_the_same(
    lab: Lab, broken: Route, who: str
) -> None:
    if who == "operator":
        session = session_of(lab, lab.guardian, "backup-guardian-operator")
    elif who == "the function itself":
        iam = lab.client(lab.guardian, "iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{lab.guardian}:root"},
            "Action": "sts:AssumeRole",
        }
        name = lab.unique("backup-guardian-function-test")
        iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/backup-guardian-reader"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=policy)
        session = session_of(lab, lab.guardian, name)
    else:
        session = administrator(lab, lab.guardian)
    ended = in_lab(
        lab, "explain", "job", broken.source, lab.region, broken.jobs[0], "--format", "json", session=session
    )
    assert (ended.code, ended.err) == (FINDING, "")
    expect_the_missing_grant(ended.json(), broken)


def test_whoever_may_not_is_told_which_role_would_do(lab: Lab, broken: Route) -> None:
    session = administrator(lab, lab.accounts["sources"][1])
    ended = in_lab(lab, "explain", "job", broken.source, lab.region, broken.jobs[0], session=session)
    assert (ended.code, ended.out) == (COULD_NOT_TELL, "")
    assert f"account {broken.source} could not be looked into: AWS answered AccessDenied" in ended.err
    assert "may assume its role `backup-guardian-operator`" in ended.err


def test_a_job_that_is_not_there_and_a_job_without_problem(lab: Lab, broken: Route) -> None:
    other = lab.accounts["sources"][1]
    for kind, account, job in [
        ("copy", broken.source, str(uuid.uuid4())),
        ("backup", broken.source, broken.jobs[0]),
        ("copy", other, broken.jobs[0]),
    ]:
        ended = in_lab(lab, "explain", "job", "--type", kind, account, lab.region, job)
        assert (ended.code, ended.out) == (COULD_NOT_TELL, "")
        assert ended.err.startswith(
            f"guardian: account {account} has no {kind} job `{job.lower()}` in {lab.region}: check the id"
        )
    ended = in_lab(lab, "explain", "job", "999999999999", lab.region, broken.jobs[0])
    assert (ended.code, ended.out) == (COULD_NOT_TELL, "")
    backup = lab.client(broken.source, "backup").list_backup_jobs()["BackupJobs"][0]["BackupJobId"]
    ended = in_lab(lab, "explain", "job", "--type", "backup", broken.source, lab.region, backup)
    assert (ended.code, ended.out, ended.err) == (FINE, "Nothing to explain: the job is COMPLETED.\n", "")


def event_of(lab: Lab, route: Route, job: Json) -> str:
    """The event of a copy job as EventBridge delivers it."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail = {
        "copyJobId": job["CopyJobId"],
        "state": job["State"],
        "statusMessage": job["StatusMessage"],
        "resourceArn": job["ResourceArn"],
        "resourceType": job["ResourceType"],
        "iamRoleArn": job["IamRoleArn"],
        "sourceBackupVaultArn": job["SourceBackupVaultArn"],
        "destinationBackupVaultArn": job["DestinationBackupVaultArn"],
        "creationDate": job["CreationDate"].astimezone(UTC).isoformat(),
        "completionDate": job["CompletionDate"].astimezone(UTC).isoformat(),
    }
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Copy Job State Change",
        "source": "aws.backup",
        "account": route.source,
        "time": moment,
        "region": lab.region,
        "resources": [route.recovery_point_arn],
        "detail": detail,
    }
    return json.dumps(event)


def record(lab: Lab, route: Route, folder: Path) -> None:
    """Writes the answers that the live diagnosis rests on into an evidence folder, as a person would with the AWS CLI."""

    def keep(account: str, service: str, operation: str, **request: Any) -> None:
        client = lab.client(account, service)
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
        try:
            answer = {"response": getattr(client, method)(**request)}
            answer["response"].pop("ResponseMetadata", None)
        except ClientError as refused:
            answer = {"error": refused.response["Error"]["Code"]}
        at = datetime.now(UTC).isoformat()
        file = folder / account / lab.region / service / operation / f"{uuid.uuid4()}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"request": request, **answer, "at": at}, default=lambda each: each.isoformat()))

    keep(route.source, "backup", "DescribeCopyJob", CopyJobId=route.jobs[0])
    keep(
        route.source,
        "backup",
        "DescribeRecoveryPoint",
        BackupVaultName=route.vault,
        RecoveryPointArn=route.recovery_point_arn,
    )
    keep(route.source, "backup", "DescribeBackupVault", BackupVaultName=route.vault)
    keep(route.destination, "backup", "DescribeBackupVault", BackupVaultName=route.destination_vault)
    keep(route.destination, "backup", "GetBackupVaultAccessPolicy", BackupVaultName=route.destination_vault)
    keep(route.source, "kms", "DescribeKey", KeyId=route.key_arn)
    # By hand people name a key by its id.
    keep(route.source, "kms", "GetKeyPolicy", KeyId=route.key_arn.split("/")[1], PolicyName="default")
    keep(route.source, "kms", "ListGrants", KeyId=route.key_arn)
    # The vault has no policy, and AWS answers so.
    keep(route.source, "backup", "GetBackupVaultAccessPolicy", BackupVaultName=route.vault)
    keep(route.destination, "kms", "DescribeKey", KeyId=route.destination_key_arn)
    keep(route.destination, "kms", "GetKeyPolicy", KeyId=route.destination_key_arn, PolicyName="default")
    keep(route.destination, "kms", "ListGrants", KeyId=route.destination_key_arn)
    keep(route.destination, "cloudtrail", "LookupEvents")
    keep(route.source, "cloudtrail", "LookupEvents")


def test_a_recording_of_the_answers_says_offline_what_aws_says_live(lab: Lab, broken: Route, tmp_path: Path) -> None:
    job = lab.client(broken.source, "backup").describe_copy_job(CopyJobId=broken.jobs[0])["CopyJob"]
    event = event_of(lab, broken, job)
    record(lab, broken, tmp_path)
    live = in_lab(lab, "explain", "event", "-", "--format", "json", stdin=event)
    recorded = guardian("explain", "event", "-", "--evidence", tmp_path, "--format", "json", stdin=event)
    assert (live.code, recorded.code, live.err, recorded.err) == (FINDING, FINDING, "", "")
    expect_the_missing_grant(recorded.json(), broken)
    for field in (
        "title",
        "cause",
        "certainty",
        "summary",
        "act_in",
        "denied",
        "changed",
        "next_steps",
        "confirm",
        "incident_id",
    ):
        assert live.json().get(field) == recorded.json().get(field), field


# --- replay ----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """The example with a job and a route that no guardian has seen: another job of a known incident is told in silence."""
    recorded = json.loads((EXAMPLES / "failed-copy.json").read_text(encoding="utf-8"))
    recorded["id"] = str(uuid.uuid4())
    recorded["detail"]["copyJobId"] = str(uuid.uuid4()).upper()
    for vault in ("sourceBackupVaultArn", "destinationBackupVaultArn"):
        recorded["detail"][vault] += f"-{uuid.uuid4().hex[:8]}"
    file = tmp_path / "failed-copy.json"
    file.write_text(json.dumps(recorded))
    return file


def queues_of_replays(lab: Lab) -> list[str]:
    return lab.client(lab.guardian, "sqs").list_queues(QueueNamePrefix="guardian-replay").get("QueueUrls", [])


def test_an_event_that_comes_five_times_is_one_alert(lab: Lab, inbox: Inbox, event: Path, schema: Json) -> None:
    ended = in_lab(lab, "replay", event, "--times", "5", "--format", "json")
    assert (ended.code, ended.err) == (FINDING, "guardian: 5 sent, 1 alert\n")
    (alert,) = ended.json()
    jsonschema.validate(alert, schema)
    assert alert["cause"] == "kms-key-policy-missing-destination"
    again = in_lab(lab, "replay", event, "--times", "5", "--format", "json")
    assert (again.code, again.json()) == (FINE, [])
    assert "5 sent, no alert: it was no problem, or the lab knew the job already" in again.err
    assert in_lab(lab, "replay", event).out == "No alert.\n"
    assert queues_of_replays(lab) == [], "the temporary queue is taken away again"


def test_an_alert_of_a_replay_reads_as_the_alert_of_the_terminal(lab: Lab, inbox: Inbox, event: Path) -> None:
    ended = in_lab(lab, "replay", event)
    assert (ended.code, ended.err) == (FINDING, "guardian: 1 sent, 1 alert\n")
    for part in ("Copy failed: ", "\nCAUSE\n", "\nWHO MUST ACT\n", "\nWHAT TO DO\n", "$ guardian explain BKD-001"):
        assert part in ended.out
    assert len(inbox.drain()) == 1, "subscribers get it too"


def test_what_is_no_event_is_sent_all_the_same_and_said_to_be_none(lab: Lab, inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("the copy failed")
    completed = ROOT / "tests" / "events" / "copy-job" / "completed.json"
    ended = in_lab(lab, "replay", tmp_path / "note.txt", completed, "--format", "json")
    assert (ended.code, ended.json()) == (FINE, [])
    first, second = ended.err.splitlines()
    assert first == f"guardian: `{tmp_path / 'note.txt'}` is not an event (not-json); it ends in the dead-letter queue"
    assert second.startswith("guardian: 2 sent, no alert")
    assert Guardian(lab).dead_letters() == ["the copy failed"]
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    ended = in_lab(lab, "replay", tmp_path / "binary")
    assert (ended.code, ended.out) == (USAGE, "")
    assert ended.err == f"guardian: `{tmp_path / 'binary'}` is not text: a queue takes only that\n"


def test_a_named_queue_is_written_to_with_ones_own_credentials(lab: Lab, inbox: Inbox, event: Path) -> None:
    (queue,) = [
        url
        for url in lab.client(lab.guardian, "sqs").list_queues()["QueueUrls"]
        if re.search(r"-ProblemEventsQueue-", url)
    ]
    session = administrator(lab, lab.guardian)
    url = f"https://sqs.{lab.region}.amazonaws.com/{lab.guardian}/{queue.rsplit('/', 1)[1]}"
    ended = in_lab(lab, "replay", event, "--queue-url", url, "--format", "json", session=session)
    assert (ended.code, ended.err, ended.json()) == (FINE, "", {"sent": 1})
    assert len(inbox.drain()) == 1


def test_an_endpoint_that_is_no_lab_is_named_with_the_remedy(event: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for endpoint, complaint in [
            (f"http://127.0.0.1:{port}", f"no lab answers at `127.0.0.1:{port}`: start one with `make lab`"),
            ("https://sqs.eu-central-1.amazonaws.com", "not a lab on this machine: name a queue with `--queue-url`"),
            ("", "AWS_ENDPOINT_URL is not set: start a lab with `make lab`"),
        ]:
            ended = guardian("replay", event, environment={"AWS_ENDPOINT_URL": endpoint})
            assert (ended.code, ended.out) == (USAGE, "")
            assert complaint in ended.err


def test_the_repaired_policy_is_no_longer_blamed(lab: Lab, broken: Route) -> None:
    """Last: it repairs what the others look at."""
    slr = SLR.format(account=broken.destination)
    broken.put_key_policy(key_policy(broken.source, use_statement(slr), grant_statement(slr)))
    again = broken.copy()
    assert again["State"] == "COMPLETED"
    ended = in_lab(lab, "explain", "job", broken.source, lab.region, again["CopyJobId"], "--format", "json")
    assert (ended.code, ended.json()) == (FINE, {"finding": None, "why": "the job is COMPLETED"})
