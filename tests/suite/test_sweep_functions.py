"""The periodic sweep as it is deployed: the state machine of the template is executed, and its tasks are the real binaries.

One organization for all tests, in the order in which they stand here: first nothing is wrong, then everything is broken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .command import FINE, guardian
from .estate import BASELINE, Estate, demo_estate
from .guardian import WATCH, Guardian
from .organization import GRANT, JOB_ROLE, SLR, Inbox, Json, Lab, Operations, ebs_route, running_lab
from .terminal import Result, Terminal, document
from .test_sweep import grave, protection

PLAN, READ, REPORT = (f"backup-guardian-{name}" for name in ("plan-sweep", "sweep-account", "report-sweep"))
RULE = "backup-guardian-sweep"
# Parameters of the template.
HOME, GUARDIAN_ACCOUNT = "eu-central-1", "444444444444"
AGREED = "agreed/baseline.json"
EXTERNAL_ID = "of-this-installation"
# Policies about what nobody does.
NOTHING = document({"Effect": "Allow", "Action": "backup:DescribeBackupJob", "Resource": "*"})
DENIED = document({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"})
# The reports of every sweep.
REPORTS = ["checks.csv", "coverage.csv", "findings.ocsf.jsonl", "report.html", "report.json"]


@dataclass
class Ended:
    """How an execution ended, and what it said."""

    status: str
    answer: Json
    cause: str


class Sweeps:
    """The deployed sweep of an organization, with the agreements of the estate."""

    def __init__(self, lab: Lab, estate: Estate | None = None) -> None:
        self.lab = lab
        self.estate = estate
        self.guardian = Guardian(self.lab)
        self.s3 = self.lab.client(self.lab.guardian, "s3")
        self.states = self.lab.client(self.lab.guardian, "stepfunctions")
        self.bucket: str = self.lab.info["outputs"]["ReportBucketName"]
        self.machine: str = self.lab.info["outputs"]["SweepStateMachineArn"]

    def agree(self) -> None:
        """What was agreed on lies where the template says."""
        self.s3.put_object(Bucket=self.bucket, Key=AGREED, Body=json.dumps(BASELINE))

    def run(self) -> Ended:
        """The moment of the schedule, and the execution that it began, to its end."""
        before = self._executions()
        self.lab.control("schedule", {"rule": RULE})
        self.lab.idle()
        (new,) = self._executions() - before
        found = self.states.describe_execution(executionArn=new)
        return Ended(found["status"], json.loads(found.get("output", "{}")), found.get("cause", ""))

    def _executions(self) -> set[str]:
        found = self.states.list_executions(stateMachineArn=self.machine)["executions"]
        return {one["executionArn"] for one in found}

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def names(self, sweep: str) -> list[str]:
        """What lies in the bucket of a sweep."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"sweeps/{sweep}/")
        return sorted(one["Key"].split("/", 2)[2] for page in pages for one in page["Contents"])

    def report(self, ended: Ended) -> Json:
        assert ended.status == "SUCCEEDED", ended.cause
        return json.loads(self.read(f"sweeps/{ended.answer['sweep']}/report.json"))

    def latest(self) -> Json:
        return json.loads(self.read("sweeps/latest.json"))

    def beats(self) -> int:
        return self.guardian.counts(REPORT).get(("heartbeat", "complete"), 0)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    product = f"arn:aws:securityhub:{HOME}:{GUARDIAN_ACCOUNT}:product/{GUARDIAN_ACCOUNT}/default"
    given = {"Baseline": AGREED, "SecurityHubProductArn": product, "ExternalId": EXTERNAL_ID}
    with (
        running_lab("sweep-functions-lab.log", **given) as lab,
        # Until somebody wants them.
        Guardian(lab).configured(REPORT, GUARDIAN_BASELINE="", GUARDIAN_SECURITY_HUB_PRODUCT_ARN=""),
    ):
        Guardian(lab).set_watching(False)
        yield lab


@pytest.fixture(scope="module")
def sweeps(lab: Lab) -> Iterator[Sweeps]:
    sweeps = Sweeps(lab, demo_estate(lab))
    sweeps.agree()
    agreed = f"s3://{sweeps.bucket}/{AGREED}"
    with sweeps.guardian.configured(REPORT, GUARDIAN_BASELINE=agreed):
        yield sweeps


@pytest.fixture
def inbox(sweeps: Sweeps) -> Iterator[Inbox]:
    sweeps.guardian.let_a_minute_pass()
    box = Inbox(sweeps.lab)
    yield box
    box.close()
    sweeps.guardian.well()


# What check-alarm-path found. The command asks nobody for it: it may run where no guardian is.
ALARM_PATH = "BKC-074"


def timeless(report: Json) -> Json:
    """A report without its moment, what the command does not ask for, and the hash and sums that follow from them."""
    report = {name: value for name, value in report.items() if name not in ("sha256", "totals")}
    organization = report["organization"]
    outcomes = [one for one in organization["outcomes"] if one["code"] != ALARM_PATH]
    report["organization"] = {**organization, "outcomes": outcomes}
    return {**report, "head": {name: value for name, value in report["head"].items() if name != "at"}}


def unread(report: Json) -> list[tuple[str, list[str]]]:
    """The accounts that were not evaluated, with the calls that were missing."""
    parts = [part for account in report["accounts"] for part in account["not_evaluated"]]
    return [(part["account_id"], [gap["action"] for gap in part["gaps"]]) for part in parts]


def by_hand(sweeps: Sweeps, folder: Path) -> Json:
    """What the command says of the same organization."""
    lab = sweeps.lab
    (folder / "baseline.json").write_text(json.dumps(BASELINE), encoding="utf-8")
    given = {
        "GUARDIAN_REGIONS": ",".join(lab.info["regions"]),
        "GUARDIAN_BACKUP_ACCOUNT_IDS": lab.backup,
        "GUARDIAN_EXTERNAL_ID": EXTERNAL_ID,
    }
    arguments = ("--baseline", str(folder / "baseline.json"), "--pace", "100", "--format", "json")
    return Terminal(lab).run("sweep", *arguments, **given).json


def test_an_organization_without_any_copy_is_swept_too(lab: Lab) -> None:
    sweeps = Sweeps(lab)
    ended = sweeps.run()
    report = sweeps.report(ended)
    assert protection(report) == {} and grave(report) != [] and unread(report) == []
    assert json.loads(sweeps.read(f"sweeps/{ended.answer['sweep']}/batches/vaults.json")) == []
    # The next tests begin with a first sweep.
    sweeps.s3.delete_object(Bucket=sweeps.bucket, Key="sweeps/latest.json")


def test_the_deployed_sweep_says_what_the_command_says_and_tells_it_once(
    sweeps: Sweeps, inbox: Inbox, tmp_path: Path
) -> None:
    ended = sweeps.run()
    report = sweeps.report(ended)
    assert timeless(report) == timeless(by_hand(sweeps, tmp_path))
    assert grave(report) == [] and unread(report) == [] and len(protection(report)) == 9
    (alert,) = inbox.drain()
    assert alert["kind"] == "sweep" and alert["at"] == report["head"]["at"]
    assert (
        alert["report_uri"]
        == ended.answer["report"]
        == f"s3://{sweeps.bucket}/sweeps/{ended.answer['sweep']}/report.html"
    )
    names = sweeps.names(ended.answer["sweep"])
    assert [name for name in names if name in REPORTS] == REPORTS
    assert not [name for name in names if "asff" in name], "nobody named a product"
    assert sweeps.latest()["sweep"] == ended.answer["sweep"] and "since" not in ended.answer
    assert sweeps.beats() == 2


def test_what_a_sweep_read_is_marked_to_go_soon_and_its_reports_are_not(sweeps: Sweeps) -> None:
    sweep = sweeps.latest()["sweep"]
    tags = {}
    for name in sweeps.names(sweep):
        found = sweeps.s3.get_object_tagging(Bucket=sweeps.bucket, Key=f"sweeps/{sweep}/{name}")["TagSet"]
        tags[name] = [(tag["Key"], tag["Value"]) for tag in found]
    assert {name for name, found in tags.items() if not found} == set(REPORTS)
    assert {tuple(found) for found in tags.values() if found} == {(("backup-guardian", "part"),)}
    types = {
        name: sweeps.s3.head_object(Bucket=sweeps.bucket, Key=f"sweeps/{sweep}/{name}")["ContentType"]
        for name in REPORTS
    }
    assert types["report.html"].startswith("text/html") and types["report.json"] == "application/json"


def test_an_unchanged_day_is_silent_and_the_report_says_so(sweeps: Sweeps, inbox: Inbox) -> None:
    before = sweeps.latest()["sweep"]
    ended = sweeps.run()
    assert ended.answer["since"] == before and ended.answer["told"] is False
    assert inbox.drain() == []
    page = sweeps.read(f"sweeps/{ended.answer['sweep']}/report.html").decode()
    assert "Nothing: every check and every resource is as it was." in page
    assert sweeps.latest()["previous"] == before and sweeps.beats() == 3


@pytest.fixture
def watching(sweeps: Sweeps, inbox: Inbox) -> Iterator[Inbox]:
    """Somebody works on the queue of writes, by what the last sweep kept."""
    sweeps.lab.cloudtrail_delay(0)
    sweeps.guardian.set_watching(True)
    yield inbox
    sweeps.lab.idle()
    sweeps.guardian.set_watching(False)


class Key:
    """The key of the volumes of the first source account."""

    def __init__(self, sweeps: Sweeps) -> None:
        assert sweeps.estate
        self.source = sweeps.estate.sources[0]
        self.arn = self.source.key_arn
        self.kms = sweeps.lab.client(self.source.account, "kms", self.arn.split(":")[3])
        self.policy = json.loads(self.kms.get_key_policy(KeyId=self.arn, PolicyName="default")["Policy"])

    def put(self, policy: Json) -> None:
        self.kms.put_key_policy(KeyId=self.arn, PolicyName="default", Policy=json.dumps(policy))

    def without_grants(self) -> Json:
        kept = [one for one in self.policy["Statement"] if one.get("Action") != GRANT]
        assert len(kept) == len(self.policy["Statement"]) - 1, self.policy
        return {**self.policy, "Statement": kept}


def incidents(sweeps: Sweeps, *arguments: str) -> Result:
    return Terminal(sweeps.lab).run("incidents", *arguments, "--format", "json")


def test_a_change_that_breaks_the_next_copy_is_told_at_once_and_its_repair_too(sweeps: Sweeps, watching: Inbox) -> None:
    key = Key(sweeps)
    key.put(key.without_grants())
    (alert,) = watching.drain()
    assert (alert["kind"], alert["outlook"], alert["certainty"]) == ("prediction", "will-fail", "supported")
    assert alert["cause"] == "kms-key-policy-missing-destination" and alert["gaps"] == []
    assert alert["act_in"]["account_id"] == key.source.account and alert["act_in"]["resource_arn"] == key.arn
    assert [one["Action"] for one in alert["gone_statements"]] == [GRANT] and "added_statements" not in alert
    assert {route["resource_type"] for route in alert["routes"]} == {"EBS"} and alert["route"]["key"] == key.arn
    assert alert["changed"]["action"] == "kms:PutKeyPolicy" and alert["changed"]["event_id"]
    assert alert["next_run"] > alert["at"] and alert["severity"] == "high"
    assert alert["patch"]["target_arn"] == key.arn and alert["patch"]["proof"]["allowed_after"]
    listed = incidents(sweeps, "list")
    (foretold,) = listed.json["foretold"]
    assert (listed.code, foretold["incident_id"], foretold["next_run"]) == (1, alert["incident_id"], alert["next_run"])
    text = Terminal(sweeps.lab).run("incidents", "list").out
    assert f"{alert['incident_id']}  {alert['title']}" in text and "foretold at" in text, text
    shown = incidents(sweeps, "show", alert["incident_id"])
    assert (shown.code, shown.json["alert"]["title"]) == (1, alert["title"])
    # A deployment writes once more, and nothing changes.
    key.put(key.without_grants())
    assert watching.drain() == []
    sweeps.guardian.let_a_minute_pass()
    patched = alert["patch"]["document"]
    key.put(patched)
    (mended,) = watching.drain()
    assert (mended["outlook"], mended["incident_id"]) == ("will-work", alert["incident_id"])
    assert "stays open until a job proves it" in mended["summary"] and mended["severity"] == "info"
    assert incidents(sweeps, "list").json["foretold"] == []
    key.put(key.policy)
    assert watching.drain() == [], "as it was before"


def test_whoever_shuts_the_central_vault_breaks_every_route_in_one_message(sweeps: Sweeps, watching: Inbox) -> None:
    estate = sweeps.estate
    assert estate
    vault = estate.central_vault_arn
    backup = sweeps.lab.client(sweeps.lab.backup, "backup", vault.split(":")[3])
    name = vault.split(":")[-1]
    policy = backup.get_backup_vault_access_policy(BackupVaultName=name)["Policy"]
    backup.delete_backup_vault_access_policy(BackupVaultName=name)
    (alert,) = watching.drain()
    assert alert["outlook"] == "will-fail" and alert["cause"] == "destination-vault-policy"
    accounts = {route["source_account"] for route in alert["routes"]}
    assert accounts == {source.account for source in estate.sources} and alert["routes_total"] == 2 * len(accounts)
    sweeps.guardian.let_a_minute_pass()
    backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=policy)
    (mended,) = watching.drain()
    assert (mended["outlook"], mended["routes_total"]) == ("will-work", alert["routes_total"])


def test_roles_and_policies_of_the_organization_break_copies_too(sweeps: Sweeps, watching: Inbox) -> None:
    lab, key = sweeps.lab, Key(sweeps)
    account = key.source.account
    iam, role = lab.client(account, "iam"), JOB_ROLE.format(account=account).rsplit("/", 1)[-1]
    no_copies = document({"Effect": "Deny", "Action": "backup:CopyFromBackupVault", "Resource": "*"})
    iam.put_role_policy(RoleName=role, PolicyName="no-copies", PolicyDocument=no_copies)
    (alert,) = watching.drain()
    assert alert["outlook"] == "will-fail" and alert["added_statements"][0]["Effect"] == "Deny"
    sweeps.guardian.let_a_minute_pass()
    iam.delete_role_policy(RoleName=role, PolicyName="no-copies")
    assert [alert["outlook"] for alert in watching.drain()] == ["will-work"]
    organizations = lab.client(lab.management, "organizations")
    made = organizations.create_policy(
        Name="no-copies", Description="", Type="SERVICE_CONTROL_POLICY", Content=no_copies
    )
    policy = made["Policy"]["PolicySummary"]["Id"]
    sweeps.guardian.let_a_minute_pass()
    organizations.attach_policy(PolicyId=policy, TargetId=account)
    assert [alert["outlook"] for alert in watching.drain()] == ["will-fail"]
    sweeps.guardian.let_a_minute_pass()
    organizations.update_policy(PolicyId=policy, Content=NOTHING.replace("Allow", "Deny"))
    assert [alert["outlook"] for alert in watching.drain()] == ["will-work"]
    organizations.detach_policy(PolicyId=policy, TargetId=account)
    organizations.delete_policy(PolicyId=policy)
    assert watching.drain() == []


def test_what_is_older_than_the_log_is_compared_with_what_the_sweep_saw(sweeps: Sweeps, watching: Inbox) -> None:
    lab, estate = sweeps.lab, sweeps.estate
    assert estate
    sweeps.guardian.forget_tampering()
    sweeps.guardian.forget_changes()
    watching.tampers()
    # The times of CloudTrail are whole seconds: what was seen in the same one may be what was written.
    time.sleep(1.1)
    *_, region, account, _, name = estate.central_vault_arn.split(":")
    backup = lab.client(account, "backup", region)
    policy = backup.get_backup_vault_access_policy(BackupVaultName=name)["Policy"]
    statements = [one for one in json.loads(policy)["Statement"] if one["Effect"] == "Allow"]
    backup.put_backup_vault_access_policy(
        BackupVaultName=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    (open_vault,) = watching.tampers()
    (change,) = open_vault["changes"]
    assert (change["kind"], open_vault["severity"]) == ("vault-policy-weakened", "high"), open_vault
    assert "backup:deleterecoverypoint for *" in change["before"], change
    backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=policy)
    sweeps.guardian.let_a_minute_pass()
    sweeps.guardian.forget_tampering()
    key = Key(sweeps)
    sweeps.guardian.forget_changes()
    key.put(key.without_grants())
    told = {change["kind"] for alert in watching.tampers() for change in alert["changes"]}
    assert told == {"key-policy-narrowed"}, told
    key.put(key.policy)
    sweeps.guardian.let_a_minute_pass()
    # Plans are not kept: what one says by itself is told, because copies leave this account.
    source = lab.client(key.source.account, "backup", lab.region)
    rule = {"RuleName": "night", "TargetBackupVaultName": "nightly", "ScheduleExpression": "cron(0 5 * * ? *)"}
    copy = {"DestinationBackupVaultArn": estate.central_vault_arn, "Lifecycle": {"DeleteAfterDays": 90}}
    kept = {**rule, "Lifecycle": {"DeleteAfterDays": 35}}
    plan = {"BackupPlanName": "older", "Rules": [{**kept, "CopyActions": [copy]}]}
    made = source.create_backup_plan(BackupPlan=plan)["BackupPlanId"]
    lab.idle()
    sweeps.guardian.forget_tampering()
    sweeps.guardian.forget_changes()
    watching.tampers()
    source.update_backup_plan(BackupPlanId=made, BackupPlan={**plan, "Rules": [kept]})
    (weakened,) = watching.tampers()
    (change,) = weakened["changes"]
    assert (change["kind"], weakened["severity"]) == ("plan-weakened", "medium"), weakened
    assert "what it was before is not known: no rule copies anything" in change["text"], change
    source.delete_backup_plan(BackupPlanId=made)
    watching.tampers()


def test_what_concerns_no_copy_is_silent_and_no_role_is_assumed_for_it(sweeps: Sweeps, watching: Inbox) -> None:
    key = Key(sweeps)
    other = key.kms.create_key(Policy=json.dumps(key.policy))["KeyMetadata"]["Arn"]
    sweeps.lab.idle()
    # A new process has no session yet.
    sweeps.guardian.restart(WATCH)

    def write() -> None:
        key.kms.put_key_policy(KeyId=other, PolicyName="default", Policy=json.dumps(key.without_grants()))

    asked = {request["service"] for request in sweeps.guardian.requests(write, WATCH)}
    assert "dynamodb" in asked and not asked & {"sts", "kms", "iam", "backup", "organizations"}, asked
    more = {"Sid": "More", "Effect": "Allow", "Principal": {"AWS": SLR.format(account=key.source.account)}}
    harmless = {
        **key.policy,
        "Statement": [*key.policy["Statement"], {**more, "Action": "kms:Decrypt", "Resource": "*"}],
    }
    asked = {request["service"] for request in sweeps.guardian.requests(lambda: key.put(harmless), WATCH)}
    assert {"sts", "kms"} <= asked and not asked & {"iam", "backup", "organizations"}, asked
    key.put(key.policy)
    assert watching.drain() == []


def test_a_key_that_cannot_be_read_is_suspected_by_what_was_written(sweeps: Sweeps, watching: Inbox) -> None:
    key = Key(sweeps)
    only = {"service": "kms", "operation": "GetKeyPolicy", "account_id": key.source.account}
    sweeps.guardian.fault("denied", function=WATCH, **only)
    deny = {"Sid": "No", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "kms:CreateGrant", "Resource": "*"}
    key.put({**key.policy, "Statement": [*key.policy["Statement"], deny]})
    (alert,) = watching.drain()
    assert (alert["outlook"], alert["certainty"], alert["cause"]) == ("will-fail", "suspected", "explicit-deny-policy")
    assert [gap["action"] for gap in alert["gaps"]] == ["kms:GetKeyPolicy"] and alert["added_statements"] == [deny]
    sweeps.guardian.well()
    sweeps.guardian.let_a_minute_pass()
    key.put(key.policy)
    assert watching.drain() == [], "it was never seen broken"


def test_a_key_that_no_name_gives_away_is_known_by_the_copies_that_hang_on_it(sweeps: Sweeps, watching: Inbox) -> None:
    key = Key(sweeps)
    other = key.kms.create_key(Policy=json.dumps(key.policy))["KeyMetadata"]["Arn"]
    sweeps.lab.idle()
    sweeps.guardian.forget_tampering()
    key.kms.disable_key(KeyId=other)
    (alert,) = watching.tampers()
    assert alert["severity"] == "medium" and "Whether backups use this key is not known here" in alert["summary"]
    key.kms.disable_key(KeyId=key.arn)
    (alert,) = watching.tampers()
    assert alert["severity"] == "high" and "not known here" not in alert["summary"]
    sweeps.guardian.let_a_minute_pass()
    key.kms.enable_key(KeyId=key.arn)
    assert [alert["outlook"] for alert in watching.drain()][-1:] == ["will-work"]


def test_a_region_that_is_off_in_an_account_is_not_missed(sweeps: Sweeps, inbox: Inbox) -> None:
    off = "eu-south-1"
    regions = ",".join([*sweeps.lab.info["regions"], off])
    with ExitStack() as wider:
        for function in (PLAN, READ, REPORT):
            wider.enter_context(sweeps.guardian.configured(function, GUARDIAN_REGIONS=regions))
        report = sweeps.report(sweeps.run())
    assert unread(report) == [] and inbox.drain() == []


def test_policies_of_the_account_and_of_the_organization_are_read(sweeps: Sweeps, inbox: Inbox) -> None:
    lab = sweeps.lab
    iam, organizations = lab.client(lab.source, "iam"), lab.client(lab.management, "organizations")
    role = JOB_ROLE.format(account=lab.source).rsplit("/", 1)[-1]
    own = iam.create_policy(PolicyName="of-the-account", PolicyDocument=NOTHING)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=own)
    made = organizations.create_policy(
        Name="about-resources", Description="", Type="RESOURCE_CONTROL_POLICY", Content=DENIED
    )
    common = made["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=common, TargetId=lab.source)
    report = sweeps.report(sweeps.run())
    organizations.detach_policy(PolicyId=common, TargetId=lab.source)
    organizations.delete_policy(PolicyId=common)
    iam.detach_role_policy(RoleName=role, PolicyArn=own)
    iam.delete_policy(PolicyArn=own)
    assert unread(report) == [] and inbox.drain() == []


def test_whoever_wants_it_every_day_gets_it(sweeps: Sweeps, inbox: Inbox) -> None:
    with sweeps.guardian.configured(REPORT, GUARDIAN_SWEEP_DIGEST="always"):
        assert sweeps.run().answer["told"] is True
    (alert,) = inbox.drain()
    assert "Nothing changed since" in alert["summary"]


@pytest.mark.parametrize("fault", ["error500", "reset", "truncate"])
def test_a_third_of_all_answers_of_the_bucket_may_fail(sweeps: Sweeps, inbox: Inbox, fault: str) -> None:
    before = json.loads(sweeps.read(f"sweeps/{sweeps.latest()['sweep']}/report.json"))
    rule = {"match": {"service": "s3", "probability": 0.3}, "fault": fault, "seed": 20270131}
    sweeps.lab.control("faults", [rule])
    ended = sweeps.run()
    assert sweeps.guardian.met() > 5
    assert timeless(sweeps.report(ended)) == timeless(before) and inbox.drain() == []


def test_a_batch_that_dies_is_taken_up_where_it_was(sweeps: Sweeps, inbox: Inbox) -> None:
    before = json.loads(sweeps.read(f"sweeps/{sweeps.latest()['sweep']}/report.json"))
    lists = {"service": "backup", "operation": "ListBackupPlans"}
    asked = len(sweeps.guardian.requests(sweeps.run, READ, **lists))
    # Two objects for each of six accounts, the second of which says that it was read: by then one was, at least.
    sweeps.guardian.fault("kill-after", function=READ, service="s3", operation="PutObject", nth=7)
    ended: list[Ended] = []
    again = len(sweeps.guardian.requests(lambda: ended.append(sweeps.run()), READ, **lists))
    assert sweeps.guardian.met() == 1
    # How many it were decides the race of the others; that none is read twice is shown in memory (`sweep_batches.rs`).
    assert asked <= again < 2 * asked, "what is there is not read again"
    assert timeless(sweeps.report(ended[0])) == timeless(before) and inbox.drain() == []


def test_a_batch_that_fails_for_good_leaves_its_accounts_unevaluated_and_the_rest_is_told(
    sweeps: Sweeps, inbox: Inbox
) -> None:
    sweeps.guardian.fault("denied", function=READ, service="s3", operation="PutObject")
    ended = sweeps.run()
    report = sweeps.report(ended)
    accounts = [sweeps.lab.management, sweeps.lab.guardian, sweeps.lab.backup, *sweeps.lab.accounts["sources"]]
    assert sorted(account for account, _ in unread(report)) == sorted(accounts)
    assert protection(report) == {} and grave(report) == [], "absence is no finding, and no health"
    (alert,) = inbox.drain()
    assert len([gap for gap in alert["gaps"] if gap["action"] == "sts:AssumeRole"]) == len(accounts)
    sweeps.guardian.well()
    # Seen again: told, because it changed.
    assert sweeps.run().answer["told"] is True and len(inbox.drain()) == 1


@pytest.mark.parametrize(("kill", "most"), [("kill-before", 1), ("kill-after", 2)])
def test_a_report_that_dies_while_it_tells_is_told_after_all(
    sweeps: Sweeps, inbox: Inbox, kill: str, most: int
) -> None:
    with sweeps.guardian.configured(REPORT, GUARDIAN_SWEEP_DIGEST="always"):
        sweeps.guardian.fault(kill, function=REPORT, service="sns", operation="Publish", nth=1)
        ended = sweeps.run()
    assert ended.status == "SUCCEEDED" and sweeps.guardian.met() == 1
    alerts = inbox.drain()
    assert 1 <= len(alerts) <= most and len({alert["incident_id"] for alert in alerts}) == 1


def test_a_report_that_dies_after_it_told_does_not_tell_again(sweeps: Sweeps, inbox: Inbox) -> None:
    with sweeps.guardian.configured(REPORT, GUARDIAN_SWEEP_DIGEST="always"):
        before = sweeps.latest()["sweep"]
        puts = [call for call in sweeps.guardian.requests(sweeps.run, REPORT, service="s3", operation="PutObject")]
        assert len(inbox.drain()) == 1
        # The last object is the one that names the newest sweep.
        sweeps.guardian.let_a_minute_pass()
        sweeps.guardian.fault("kill-before", function=REPORT, service="s3", operation="PutObject", nth=len(puts))
        since = sweeps.latest()["sweep"]
        ended = sweeps.run()
    assert sweeps.guardian.met() == 1 and before < since == ended.answer["since"] < sweeps.latest()["sweep"]
    assert len(inbox.drain()) == 1


def test_findings_go_to_security_hub_and_what_it_refuses_is_told(sweeps: Sweeps, inbox: Inbox) -> None:
    lab = sweeps.lab
    hub = lab.client(lab.guardian, "securityhub")
    hub.enable_security_hub()
    product = f"arn:aws:securityhub:{lab.region}:{lab.guardian}:product/{lab.guardian}/default"
    with sweeps.guardian.configured(REPORT, GUARDIAN_SECURITY_HUB_PRODUCT_ARN=product):
        ended = sweeps.run()
        report = sweeps.report(ended)
        outcomes = [
            *report["organization"]["outcomes"],
            *(one for account in report["accounts"] for one in account["outcomes"]),
        ]
        pages = hub.get_paginator("get_findings").paginate()
        found = [finding for page in pages for finding in page["Findings"]]
        assert ended.answer["imported"] == len(outcomes) == len(found)
        assert {finding["AwsAccountId"] for finding in found} == {lab.guardian}
        lines = sweeps.read(f"sweeps/{ended.answer['sweep']}/findings.asff.jsonl").decode().splitlines()
        assert sum(len(json.loads(line)["Findings"]) for line in lines) == len(outcomes)
        assert inbox.drain() == []
        sweeps.guardian.fault("denied", function=REPORT, service="securityhub")
        ended = sweeps.run()
    assert ended.status == "SUCCEEDED" and ended.answer["imported"] == 0
    (alert,) = inbox.drain()
    (gap,) = alert["gaps"]
    assert gap["action"] == "securityhub:BatchImportFindings" and f"{len(outcomes)} findings" in gap["detail"]


def test_nothing_is_judged_by_agreements_that_cannot_be_read(sweeps: Sweeps, inbox: Inbox) -> None:
    before = sweeps.latest()
    sweeps.s3.delete_object(Bucket=sweeps.bucket, Key=AGREED)
    ended = sweeps.run()
    sweeps.agree()
    assert ended.status == "FAILED" and f"{AGREED}` does not exist" in ended.cause
    assert inbox.drain() == [] and sweeps.latest() == before


def test_what_was_never_begun_is_neither_read_nor_reported(sweeps: Sweeps) -> None:
    nobody = "20260101T000000Z-00000000"
    for function, event in ((REPORT, {}), (READ, {"accounts": [sweeps.lab.source]}), (PLAN, {"step": "vaults"})):
        answer = sweeps.guardian.functions.invoke(FunctionName=function, Payload=json.dumps({"sweep": nobody, **event}))
        assert "FunctionError" in answer
        assert f"no sweep `{nobody}` was begun" in json.loads(answer["Payload"].read())["errorMessage"]


@pytest.mark.usefixtures("inbox")
def test_a_sweep_that_stopped_is_missed(sweeps: Sweeps) -> None:
    guardian, operations = sweeps.guardian, Operations(sweeps.lab)
    guardian.check_alarm_path()
    operations.drain()
    key = {"pk": {"S": "heartbeat#report-sweep"}, "sk": {"S": "heartbeat"}}
    guardian.dynamodb.update_item(
        TableName=guardian.table,
        Key=key,
        UpdateExpression="SET #at = :long_ago",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":long_ago": {"N": "1000"}},
    )
    guardian.check_alarm_path()
    (message,) = operations.drain()
    assert "report-sweep has not ended its work since 1970-01-01T00:00:01Z (it should within 52 hours)" in message
    assert "state machine backup-guardian-sweep" in message
    # Whoever reads the report of the next one sees it there, too.
    report = sweeps.report(sweeps.run())
    (told,) = [one for one in report["organization"]["outcomes"] if one["code"] == ALARM_PATH]
    assert told["status"] == "fail" and "report-sweep has not ended its work since" in told["seen"]
    guardian.check_alarm_path()
    (message,) = operations.drain()
    assert "report-sweep" in message and "works" in message
    report = sweeps.report(sweeps.run())
    assert [one["status"] for one in report["organization"]["outcomes"] if one["code"] == ALARM_PATH] == ["pass"]
    operations.close()


@pytest.mark.usefixtures("inbox")
def test_the_schedule_of_the_sweep_is_looked_at(sweeps: Sweeps) -> None:
    guardian, operations = sweeps.guardian, Operations(sweeps.lab)
    events = sweeps.lab.client(sweeps.lab.guardian, "events")
    events.disable_rule(Name=RULE)
    guardian.check_alarm_path()
    (message,) = operations.drain()
    assert f"the rule {RULE} of account {sweeps.lab.guardian} in {sweeps.lab.region} is DISABLED" in message
    events.enable_rule(Name=RULE)
    guardian.check_alarm_path()
    operations.close()


def test_what_is_broken_is_told_with_nothing_else_and_what_stays_unseen_is_told_again(
    sweeps: Sweeps, inbox: Inbox, tmp_path: Path
) -> None:
    estate = sweeps.estate
    assert estate
    broken = estate.break_everything()
    # Yesterday's environments are gone, and their sessions with them.
    sweeps.guardian.restart(READ)
    inbox.drain()
    sweeps.guardian.let_a_minute_pass()
    ended = sweeps.run()
    report = sweeps.report(ended)
    assert timeless(report) == timeless(by_hand(sweeps, tmp_path))
    assert unread(report) == [(broken["unreachable"], ["sts:AssumeRole"])]
    states = protection(report)
    assert (states.pop(broken["stale"]), states.pop(broken["unprotected"])) == ("stale", "unprotected")
    assert set(states.values()) == {"protected"}
    assert {thing for _, _, thing in grave(report)} <= {broken["key"], broken["stale"], broken["unprotected"], ""}
    alerts = [alert for alert in inbox.drain() if alert["kind"] == "sweep"]
    (alert,) = alerts
    text = json.dumps(alert)
    for thing in (broken["key"], broken["stale"], broken["unprotected"], broken["unreachable"]):
        assert thing in text
    assert alert["severity"] in ("critical", "high") and "new failure" in alert["summary"]
    # Nothing changes, but an account that nobody can see is no quiet day.
    sweeps.guardian.let_a_minute_pass()
    assert sweeps.run().answer["told"] is True
    (alert,) = [alert for alert in inbox.drain() if alert["kind"] == "sweep"]
    assert "Nothing changed since" in alert["summary"]
    assert [gap["account_id"] for gap in alert["gaps"]] == [broken["unreachable"]]


def test_whoever_starts_a_copy_gives_the_external_id_as_well(lab: Lab) -> None:
    route = ebs_route(lab)
    route.back_up()
    vault = f"arn:aws:backup:{route.source_region}:{route.source}:backup-vault:{route.vault}"
    to = ("--to", route.destination_vault_arn, "--retention-days", "3", "--yes")
    place = {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_REGION": lab.region, "GUARDIAN_EXTERNAL_ID": EXTERNAL_ID}
    ended = guardian("drill", "copy", vault, route.resource_arn, *to, environment=place)
    assert ended.code == FINE, ended.err
