"""Runs of plans that should have happened and did not: one alert that names plan and rule, and an end when the rule makes jobs again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from .guardian import RECONCILE, Guardian
from .organization import JOB_ROLE, Inbox, Json, Lab, ebs_route

pytestmark = pytest.mark.usefixtures("settled")
# The functions keep the machine's clock: tonight is some hours ago.
DUE_HOURS_AGO = 3
WINDOW_MINUTES = 60


@contextmanager
def at(lab: Lab, moment: datetime) -> Iterator[None]:
    """The lab's clock shows another time meanwhile."""
    ago = (datetime.now(UTC) - moment).total_seconds()
    lab.control("clock", {"advance_seconds": -ago})
    try:
        yield
        lab.idle()
    finally:
        lab.control("clock", {"advance_seconds": ago})


class Night:
    """A plan whose only rule backs up a volume every night."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=DUE_HOURS_AGO)
        self.name = lab.unique("nightly")
        route = ebs_route(lab)
        self.account, self.region, self.resource = route.source, route.source_region, route.resource_arn
        self.backup = lab.client(self.account, "backup", self.region)
        rule = {
            "RuleName": "to-local",
            "TargetBackupVaultName": route.vault,
            "ScheduleExpression": f"cron({self.due.minute} {self.due.hour} ? * * *)",
            "ScheduleExpressionTimezone": "Etc/UTC",
            "StartWindowMinutes": WINDOW_MINUTES,
        }
        with at(lab, self.due - timedelta(days=3)):
            plan = self.backup.create_backup_plan(BackupPlan={"BackupPlanName": self.name, "Rules": [rule]})
            self.plan = plan["BackupPlanId"]
            self.arn = plan["BackupPlanArn"]
            self.selection = self.backup.create_backup_selection(
                BackupPlanId=self.plan,
                BackupSelection={
                    "SelectionName": "volume",
                    "IamRoleArn": JOB_ROLE.format(account=self.account),
                    "Resources": [self.resource],
                },
            )["SelectionId"]

    def run(self) -> None:
        """AWS runs the rules of the plan."""
        place = {"account_id": self.account, "region": self.region, "plan_id": self.plan}
        self.lab.control("plan-run", place)
        self.lab.idle()

    def run_nights_before(self, nights: int) -> None:
        for ago in range(nights, 0, -1):
            with at(self.lab, self.due - timedelta(days=ago)):
                self.run()

    def gone(self) -> None:
        """No other test hears of the plan."""
        self.backup.delete_backup_selection(BackupPlanId=self.plan, SelectionId=self.selection)
        self.backup.delete_backup_plan(BackupPlanId=self.plan)


@pytest.fixture
def night(lab: Lab, guardian: Guardian) -> Iterator[Night]:
    # Whatever other tests left behind would be found together with it, and could push it into a digest.
    guardian.reconcile()
    guardian.let_a_minute_pass()
    night = Night(lab)
    yield night
    night.gone()


def of(night: Night, alerts: list[Json]) -> list[Json]:
    return [alert for alert in alerts if alert["act_in"].get("resource_arn") == night.arn]


def test_a_night_that_aws_forgot_is_told_once_and_ends_when_the_rule_runs_again(
    lab: Lab, inbox: Inbox, guardian: Guardian, night: Night
) -> None:
    night.run_nights_before(2)
    assert of(night, inbox.drain()) == []
    guardian.reconcile()
    (alert,) = of(night, inbox.drain())
    assert (alert["kind"], alert["cause"], alert["certainty"]) == ("failure", "run-missed", "proven")
    assert f"`to-local` of the plan `{night.name}` in account {night.account}" in alert["summary"]
    assert f"was due at {night.due:%Y-%m-%d %H:%M} UTC" in alert["summary"]
    assert alert["impact"]["unprotected_since"] == f"{night.due:%Y-%m-%dT%H:%M:%SZ}"
    assert f"plan {night.name}, rule to-local" in alert["title"]
    (job,) = alert["jobs"]
    assert (job["account_id"], job["region"], job["state"]) == (night.account, night.region, "MISSED")
    assert "job_id" not in job, "AWS made none"
    assert not [gap for gap in alert["gaps"] if gap["action"].startswith("backup:")], "there is no job to describe"
    # Every further look finds the same run.
    guardian.reconcile()
    assert of(night, inbox.drain()) == []
    # The next night it runs: a job of the rule, created later, is the proof.
    night.run()
    (resolved,) = of(night, inbox.drain())
    assert (resolved["kind"], resolved["incident_id"]) == ("resolved", alert["incident_id"])
    assert resolved["proved_by"]["resource_arn"] == night.resource
    guardian.reconcile()
    assert of(night, inbox.drain()) == []
    assert guardian.dead_letters(RECONCILE) == [] and guardian.dead_letters() == []


def test_nights_that_ran_or_were_not_due_are_silent(lab: Lab, inbox: Inbox, guardian: Guardian, night: Night) -> None:
    night.run_nights_before(2)
    with at(lab, night.due + timedelta(minutes=WINDOW_MINUTES - 1)):
        # Late, but inside its window.
        night.run()
    guardian.reconcile()
    edited = Night(lab)
    edited.run_nights_before(1)
    plan = edited.backup.get_backup_plan(BackupPlanId=edited.plan)["BackupPlan"]
    for rule in plan["Rules"]:
        rule.pop("RuleId")
    edited.backup.update_backup_plan(BackupPlanId=edited.plan, BackupPlan=plan)
    guardian.reconcile()
    alerts = inbox.drain()
    edited.gone()
    assert of(night, alerts) == [] and of(edited, alerts) == []


def test_a_place_whose_plans_cannot_be_read_is_not_judged(
    lab: Lab, inbox: Inbox, guardian: Guardian, night: Night
) -> None:
    night.run_nights_before(1)
    before = guardian.counts(RECONCILE).get(("not-judged", "gap"), 0)
    guardian.fault("denied", function=RECONCILE, operation="ListBackupSelections", account_id=night.account)
    guardian.reconcile()
    assert of(night, inbox.drain()) == []
    assert guardian.counts(RECONCILE)[("not-judged", "gap")] > before
    guardian.well()
    guardian.reconcile()
    assert len(of(night, inbox.drain())) == 1
