"""Killed around the calls that change something: the functions beside the diagnosis of a copy, each over its real binary.

A sample of the calls, the same in every run; `GUARDIAN_SOAK=1` takes all of them. That storms of all of it together lose nothing is shown in
memory (`kills.rs`); here, that it holds for every single call on the wire.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from .guardian import DIAGNOSE, FOLLOW_UP, RECONCILE, WATCH, Guardian
from .organization import ROOT, Inbox, Json, Lab, Route, failing_route
from .test_lifecycle import mend, only
from .test_repetition import KILLS, job_ids, jobs_of, mutating_calls
from .test_tamper import CASES, event

RECORD = "backup-guardian-record-success"
EVENTS = ROOT / "tests" / "events"
SEED = 20261127
SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
# Points of each case.
SAMPLE = 2
# More than the pace lets out in a minute.
BUSY = 60
REPEAT_MS = 5 * 3600 * 1000

Call = tuple[str, str, int]

pytestmark = pytest.mark.usefixtures("settled")


@dataclass
class Subject:
    """Something that happens, and the messages that are of it."""

    happen: Callable[[], object]
    told: Callable[[Json], bool]


def points(calls: list[Call], seed: int) -> list[tuple[str, Call]]:
    """Where to kill."""
    everywhere = [(kill, call) for call in calls for kill in KILLS]
    return everywhere if SOAK else sorted(random.Random(seed).sample(everywhere, SAMPLE))


def may_repeat(calls: list[Call], kill: str, call: Call) -> bool:
    """Only what was sent and is not recorded as sent may come again."""
    published = [n for n, each in enumerate(calls) if each[:2] == ("sns", "Publish")]
    place = calls.index(call)
    return bool(published) and (place > published[0] or (place == published[0] and kill == "kill-after"))


def killed_everywhere(
    lab: Lab,
    inbox: Inbox,
    guardian: Guardian,
    subtests: pytest.Subtests,
    function: str,
    prepare: Callable[[], Subject],
    most: int = 99,
    drain: Callable[[], list[Json]] | None = None,
) -> None:
    """Lets the same thing happen again and again, each time killed at another call, and counts what is told."""
    drain = drain or inbox.drain
    subject = prepare()
    calls = mutating_calls(guardian.requests(subject.happen, function=function))
    assert calls, "nothing was changed, so this shows nothing"
    assert len([alert for alert in drain() if subject.told(alert)]) == 1
    calls = [call for call in calls if call[2] <= most]
    for kill, call in points(calls, SEED):
        with subtests.test(f"{kill} {call}"):
            subject = prepare()
            drain()
            guardian.hold_retries()
            guardian.let_a_minute_pass()
            service, operation, nth = call
            guardian.fault(kill, function=function, service=service, operation=operation, nth=nth)
            subject.happen()
            lab.idle()
            met = guardian.met()
            guardian.well()
            guardian.let_leases_end()
            guardian.let_a_minute_pass()
            guardian.bring_retries()
            told = [alert for alert in drain() if subject.told(alert)]
            assert met == 1, "the call was not made, so this shows nothing"
            assert len(told) in ((1, 2) if may_repeat(calls, kill, call) else (1,))
            assert guardian.waiting(DIAGNOSE) == 0 and guardian.waiting(function) == 0
            assert guardian.dead_letters(function) == []


def told_route(lab: Lab, inbox: Inbox, guardian: Guardian) -> tuple[Route, Json]:
    """A route whose failure is told."""
    route = failing_route(lab)
    guardian.let_a_minute_pass()
    inbox.drain()
    route.copy()
    return route, only([alert for alert in inbox.drain() if set(jobs_of(alert)) & job_ids(route)])


def look(alert: Json, number: int, job: Json | None = None) -> str:
    """The message that asks to come back to an incident."""
    asked = {"work": "look", "incident": alert["incident_id"], "opening": 1, "number": number}
    return json.dumps({**asked, "job": job} if job else asked)


def of(alert: Json, kind: str) -> Callable[[Json], bool]:
    return lambda each: each["kind"] == kind and each["incident_id"] == alert["incident_id"]


# -- what follows a first message ----------------------------------------------------------------------------------------


def test_killed_while_it_records_a_success_the_end_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests
) -> None:
    def prepare() -> Subject:
        route, alert = told_route(lab, inbox, guardian)
        mend(route)
        return Subject(route.start_copy, of(alert, "resolved"))

    killed_everywhere(lab, inbox, guardian, subtests, RECORD, prepare)


def test_killed_while_it_reminds_the_reminder_comes(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests
) -> None:
    def prepare() -> Subject:
        _, alert = told_route(lab, inbox, guardian)
        guardian.dynamodb.update_item(
            TableName=guardian.table,
            Key={"pk": {"S": f"incident#{alert['incident_id']}"}, "sk": {"S": "head"}},
            UpdateExpression="SET announced_at = :long_ago",
            ExpressionAttributeValues={":long_ago": {"N": str(int(time.time() * 1000) - REPEAT_MS)}},
        )
        return Subject(lambda: guardian.send(look(alert, 3), function=FOLLOW_UP), of(alert, "reminder"))

    killed_everywhere(lab, inbox, guardian, subtests, FOLLOW_UP, prepare)


def test_killed_while_it_finds_late_evidence_the_surer_verdict_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests
) -> None:
    def prepare() -> Subject:
        # The diagnosis may not search, and no denial arrives as an event: only the follow-up finds it.
        lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
        route, alert = told_route(lab, inbox, guardian)
        assert alert["certainty"] != "proven"
        backup = lab.client(route.source, "backup")
        described = backup.describe_copy_job(CopyJobId=route.jobs[0])["CopyJob"]
        job = {
            "account": route.source,
            "region": route.source_region,
            "job_type": "copy",
            "job_id": route.jobs[0].lower(),
            "state": "FAILED",
            "status_message": described["StatusMessage"],
            "created_at": described["CreationDate"].isoformat(),
            "completed_at": described["CompletionDate"].isoformat(),
            "role_arn": described["IamRoleArn"],
            "resource_arn": described["ResourceArn"],
            "resource_type": described["ResourceType"],
            "recovery_point_arn": described["SourceRecoveryPointArn"],
            "vault_arn": described["SourceBackupVaultArn"],
            "destination_vault_arn": described["DestinationBackupVaultArn"],
            "problems": [],
        }
        return Subject(lambda: guardian.send(look(alert, 0, job), function=FOLLOW_UP), of(alert, "upgrade"))

    with guardian.configured(FOLLOW_UP, GUARDIAN_EVIDENCE_WINDOW_MS="8000"):
        killed_everywhere(lab, inbox, guardian, subtests, FOLLOW_UP, prepare)


def test_killed_while_it_tells_a_digest_everything_in_it_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests
) -> None:
    def prepare() -> Subject:
        route = failing_route(lab)
        now = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        log = json.dumps([{"at": now, "account": route.source}] * BUSY)
        guardian.dynamodb.put_item(
            TableName=guardian.table,
            Item={"pk": {"S": "pace"}, "sk": {"S": "alerts"}, "v": {"N": "1"}, "log": {"S": log}},
        )
        # The digest would come by itself in some seconds. Nobody works on it until it is sent for, which sets the queue going again.
        uuid = guardian.mapping(FOLLOW_UP)["UUID"]
        guardian.functions.update_event_source_mapping(UUID=uuid, Enabled=False)
        route.copy()
        assert inbox.drain() == []
        guardian.let_a_minute_pass()
        (incident,) = [item["sk"] for item in guardian.items(guardian.table) if item["pk"] == "digest"]

        def told(alert: Json) -> bool:
            return incident in [line["incident_id"] for line in alert.get("incidents", [])]

        return Subject(lambda: guardian.send(json.dumps({"work": "digest"}), function=FOLLOW_UP), told)

    killed_everywhere(lab, inbox, guardian, subtests, FOLLOW_UP, prepare)


# -- other kinds of events -----------------------------------------------------------------------------------------------


@contextmanager
def silent(lab: Lab) -> Iterator[None]:
    """Every event is lost on its way."""
    lab.control("bus", {"drop": 1.0})
    try:
        yield
    finally:
        lab.control("bus", {})


def test_killed_while_it_hands_over_a_job_the_job_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests
) -> None:
    # Whatever other tests left behind.
    guardian.reconcile()

    def prepare() -> Subject:
        route = failing_route(lab)
        with silent(lab):
            route.copy()
        return Subject(guardian.reconcile, lambda alert: bool(set(jobs_of(alert)) & job_ids(route)))

    # The job lies in up to three lists; how often it is handed over depends on how soon the first copy of it is claimed.
    killed_everywhere(lab, inbox, guardian, subtests, RECONCILE, prepare, most=1)


@pytest.mark.parametrize(
    ("name", "job_id"),
    [
        ("backup-job/failed", "backupJobId"),
        ("restore-job/failed", "restoreJobId"),
        ("scan-job/completed-threats-found", "scanJobId"),
        ("copy-job/odd-no-detail", None),
    ],
)
def test_killed_while_it_diagnoses_another_kind_of_event_the_event_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests, name: str, job_id: str | None
) -> None:
    recorded = json.loads((EVENTS / f"{name}.json").read_text())

    def prepare() -> Subject:
        account = lab.unique("7").replace("-", "").ljust(12, "0")
        event = {**recorded, "account": account, "id": lab.unique("event")}
        if job_id:
            event["detail"] = {**recorded["detail"], job_id: lab.unique("job")}
        return Subject(
            lambda: guardian.send(json.dumps(event)),
            lambda alert: [job["account_id"] for job in alert["jobs"]] == [account],
        )

    killed_everywhere(lab, inbox, guardian, subtests, DIAGNOSE, prepare)


def test_killed_while_it_watches_the_deed_is_told(
    lab: Lab, inbox: Inbox, watching: Guardian, subtests: pytest.Subtests
) -> None:
    case = next(case for case in CASES if case["id"] == "lock-removed-in-the-backup-account")

    def prepare() -> Subject:
        name = lab.unique("actor")
        deed = event({**case, "id": name, "role": name}, 0, case["event_name"], case["request"])
        return Subject(
            lambda: watching.send(json.dumps(deed), function=WATCH), lambda alert: name in alert.get("actor", "")
        )

    killed_everywhere(lab, inbox, watching, subtests, WATCH, prepare, drain=inbox.tampers)
