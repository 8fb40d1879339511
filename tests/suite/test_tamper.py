"""Who endangers backups: told at once with actor and timeline, or silent for a reason; through the real function and the deployed rules."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from typing import Any

import pytest

from .command import FINE, USAGE
from .guardian import FOLLOW_UP, WATCH, Guardian
from .organization import ROOT, SLR, Inbox, Json, Lab, ebs_route, key_policy, use_statement
from .test_incidents import incidents

CASES = [json.loads(line) for line in (ROOT / "tests" / "facts" / "tamper-cases.jsonl").read_text().splitlines()]
# The same rows are judged for two hundred accounts in shared/tests/tamper.rs: through the lab, of some events a second, that takes hours.
MONTH = [json.loads(line) for line in (ROOT / "tests" / "facts" / "quiet-month.jsonl").read_text().splitlines()]
SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
SOURCES = 20 if SOAK else 3
AT_ONCE = 200
# What cases call their objects: each gets some of its own.
NAMES = (
    "central-vault",
    "bde0f455-4e24-4668-aeaa-4932a97f5cc5",
    "1234abcd-12ab-34cd-56ef-1234567890ab",
    "backup-jobs",
    "backup-rules",
    "p-backups0",
    "9a1b2c3d-0000-4000-8000-000000000001",
)


def event(case: Json, number: int, name: str, request: Any, *, older: bool = False, response: Any = None) -> Json:
    """The event of a case, in the shape that CloudTrail documents; the actor is that of the case alone."""
    account, region = case.get("account", "111111111111"), case.get("region", "eu-central-1")
    service, role = case["service"], case.get("role", f"actor-{number}")
    path = case.get("path", "aws-service-role/backup.amazonaws.com/" if role.startswith("AWSServiceRole") else "")
    issuer = {
        "type": "Role",
        "arn": f"arn:aws:iam::{account}:role/{path}{role}",
        "accountId": account,
        "userName": role,
    }
    identity: Json = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/anna",
        "accountId": account,
        "sessionContext": {"sessionIssuer": issuer},
    }
    if by := case.get("invoked_by"):
        identity["invokedBy"] = by
    at = case["before"].get("at", "2026-11-01T05:00:00Z") if older else "2026-11-02T05:00:00Z"
    detail: Json = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": at,
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "192.0.2.17",
        "requestParameters": request,
        "responseElements": response,
        "eventID": f"{case['id']}-{number}-{'older' if older else 'newer'}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
    }
    if (code := case.get("error")) and not older:
        detail["errorCode"] = code
    return {
        "version": "0",
        "id": detail["eventID"],
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{service}",
        "account": account,
        "time": at,
        "region": region,
        "resources": [],
        "detail": detail,
    }


def own_names(case: Json, number: int) -> Json:
    """The case with objects of its own: what was written to them before is in the same log."""
    text = json.dumps(case)
    for name in NAMES:
        text = text.replace(
            name, f"{name[:-3]}{number:03}" if name[0].isdigit() or name[1].isdigit() else f"{name}{number}"
        )
    return json.loads(text)


def tampering(guardian: Guardian) -> list[Json]:
    """The incidents of tampering as they are kept."""
    heads = [json.loads(item["life"]) for item in guardian.items(guardian.table) if item["sk"] == "head"]
    return [head for head in heads if "burst" in head]


def look(guardian: Guardian, alert: Json, number: int) -> None:
    """Somebody comes back to the incident of a message."""
    asked = {"work": "look", "incident": alert["incident_id"], "opening": 1, "number": number}
    guardian.send(json.dumps(asked), function=FOLLOW_UP)
    guardian.lab.idle()


def silences(guardian: Guardian) -> Counter[str]:
    return Counter({reason: n for (metric, reason), n in guardian.counts(WATCH).items() if metric == "silent"})


def test_every_row_is_an_incident_of_its_actor_or_silent_for_its_reason(lab: Lab, watching: Guardian) -> None:
    # All of them are judged in shared/tests/tamper.rs.
    cases = [own_names(case, number) for number, case in enumerate(CASES) if SOAK or number % 4 == 0]
    for case in cases:
        # Deeds of all accounts would share the pace of one.
        case.setdefault("account", "111111111111")
    older = [
        event(
            case,
            n,
            case["before"]["event_name"],
            case["before"]["request"],
            older=True,
            response=case["before"].get("response"),
        )
        for n, case in enumerate(cases)
        if "before" in case
    ]
    newer = [
        event(case, n, case["event_name"], case["request"], response=case.get("response"))
        for n, case in enumerate(cases)
    ]
    watching.send(*map(json.dumps, older), function=WATCH)
    lab.idle()
    before = silences(watching)
    # Twice, because everything arrives twice.
    watching.send(*map(json.dumps, [*newer, *newer]), function=WATCH)
    lab.idle()
    deeds = [(incident, deed) for incident in tampering(watching) for deed in incident["burst"]["newest"]]
    found = {deed["event_id"]: f"{deed['severity']} {deed['kind']}" for _, deed in deeds}
    assert len(deeds) == len(found), "the same deed twice is one"
    assert all(incident["jobs_total"] == len(incident["burst"]["newest"]) for incident, _ in deeds)
    expected = {
        event_["detail"]["eventID"]: case["expect"]
        for case, event_ in zip(cases, newer, strict=True)
        if not case["expect"].startswith("silent")
    }
    assert {id_: found.get(id_) for id_ in expected} == expected
    assert {id_ for id_ in found if id_.endswith("-newer")} == expected.keys()
    silent = silences(watching) - before
    reasons = Counter(case["expect"].split()[1] for case in cases if case["expect"].startswith("silent"))
    assert silent == Counter({reason: 2 * n for reason, n in reasons.items()})
    assert watching.waiting(WATCH) == 0 and watching.dead_letters(WATCH) == []


def test_what_aws_backup_announces_counts_where_no_call_was_recorded(
    lab: Lab, inbox: Inbox, watching: Guardian
) -> None:
    def deleted(name: str) -> Json:
        arn = f"arn:aws:backup:eu-central-1:111111111113:backup-vault:{name}"
        return {
            "version": "0",
            "id": lab.unique("announced"),
            "detail-type": "Backup Vault State Change",
            "source": "aws.backup",
            "account": "111111111113",
            "time": "2026-11-02T05:04:00Z",
            "region": "eu-central-1",
            "resources": [arn],
            "detail": {"backupVaultName": name, "state": "DELETED"},
        }

    call = event(
        {"id": "told", "service": "backup", "account": "111111111113"},
        998,
        "DeleteBackupVault",
        {"backupVaultName": "told"},
    )
    watching.send(json.dumps(call), function=WATCH)
    lab.idle()
    watching.send(json.dumps(deleted("told")), json.dumps(deleted("untold")), function=WATCH)
    by_actor, by_nobody = inbox.tampers()
    assert by_actor["changes"][0]["action"] == "backup:DeleteBackupVault"
    assert by_nobody["actor"] == "nobody named in account 111111111113"
    assert [done["resource_arn"].rsplit(":", 1)[-1] for done in by_nobody["changes"]] == ["untold"]


def test_the_afternoon_of_an_attacker_is_one_incident_whose_severity_rises(
    lab: Lab, inbox: Inbox, watching: Guardian
) -> None:
    route = ebs_route(lab)
    route.back_up()
    lab.idle()
    inbox.tampers()
    backup, kms = lab.client(lab.source, "backup"), lab.client(lab.source, "kms")
    more = [route.back_up() for _ in range(2)]
    backup.put_backup_vault_lock_configuration(BackupVaultName=route.vault, MinRetentionDays=7)
    lab.idle()
    assert inbox.tampers() == [], "whoever protects more is not told"
    backup.delete_backup_vault_lock_configuration(BackupVaultName=route.vault)
    (first,) = inbox.tampers()
    assert (first["kind"], first["severity"]) == ("tamper", "high")
    for point in more:
        backup.delete_recovery_point(BackupVaultName=route.vault, RecoveryPointArn=point)
    risen = inbox.tampers()
    assert [alert["severity"] for alert in risen] == ["critical"]
    kms.schedule_key_deletion(KeyId=route.key_arn, PendingWindowInDays=7)
    # IAM has its events in the global Region, from where they come over the same bus.
    iam, role = lab.client(lab.source, "iam"), lab.unique("backup-jobs")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    iam.delete_role(RoleName=role)
    graver = inbox.tampers()
    kinds = {change["kind"] for alert in graver for change in alert["changes"]}
    assert "key-deletion-scheduled" in kinds, "a grave deed of a kind that was not told is told at once"
    assert {alert["incident_id"] for alert in graver} == {first["incident_id"]}
    last = risen[-1]
    assert last["incident_id"] == first["incident_id"] and last["actor"].endswith("/suite")
    assert {moment["text"].split()[0] for moment in last["timeline"]} == {"deleted", "removed"}
    assert last["changes"][0]["source_ip"] == "127.0.0.1" and "protection was taken away" in last["summary"]

    def run(*arguments: str) -> Any:
        ended = incidents(lab, *arguments, "--format", "json")
        assert ended.err == "", ended.err
        return ended.json()

    shown = run("show", last["incident_id"])
    assert Counter(deed["kind"] for deed in shown["deeds"]) == {
        "vault-lock-removed": 1,
        "recovery-point-deleted": 2,
        "key-deletion-scheduled": 1,
        "role-weakened": 1,
    }
    assert {deed["region"] for deed in shown["deeds"]} == {lab.region, "us-east-1"}
    assert shown["deeds_total"] == 5 and shown["actor"].endswith(":role/OrganizationAccountAccessRole")
    # Nothing was heard for hours: what was done meanwhile is told, and no more than once.
    watching.dynamodb.update_item(
        TableName=watching.table,
        Key={"pk": {"S": f"incident#{last['incident_id']}"}, "sk": {"S": "head"}},
        UpdateExpression="SET announced_at = :long_ago",
        ExpressionAttributeValues={":long_ago": {"N": str(int(time.time() * 1000) - 5 * 3600 * 1000)}},
    )
    look(watching, last, 0)
    look(watching, last, 1)
    (reminder,) = inbox.tampers()
    assert (reminder["kind"], reminder["severity"]) == ("tamper", "critical")
    # Exactly what stood in no message, whichever of the deeds of one second was written last.
    news = {change["event_id"]: change["kind"] for change in reminder["changes"]}
    told = {moment["event_id"] for alert in (first, *risen, *graver) for moment in alert["timeline"]}
    done = [moment["event_id"] for moment in reminder["timeline"]]
    assert set(news) == (set(done) - told or {done[-1]})
    assert len(reminder["timeline"]) == 5
    run("ack", last["incident_id"], "--owner", "sam", "--reason", "found out", "--until", "8h")
    assert (
        run("close", last["incident_id"], "--owner", "sam", "--reason", "credentials are gone")["closed"]["owner"]
        == "sam"
    )
    look(watching, last, 2)
    (over,) = inbox.tampers()
    assert over["kind"] == "resolved" and over["closed"]["reason"] == "credentials are gone"
    assert over["title"].startswith("Closed: ")


def test_the_older_policy_that_a_message_speaks_of_is_printed_and_put_back(
    lab: Lab, inbox: Inbox, watching: Guardian
) -> None:
    route = ebs_route(lab)
    kms = lab.client(route.source, "kms")
    older = json.loads(kms.get_key_policy(KeyId=route.key_arn, PolicyName="default")["Policy"])
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    lab.idle()
    (alert,) = inbox.tampers()
    commands = [step["command"] for step in alert["next_steps"] if step.get("command")]
    (printing,) = [command for command in commands if command.startswith("guardian incidents before ")]
    (putting,) = [command for command in commands if command.startswith("aws kms put-key-policy ")]
    arguments, file = printing.split(" > ")
    assert f"--policy file://{file} " in putting and commands.index(printing) + 1 == commands.index(putting)
    printed = incidents(lab, *arguments.split(" ")[2:])
    assert (printed.code, printed.err) == (FINE, "")
    assert json.loads(printed.out) == older
    # It is no deed to put it back.
    kms.put_key_policy(KeyId=route.key_arn, PolicyName="default", Policy=printed.out)
    lab.idle()
    assert inbox.tampers() == []
    wrong = incidents(lab, "before", alert["incident_id"], "no-such-event")
    assert wrong.code == USAGE and "no deed of incident" in wrong.err
    # What nobody could tell.
    lab.client(route.source, "backup").delete_backup_vault_lock_configuration(BackupVaultName=route.vault)
    lab.idle()
    unlocked = incidents(lab, "show", alert["incident_id"], "--format", "json").json()["deeds"][-1]
    assert unlocked["kind"] == "vault-lock-removed"
    wrong = incidents(lab, "before", alert["incident_id"], unlocked["event_id"])
    assert wrong.code == USAGE and "is not kept" in wrong.err and "lock" in wrong.err.lower()


def test_names_that_others_chose_are_inert(lab: Lab, inbox: Inbox, watching: Guardian) -> None:
    vault = "x<!channel> https://evil.example/ -----END\u202e"
    case = {"id": "hostile", "service": "backup", "account": "111111111113", "role": "evil"}
    told = event(case, 999, "DeleteBackupVault", {"backupVaultName": vault})
    told["detail"]["userIdentity"]["arn"] = "arn:aws:sts::111111111113:assumed-role/evil/@everyone\u202e<!here>"
    watching.send(json.dumps(told), function=WATCH)
    (alert,) = inbox.tampers()
    text = json.dumps(alert, ensure_ascii=False)
    assert "\u202e" not in text and "<!" not in text and "https://evil" not in text and "-----" not in text
    assert "@ everyone" in text


def test_a_grave_deed_is_told_though_the_table_was_late_just_then(lab: Lab, inbox: Inbox, watching: Guardian) -> None:
    case = {"id": f"late-{time.time_ns()}", "service": "backup", "role": f"late-{time.time_ns()}"}
    inbox.tampers()
    watching.send(json.dumps(event(case, 1, "DeleteBackupVault", {"backupVaultName": "v"})), function=WATCH)
    (first,) = inbox.tampers()
    # Longer than the function waits for its table; it told of this actor a moment ago.
    watching.fault("delay", function=WATCH, operation="TransactWriteItems", times=1, seconds=3)
    unlocked = event(case, 2, "DeleteBackupVaultLockConfiguration", {"backupVaultName": "w"})
    watching.send(json.dumps(unlocked), function=WATCH)
    graver = inbox.tampers()
    met = watching.met()
    watching.well()
    assert met == 1, "the table was not late, so this shows nothing"
    kinds = {change["kind"] for alert in graver for change in alert["changes"]}
    assert "vault-lock-removed" in kinds
    assert {alert["incident_id"] for alert in graver} == {first["incident_id"]}


def test_killed_around_the_message_it_is_told_once_or_at_most_twice(
    lab: Lab, inbox: Inbox, watching: Guardian, subtests: pytest.Subtests
) -> None:
    for number, (kill, operation, most) in enumerate(
        [("kill-before", "Publish", 1), ("kill-after", "Publish", 2), ("kill-before", "TransactWriteItems", 1)]
    ):
        with subtests.test(f"{kill} {operation}"):
            case = {"id": f"killed-{number}-{time.time_ns()}", "service": "backup", "role": f"killed-{number}"}
            inbox.tampers()
            watching.hold_retries()
            watching.let_a_minute_pass()
            watching.fault(kill, function=WATCH, operation=operation, nth=1)
            watching.send(
                json.dumps(event(case, number, "DeleteBackupVault", {"backupVaultName": "v"})), function=WATCH
            )
            lab.idle()
            met = watching.met()
            watching.well()
            watching.let_leases_end()
            watching.bring_retries()
            told = inbox.tampers()
            assert met == 1, "the call was not made, so this shows nothing"
            assert 1 <= len(told) <= most and len({alert["incident_id"] for alert in told}) == 1
            assert watching.waiting(WATCH) == 0 and watching.dead_letters(WATCH) == []


def test_a_diagnosis_names_who_changed_the_key_without_asking_cloudtrail(
    lab: Lab, inbox: Inbox, watching: Guardian
) -> None:
    route = ebs_route(lab)
    route.back_up()
    # The event history would not have it yet.
    lab.control("cloudtrail-delay", {"lookup_seconds": 3600, "event_seconds": 0})
    with watching.configured(GUARDIAN_EVIDENCE_WINDOW_MS="5000"):
        route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
        lab.idle()
        (narrowed,) = inbox.tampers()
        route.copy()
        (alert,) = inbox.drain()
    assert (
        narrowed["changes"][0]["kind"] == "key-policy-narrowed" and "kms:creategrant" in narrowed["changes"][0]["text"]
    )
    assert alert["changed"]["action"] == "kms:PutKeyPolicy" and alert["changed"]["actor"].endswith("/suite")
    assert alert["changed"]["event_id"] == narrowed["changes"][0]["event_id"]


def quiet(row: Json, account: str, day: int) -> Json:
    """The event of a row of the quiet month, as AWS sends it."""
    row = json.loads(json.dumps(row).replace("ACCOUNT", account).replace("DAY", f"{day:02}"))
    row["id"] = f"{row['id']}-{account}-{day}"
    row["account"] = account
    at = f"2026-10-{day:02}T05:00:00Z"
    if "announced" in row:
        return {
            "version": "0",
            "id": row["id"],
            "detail-type": row["announced"],
            "source": "aws.backup",
            "account": account,
            "time": at,
            "region": "eu-central-1",
            "resources": [row["resource"]],
            "detail": row["detail"],
        }
    name = row.get("event_name") or row["service_event"]
    row.setdefault("service", "backup")
    made = event(row, 0, name, row.get("request"), response=row.get("response"))
    made["time"] = made["detail"]["eventTime"] = at
    if "service_event" in row:
        made["detail-type"] = "AWS Service Event via CloudTrail"
        made["detail"] |= {
            "userIdentity": {"accountId": account, "invokedBy": "backup.amazonaws.com"},
            "eventType": "AwsServiceEvent",
        }
    return made


def test_a_month_in_which_nobody_does_anything_wrong_is_silent(lab: Lab, inbox: Inbox, watching: Guardian) -> None:
    sources = [*lab.accounts["sources"], *(f"1111112{n:05}" for n in range(SOURCES))][:SOURCES]
    accounts = {"source": sources, "backup": [lab.backup], "management": [lab.management]}
    before = watching.counts(WATCH)
    sent = 0
    for day in range(1, 31):
        rows = [row for row in MONTH if day in row["days"]]
        events = [quiet(row, account, day) for row in rows for account in accounts[row["of"]]]
        # Each day has the days before it as its past. The lab looks through a whole queue for every message that it hands out.
        for some in (events[first : first + AT_ONCE] for first in range(0, len(events), AT_ONCE)):
            watching.send(*map(json.dumps, some), function=WATCH)
            sent += len(some)
            lab.idle()
    assert inbox.tampers() == [] and tampering(watching) == []
    seen = Counter(watching.counts(WATCH)) - Counter(before)
    kept_quiet = {reason: n for (metric, reason), n in seen.items() if metric in ("silent", "ignored")}
    assert sum(kept_quiet.values()) == sent, kept_quiet
    assert "failed-open" not in {metric for metric, _ in seen}, seen
    assert watching.waiting(WATCH) == 0 and watching.dead_letters(WATCH) == []
