"""`make demo`: tonight's copy fails, one alert says why. No AWS account: everything runs on this machine.

The story of nearly every broken cross-account backup: the key of a volume lets the backup account use it, but not create grants.
AWS says "Given key ID is not accessible" and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from .command import guardian
from .organization import (
    JOB_ROLE,
    SLR,
    Inbox,
    Json,
    Lab,
    Route,
    ebs_route,
    grant_statement,
    key_policy,
    running_lab,
    use_statement,
)

# Copies of the storm.
JOBS = 500
# Lines of a timeline that are shown.
TIMELINE = 4
# Days for which copies are kept, and nights before the attack.
KEPT_DAYS, NIGHTS = 35, 22

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def say(text: str = "") -> None:
    print(text, flush=True)


def step(number: int, text: str) -> None:
    say(f"\n{BOLD}{number}. {text}{PLAIN}")


def remark(text: str) -> None:
    say(f"   {DIM}{text}{PLAIN}")


def email_of(lab: Lab, address: str) -> dict[str, str]:
    """The newest message in the mailbox of an e-mail subscriber."""
    messages = [message for message in lab.control("mailbox") if message["endpoint"] == address]
    return messages[-1]


def show(mail: dict[str, str]) -> None:
    """The e-mail as its reader sees it; the block for ticket systems at its end is only mentioned."""
    prose, _, block = mail["body"].partition("\n-----BEGIN")
    say(f"   Subject: {mail['subject']}\n")
    for line in prose.rstrip().splitlines():
        say(f"   | {line}".rstrip())
    say()
    remark(f"and {len(block.splitlines())} lines of JSON that ticket systems read")


def tell(lab: Lab) -> int:
    address = "on-call@example.com"
    lab.cloudtrail_delay(0)
    sns = lab.client(lab.guardian, "sns")
    reader = sns.subscribe(
        TopicArn=lab.info["alert_topic_arn"], Protocol="email", Endpoint=address, ReturnSubscriptionArn=True
    )
    inbox = Inbox(lab)

    step(1, "An organization, and a volume that is backed up every night")
    say(f"   {lab.source}  source account      has the volume and its key")
    say(f"   {lab.backup}  backup account      receives the copies")
    say(f"   {lab.management}  management account  has the organization")
    say(f"   {lab.guardian}  guardian account    has Backup Guardian, as template.yaml deploys it")
    route = ebs_route(lab, name="payroll-data")
    route.back_up()
    say(f"   {route.resource_arn}")
    say(
        f"   is backed up into the vault {route.vault}, and copied on into {route.destination_vault} of the backup account"
    )

    step(2, "Somebody tidies up the policy of the key")
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr)))
    say(f"   {route.key_arn}")
    say("   the backup account may still use the key; the statement with kms:CreateGrant is gone")
    warned = inbox.tampers()
    for alert in warned:
        say(f"   told at once: {alert['severity'].upper()} {alert['title']}")
        say(f"   by {alert['actor']}, from {alert['changes'][0]['source_ip']}, at {alert['changes'][0]['at']}")

    step(3, "The nightly copy")
    lab.control("bus", {"duplicate": 4})
    started = time.monotonic()
    job = route.copy()
    say(f"   copy job {job['CopyJobId']}: {job['State']}")
    say(f'   AWS Backup says: "{job["StatusMessage"]}", and no more than that')
    remark("EventBridge may deliver an event more than once; tonight it delivers each five times")

    step(4, "What the on-call engineer reads")
    alerts = inbox.drain()
    elapsed = time.monotonic() - started
    lab.control("bus", {})
    if len(alerts) != 1:
        say(f"   expected one alert, got {len(alerts)}")
        return 1
    show(email_of(lab, address))
    remark(
        f"one message, {elapsed:.1f} s after the copy was started on this machine, all queues and deliveries included"
    )

    alert = alerts[0]
    step(5, "The patch of the alert is applied in the account that must act, and the copy is run again")
    patch = alert.get("patch")
    if patch is None:
        say("   the alert carries no patch")
        return 1
    lab.client(patch["account_id"], "kms").put_key_policy(
        KeyId=patch["target_arn"], PolicyName="default", Policy=json.dumps(patch["document"])
    )
    say(f"   {patch['operation']} on {patch['target_arn']}")
    again = route.copy()
    say(f"   copy job {again['CopyJobId']}: {again['State']}")
    more = inbox.drain()
    for message in more:
        say(f"   one more message: {message['kind'].upper()} {message['title']}")
    inbox.close()
    sns.unsubscribe(SubscriptionArn=reader["SubscriptionArn"])

    denied = alert.get("denied", {})
    changed = alert.get("changed", {})
    truths = {
        "the cause is kms-key-policy-missing-destination": alert["cause"] == "kms-key-policy-missing-destination",
        "the verdict is proven: refused call and evaluated policies agree": alert["certainty"] == "proven",
        "the service-linked role of the backup account was refused": denied.get("principal") == slr,
        "it was refused kms:CreateGrant": denied.get("action") == "kms:CreateGrant",
        "on the key of the volume": denied.get("resource") == route.key_arn,
        "as the trail of the backup account recorded it": denied.get("recorded_in") == route.destination,
        "the source account must act": alert["act_in"]["account_id"] == route.source,
        "who narrowed the key policy was told before any copy failed": [
            (done["kind"], done["resource_arn"]) for told in warned for done in told["changes"]
        ]
        == [("key-policy-narrowed", route.key_arn)],
        "and the failure names the same change, with its actor and time": [
            (changed.get("event_id"), changed.get("actor"), changed.get("at"))
        ]
        == [(done["event_id"], done["actor"], done["at"]) for told in warned for done in told["changes"]],
        "there are next steps": bool(alert["next_steps"]),
        "every claim about the patch was shown": all(patch["proof"].values()),
        "five deliveries made one message": len(alerts) == 1,
        "with the patch the copy works": again["State"] == "COMPLETED",
        "and that job, named in one more message, ends the incident": [
            (message["kind"], message["incident_id"], message["proved_by"]["job_id"]) for message in more
        ]
        == [("resolved", alert["incident_id"], again["CopyJobId"].lower())],
    }
    return judge(truths)


def tell_more(lab: Lab) -> int:
    """What a real night brings besides: evidence that is late, and five hundred jobs at once."""
    inbox = Inbox(lab)

    step(6, "CloudTrail is five minutes late, as it usually is")
    lab.cloudtrail_delay(300)
    route = broken(lab, "ledger-data")
    route.copy()
    first = inbox.drain()
    lab.control("clock", {"advance_seconds": 301})
    second = inbox.drain()
    lab.cloudtrail_delay(0)
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr), grant_statement(slr)))
    job = route.copy()
    third = inbox.drain()
    messages = [*first, *second, *third]
    for moment, alerts in (("at once", first), ("five minutes later", second), ("when a copy works", third)):
        for alert in alerts:
            say(f"   {moment:18}  {alert['kind']:8}  {alert['certainty']:9}  {alert['title']}")

    step(7, f"{JOBS} copies fail for one reason")
    storm = broken(lab, "archive")
    started = time.monotonic()
    for _ in range(JOBS):
        storm.start_copy()
    told = rest(lab, inbox)
    total = len(shown(lab, told[0])["jobs"]) if told else 0
    say(f"   {len(told)} message, {total} jobs in its incident, {time.monotonic() - started:.0f} s on this machine")
    lab.control("clock", {"advance_seconds": 301})
    rest(lab, inbox)
    report = shown(lab, told[0]).get("report_uri", "") if told else ""
    jobs = report_of(lab, report) if report else 0
    say(f"   five minutes later the report lists {jobs}: {report or 'none'}")

    truths = {
        "the first message says what is known, the second that it is proven, the third that it is over": [
            alert["kind"] for alert in messages
        ]
        == ["failure", "upgrade", "resolved"],
        "all three are about one incident": len({alert["incident_id"] for alert in messages}) == 1,
        "the job that proves the end is named": bool(third)
        and third[0]["proved_by"]["job_id"] == job["CopyJobId"].lower(),
        f"{JOBS} failed jobs of one cause are one message": [alert["kind"] for alert in told] == ["failure"],
        "and every one of them is in its incident, and in the report": (total, jobs) == (JOBS, JOBS),
    }
    return judge(truths)


def tell_of_an_attack(lab: Lab) -> int:
    """An afternoon of somebody who prepares ransomware, told before the night; what the engineer does; and what proves it."""
    lab.idle()
    inbox = Inbox(lab)
    backup = lab.client(lab.source, "backup", lab.region)
    route = ebs_route(lab, name="invoices")
    plan = plan_of(lab, route)
    for _ in range(NIGHTS):
        night(lab, plan)
    # What every route needs is known by the sweep of this morning.
    lab.control("schedule", {"rule": "backup-guardian-sweep"})
    rest(lab, inbox)
    points = points_of(lab, route)

    step(8, "An afternoon: somebody narrows the key policy, then deletes recovery points")
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr)))
    foretold = [alert for alert in rest(lab, inbox) if alert["kind"] == "prediction"]
    for alert in foretold:
        say(f"   {alert['kind'].upper()}: {alert['title']}")
        say(f"   by {alert['changed']['actor']}; the next copy is due at {alert.get('next_run', 'an unknown time')}")
        gone = [one["Action"] for one in alert.get("gone_statements", [])]
        say(
            f"   gone with it: {', '.join(action if isinstance(action, str) else ', '.join(action) for action in gone)}"
        )
    inbox.tampers()
    for point in points[: NIGHTS - 1]:
        backup.delete_recovery_point(BackupVaultName=route.vault, RecoveryPointArn=point)
    burst = inbox.tampers()
    for alert in burst:
        say(f"   {alert['severity'].upper()}: {alert['title']}")
    for deed in burst[-1]["changes"][:TIMELINE] if burst else []:
        say(f"     {deed['at']}  {deed['kind']:22} {deed['resource_arn']}")
    if burst:
        remark("and so on: the message has the whole timeline")

    step(9, "The night comes, and the engineer repairs what was foretold")
    night(lab, plan)
    failed = [alert for alert in rest(lab, inbox) if alert["kind"] == "failure"]
    for alert in failed:
        say(f"   FAILURE: {alert['title']}")
    patch = foretold[0]["patch"] if foretold else {}
    if patch:
        lab.client(patch["account_id"], "kms").put_key_policy(
            KeyId=patch["target_arn"], PolicyName="default", Policy=json.dumps(patch["document"])
        )
        say("   the patch of the prediction is applied")
    mended = [alert for alert in rest(lab, inbox) if alert["kind"] == "prediction"]
    for alert in mended:
        say(f"   {alert['title']}")

    step(10, "AWS copies no missed point by itself: the backfill does, and a drill proves the way once more")
    place = {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_REGION": lab.region}
    incident = failed[0]["incident_id"] if failed else "none"
    filled = guardian("incidents", "backfill", incident, "--yes", "--wait", environment=place)
    shown_output(f"guardian incidents backfill {incident} --yes --wait", filled.out or filled.err)
    ended = [alert for alert in rest(lab, inbox) if alert["kind"] == "resolved"]
    for alert in ended:
        say(f"   RESOLVED: {alert['title']}")
    vault = f"arn:aws:backup:{route.source_region}:{route.source}:backup-vault:{route.vault}"
    drill = guardian("drill", "copy", vault, route.resource_arn, "--yes", "--format", "json", environment=place)
    lab.idle()
    job = json.loads(drill.out)["job_id"] if drill.out else ""
    state = backup.describe_copy_job(CopyJobId=job.upper())["CopyJob"]["State"] if job else "not started"
    say(f"   guardian drill copy: job {job} {state}")

    changed = foretold[0]["changed"] if foretold else {}
    truths = {
        "the change was told before the copy that it broke, with its actor": [
            (alert["outlook"], changed["action"], changed["actor"].endswith("/suite")) for alert in foretold
        ]
        == [("will-fail", "kms:PutKeyPolicy", True)],
        "with the next run of the plan": bool(foretold) and foretold[0]["next_run"] > foretold[0]["at"],
        "the night proved it": [alert["denied"]["action"] for alert in failed] == ["kms:CreateGrant"],
        "the deletions are one incident of one actor, and it got louder": len({alert["incident_id"] for alert in burst}) == 1
        and bool(burst) and burst[-1]["severity"] in ("high", "critical"),
        "the repair was told as such, and the incident stayed open until a job": [alert["outlook"] for alert in mended]
        == ["will-work"],
        "the backfill copied what the night missed, and that ended the incident": filled.code == 0
        and [alert["incident_id"] for alert in ended] == [incident],
        "the drill's copy worked": state == "COMPLETED",
    }  # fmt: skip
    return judge(truths)


def plan_of(lab: Lab, route: Route) -> str:
    """A plan that backs the volume up every night and copies it."""
    backup = lab.client(route.source, "backup", route.source_region)
    copied = {
        "DestinationBackupVaultArn": route.destination_vault_arn,
        "Lifecycle": {"DeleteAfterDays": KEPT_DAYS},
    }
    rule: Json = {
        "RuleName": "nightly",
        "TargetBackupVaultName": route.vault,
        "ScheduleExpression": "cron(0 5 * * ? *)",
        "CopyActions": [copied],
    }
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "invoices", "Rules": [rule]})["BackupPlanId"]
    role = JOB_ROLE.format(account=route.source)
    selection = {"SelectionName": "invoices", "IamRoleArn": role, "Resources": [route.resource_arn]}
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    return plan


def night(lab: Lab, plan: str) -> None:
    """The plan runs: a backup, and its copy."""
    lab.control("plan-run", {"account_id": lab.source, "region": lab.region, "plan_id": plan})
    lab.idle()


def points_of(lab: Lab, route: Route) -> list[str]:
    backup = lab.client(route.source, "backup", route.source_region)
    found = backup.list_recovery_points_by_backup_vault(BackupVaultName=route.vault, ByResourceArn=route.resource_arn)
    return [point["RecoveryPointArn"] for point in found["RecoveryPoints"]]


def shown_output(command: str, out: str) -> None:
    say(f"   $ {command}")
    for line in out.rstrip().splitlines():
        say(f"   | {line}".rstrip())


def broken(lab: Lab, name: str) -> Route:
    """A volume whose copies fail like those of the first night."""
    route = ebs_route(lab, name=name)
    route.back_up()
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    return route


def rest(lab: Lab, inbox: Inbox) -> list[dict[str, Any]]:
    """The alerts once everything is handled, however long that takes."""
    while not lab.control("idle").get("idle", False):
        remark("still at it ...")
    return inbox.drain()


def report_of(lab: Lab, uri: str) -> int:
    """How many jobs a report object lists."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = lab.client(lab.guardian, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return sum(len(incident["jobs"]) for incident in json.loads(body)["incidents"])


def shown(lab: Lab, alert: dict[str, Any]) -> dict[str, Any]:
    """What `guardian incidents show` says about the incident of a message."""
    place = {"AWS_ENDPOINT_URL": lab.endpoint}
    ended = guardian("incidents", "show", alert["incident_id"], "--format", "json", environment=place)
    return json.loads(ended.out)


def judge(truths: dict[str, bool]) -> int:
    say(f"\n{BOLD}True, compared with what was broken:{PLAIN}")
    for truth, holds in truths.items():
        say(f"   {'yes' if holds else 'NO '}  {truth}")
    return 0 if all(truths.values()) else 1


def main() -> int:
    remark("starting a local AWS with Backup Guardian deployed in it ...")
    with running_lab("demo-lab.log") as lab:
        outcome = max(tell(lab), tell_more(lab), tell_of_an_attack(lab))
    say(
        "\nThe same for events of your own: `make lab`, then `guardian replay --help`. Into your accounts: README.md, Deploy."
    )
    return outcome


if __name__ == "__main__":
    sys.exit(main())
