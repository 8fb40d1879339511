"""What no event announced: every failed job is told of within one run of the reconciliation, and nobody hears of a job twice.

A sample of the jobs, the same in every run; `GUARDIAN_SOAK=1` takes ten times as many.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from .guardian import RECONCILE, Guardian
from .organization import JOB_ROLE, Inbox, Json, Lab, Operations, ebs_route, failing_route, running_lab

SEED = 20261102
SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
JOBS = 210 if SOAK else 21
# What did not go out at once comes in digests: so long, on the lab's clock, until each of them was due.
DIGEST_SECONDS = 15
PERIOD_SECONDS = 3600
STATES = {"backup": ["FAILED", "ABORTED", "EXPIRED"], "copy": ["FAILED"], "restore": ["FAILED", "ABORTED"]}
STUCK_HOURS = 3
# Created, ended, failed; scans cannot be listed by their creation.
SLICES_OF_SCANS = 2
SLICES = 3 * 3 + SLICES_OF_SCANS


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Of its own: a run finds every job of the last hours, whoever made it fail."""
    with running_lab("reconcile-lab.log") as lab:
        Guardian(lab).set_watching(False)
        yield lab


@pytest.fixture(autouse=True)
def nothing_left(settled: None, inbox: Inbox, guardian: Guardian) -> None:
    """What earlier tests let happen unannounced is told of before: a run finds every job of the last hours."""
    guardian.reconcile()
    guardian.let_a_minute_pass()
    guardian.forget_what_was_put_off()
    inbox.drain()


@pytest.fixture
def silent(lab: Lab, inbox: Inbox) -> Iterator[None]:
    """Every event is lost on its way."""
    lab.control("bus", {"drop": 1.0})
    yield
    lab.control("bus", {})


class Place:
    """An account and a Region with what jobs need: a vault, a volume, a recovery point."""

    def __init__(self, lab: Lab, account: str, region: str) -> None:
        self.lab, self.account, self.region = lab, account, region
        self.backup = lab.client(account, "backup", region)
        self.role = JOB_ROLE.format(account=account)
        self.vault = lab.unique("reconcile")
        self.vault_arn = self.backup.create_backup_vault(BackupVaultName=self.vault)["BackupVaultArn"]
        volume = lab.client(account, "ec2", region).create_volume(AvailabilityZone=f"{region}a", Size=1)
        self.volume = f"arn:aws:ec2:{region}:{account}:volume/{volume['VolumeId']}"
        done = self._back_up()
        lab.idle()
        self.point = self.backup.describe_backup_job(BackupJobId=done)["RecoveryPointArn"]

    def _back_up(self) -> str:
        return self.backup.start_backup_job(BackupVaultName=self.vault, ResourceArn=self.volume, IamRoleArn=self.role)[
            "BackupJobId"
        ]

    def run(self, job_type: str, state: str, message: str | None) -> str:
        """A job that ends so; its id in lower case."""
        wish = {"account_id": self.account, "region": self.region, "job_type": job_type, "state": state}
        self.lab.control("next-job", {**wish, **({"status_message": message} if message else {})})
        if job_type == "backup":
            job = self._back_up()
        elif job_type == "copy":
            job = self.backup.start_copy_job(
                RecoveryPointArn=self.point,
                SourceBackupVaultName=self.vault,
                DestinationBackupVaultArn=self.vault_arn,
                IamRoleArn=self.role,
            )["CopyJobId"]
        else:
            job = self.backup.start_restore_job(
                RecoveryPointArn=self.point, Metadata={"encrypted": "false"}, IamRoleArn=self.role
            )["RestoreJobId"]
        self.lab.idle()
        return job.lower()


def fail_somewhere(lab: Lab, seed: int, count: int) -> dict[str, tuple[str, str, str, str]]:
    """Jobs that fail in several accounts, Regions, kinds and ways; id to (account, Region, kind, state)."""
    chance = random.Random(seed)
    places = [Place(lab, account, region) for account in lab.accounts["sources"] for region in lab.info["regions"]]
    places.append(Place(lab, lab.backup, lab.region))
    found = {}
    for n in range(count):
        place = places[n % len(places)]
        job_type = chance.choice(sorted(STATES))
        state = chance.choice(STATES[job_type])
        message = chance.choice([None, "Insufficient privileges", "Given key ID is not accessible", "Something new"])
        found[place.run(job_type, state, message)] = (place.account, place.region, job_type, state)
    return found


def members(guardian: Guardian) -> dict[str, Json]:
    """Every job of every incident, by its id."""
    items = guardian.items(guardian.table)
    return {
        item["sk"].rsplit("#", 1)[-1]: item
        for item in items
        if item["pk"].startswith("incident#") and item["sk"] != "head"
    }


def claims(guardian: Guardian) -> dict[str, list[str]]:
    """The parts of every claim on a job, by its id."""
    parts = (item["pk"].split("#") for item in guardian.items(guardian.table) if item["pk"].startswith("claim#"))
    return {part[4]: part for part in parts}


def told(alerts: list[Json]) -> set[str]:
    return {job["job_id"] for alert in alerts for job in alert["jobs"]}


def spoken_of(alerts: list[Json]) -> set[str]:
    """The incidents that people heard of, alone or in a digest."""
    digests = [line["incident_id"] for alert in alerts for line in alert.get("incidents", [])]
    return {alert["incident_id"] for alert in alerts}.union(digests)


@pytest.mark.usefixtures("clock")
def test_with_every_event_lost_every_failed_job_is_told_within_one_run(
    lab: Lab, inbox: Inbox, guardian: Guardian, silent: None
) -> None:
    failed = fail_somewhere(lab, SEED, JOBS)
    assert len({job[:3] for job in failed.values()}) > 10, "too much alike to show anything"
    assert inbox.drain() == [] and not failed.keys() & claims(guardian).keys(), "an event got through"
    calls = guardian.requests(guardian.reconcile, function=RECONCILE)
    alerts = inbox.drain()
    # Alerted: each job is a member of an incident, and each incident was told; what would have been too much in one second comes in a digest.
    kept = members(guardian)
    assert failed.keys() <= kept.keys()
    incidents = {kept[job_id]["pk"].split("#")[1] for job_id in failed}
    passed = 0
    while passed < PERIOD_SECONDS and not incidents <= spoken_of(alerts):
        lab.control("clock", {"advance_seconds": DIGEST_SECONDS})
        passed += DIGEST_SECONDS
        alerts += inbox.drain()
    kinds = dict(Counter(alert["kind"] for alert in alerts))
    print(f"{JOBS} jobs, {len(incidents)} incidents: messages {kinds}, the last {passed} s after the run")
    assert passed < PERIOD_SECONDS, "not told within the period"
    claimed = claims(guardian)
    for job_id, (account, region, job_type, state) in failed.items():
        assert claimed[job_id] == ["claim", account, region, job_type, job_id, state]
    assert told(alerts) <= failed.keys()
    assert guardian.dead_letters() == [] and guardian.dead_letters(RECONCILE) == []
    # The lists of the organization show every account, so that only for scans each account is asked.
    asked = {(call["operation"], call["account_id"]) for call in calls if call["operation"].startswith("List")}
    assert {account for operation, account in asked if operation == "ListCopyJobs"} == {lab.management}
    # What was told is not told again.
    calls = guardian.requests(guardian.reconcile, function=RECONCILE)
    assert inbox.drain() == []
    assert not [call for call in calls if call["operation"].startswith("SendMessage")], "handed over again"
    # What README.md states as the cost: the organization's lists, and for scans, which nobody has, each account.
    lists = [
        call["operation"] for call in calls if call["operation"].startswith("List") and "Jobs" in call["operation"]
    ]
    regions, accounts = len(lab.info["regions"]), 3 + len(lab.accounts["sources"])
    # Many jobs are several pages.
    assert SOAK or len(lists) == regions * SLICES + regions * accounts * SLICES_OF_SCANS


def test_what_an_event_announced_is_not_handed_over_again(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    route = failing_route(lab)
    route.copy()
    assert len(inbox.drain()) == 1
    before = guardian.counts(RECONCILE)
    guardian.reconcile()
    assert inbox.drain() == []
    assert guardian.counts(RECONCILE).get(("handed", "copy"), 0) == before.get(("handed", "copy"), 0)


def test_where_the_organization_shows_nothing_each_account_is_asked(
    lab: Lab, inbox: Inbox, guardian: Guardian, silent: None
) -> None:
    route = failing_route(lab)
    with guardian.configured(RECONCILE, GUARDIAN_ORGANIZATION_ROLE_ARN="", GUARDIAN_BACKUP_ACCOUNT_IDS=route.source):
        lab.control("bus", {"drop": 1.0})
        job = route.copy()["CopyJobId"].lower()
        calls = guardian.requests(guardian.reconcile, function=RECONCILE, operation="ListCopyJobs")
    assert {call["account_id"] for call in calls} == {route.source, lab.guardian}
    assert job in told(inbox.drain())


def test_a_copy_that_does_not_begin_is_told_of_once(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    route = ebs_route(lab)
    route.back_up()
    lab.control("clock", {"advance_seconds": -STUCK_HOURS * 3600})
    try:
        lab.control("next-job", {"job_type": "copy", "state": "CREATED", "account_id": route.source})
        job = route.copy()
    finally:
        lab.control("clock", {"advance_seconds": STUCK_HOURS * 3600})
    assert job["State"] == "CREATED"
    guardian.reconcile()
    (alert,) = [alert for alert in inbox.drain() if told([alert]) == {job["CopyJobId"].lower()}]
    assert alert["jobs"][0]["state"] == "CREATED"
    guardian.reconcile()
    assert inbox.drain() == []


def test_an_account_that_cannot_be_read_is_told_when_it_begins(
    lab: Lab, guardian: Guardian, operations: Operations
) -> None:
    stranger = "999999999999"
    with guardian.configured(RECONCILE, GUARDIAN_ORGANIZATION_ROLE_ARN="", GUARDIAN_BACKUP_ACCOUNT_IDS=stranger):
        guardian.reconcile()
        (first,) = operations.drain()
        assert stranger in first and "sts:AssumeRole" in first
        guardian.reconcile()
        assert operations.drain() == [], "not at every run"


@pytest.mark.parametrize("fault", ["throttle", "error500"])
def test_lists_that_fail_for_a_while_lose_nothing(
    lab: Lab, inbox: Inbox, guardian: Guardian, silent: None, fault: str
) -> None:
    route = failing_route(lab)
    lab.control("bus", {"drop": 1.0})
    job = route.copy()["CopyJobId"].lower()
    # As often as the SDK itself tries.
    guardian.fault(fault, function=RECONCILE, operation="ListCopyJobs", times=3)
    guardian.begin_to_reconcile()
    assert guardian.met() == 3 and job not in claims(guardian)
    left = int(guardian.queue_attributes(RECONCILE)["ApproximateNumberOfMessagesDelayed"])
    assert left >= 1, "what could not be listed must wait for its next turn"
    guardian.go_on_reconciling()
    assert job in claims(guardian)
    assert job in told(inbox.drain())
