"""What happens to an incident after its first message: late evidence, more jobs, and the job that proves the end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from .guardian import LOOKUP, Guardian
from .organization import (
    SLR,
    Inbox,
    Json,
    Lab,
    Route,
    ebs_route,
    failing_route,
    grant_statement,
    key_policy,
    use_statement,
)
from .terminal import Terminal

LATE_SECONDS = 300


def mend(route: Route) -> None:
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr), grant_statement(slr)))


def only(alerts: list[Json]) -> Json:
    assert len(alerts) == 1, [alert["title"] for alert in alerts]
    return alerts[0]


def about(alert: Json, inbox: Inbox) -> list[Json]:
    """What was said about the same incident."""
    return [each for each in inbox.drain() if each["incident_id"] == alert["incident_id"]]


def later(lab: Lab, seconds: int) -> None:
    lab.control("clock", {"advance_seconds": seconds})
    lab.idle()


@pytest.mark.usefixtures("unhurried", "clock")
def test_evidence_that_is_late_upgrades_the_verdict_and_a_job_ends_the_incident(lab: Lab, inbox: Inbox) -> None:
    lab.control("cloudtrail-delay", {"lookup_seconds": LATE_SECONDS, "event_seconds": LATE_SECONDS})
    route = failing_route(lab)
    route.copy()
    first = only(inbox.drain())
    assert (first["kind"], first["cause"]) == ("failure", "kms-key-policy-missing-destination")
    assert first["certainty"] == "supported", "the policies alone refuse the call"

    later(lab, LATE_SECONDS + 1)
    surer = only(about(first, inbox))
    assert (surer["kind"], surer["certainty"]) == ("upgrade", "proven")
    assert surer["incident_id"] == first["incident_id"] and surer["opened_at"]
    assert surer["denied"]["recorded_in"] == lab.backup

    later(lab, LATE_SECONDS + 1)
    later(lab, 2 * LATE_SECONDS + 1)
    assert about(first, inbox) == [], "nothing is surer than proven"

    mend(route)
    job = route.copy()
    assert job["State"] == "COMPLETED"
    over = only(about(first, inbox))
    assert over["kind"] == "resolved"
    assert over["proved_by"]["job_id"] == job["CopyJobId"].lower()
    assert over["proved_by"]["state"] == "COMPLETED"
    assert "patch" not in over and over["next_steps"] == []


@pytest.mark.usefixtures("unhurried", "clock")
def test_all_jobs_of_an_incident_are_listed_in_a_report(lab: Lab, inbox: Inbox) -> None:
    lab.control("cloudtrail-delay", {"lookup_seconds": LATE_SECONDS, "event_seconds": LATE_SECONDS})
    route = failing_route(lab)
    ids = {route.copy()["CopyJobId"].lower() for _ in range(3)}
    first = only(inbox.drain())
    assert "report_uri" not in first, "nothing is promised that is not written yet"
    later(lab, LATE_SECONDS + 1)
    surer = only(about(first, inbox))
    assert surer["kind"] == "upgrade" and surer["jobs_total"] == 3

    bucket, _, key = surer["report_uri"].removeprefix("s3://").partition("/")
    # As whoever gets the message may.
    s3 = Terminal(lab).client("s3")
    read = lambda: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())  # noqa: E731
    (listed,) = read()["incidents"]
    assert listed["incident_id"] == first["incident_id"] and listed["cause"] == first["cause"]
    assert {(job["account_id"], job["job_type"], job["job_id"]) for job in listed["jobs"]} == {
        (route.source, "copy", id) for id in ids
    }

    mend(route)
    route.copy()
    over = only(about(first, inbox))
    assert (over["kind"], over["report_uri"]) == ("resolved", surer["report_uri"])
    later(lab, LATE_SECONDS + 1)
    assert read()["incidents"][0]["resolved_at"], "the last word is in the report, too"


def test_another_key_in_the_same_vaults_proves_nothing(lab: Lab, inbox: Inbox) -> None:
    route = failing_route(lab)
    route.copy()
    first = only(inbox.drain())
    vaults = {
        name: getattr(route, name) for name in ("vault", "vault_key_arn", "destination_vault", "destination_vault_arn")
    }
    other = replace(ebs_route(lab), **vaults, jobs=[])
    other.back_up()
    assert other.copy()["State"] == "COMPLETED"
    assert inbox.drain() == []

    # Another volume under the mended key does, since nothing else differs.
    mend(route)
    twin = replace(ebs_route(lab), **vaults, key_arn=route.key_arn, jobs=[])
    ec2 = lab.client(route.source, "ec2", route.source_region)
    volume = ec2.create_volume(
        AvailabilityZone=f"{route.source_region}a", Size=1, Encrypted=True, KmsKeyId=route.key_arn
    )
    account, region = route.source, route.source_region
    twin.resource_arn = f"arn:aws:ec2:{region}:{account}:volume/{volume['VolumeId']}"
    twin.back_up()
    assert twin.copy()["State"] == "COMPLETED"
    over = only(inbox.drain())
    assert (over["kind"], over["incident_id"]) == ("resolved", first["incident_id"])


def test_what_breaks_again_is_told_again(lab: Lab, inbox: Inbox) -> None:
    route = failing_route(lab)
    route.copy()
    first = only(inbox.drain())
    mend(route)
    route.copy()
    assert only(inbox.drain())["kind"] == "resolved"
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    route.copy()
    again = only(inbox.drain())
    assert (again["kind"], again["incident_id"], again["jobs_total"]) == ("failure", first["incident_id"], 1)


def test_the_next_jobs_of_a_known_incident_are_not_searched_for(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    route = failing_route(lab)
    assert guardian.requests(route.copy, operation=LOOKUP) != []
    assert len(inbox.drain()) == 1
    assert guardian.requests(route.copy, operation=LOOKUP) == []
    assert inbox.drain() == []


def test_a_good_copy_is_remembered_for_the_next_failure(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    route.back_up()
    good = route.copy()
    assert good["State"] == "COMPLETED" and inbox.drain() == []
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    route.copy()
    alert = only(inbox.drain())
    assert alert["impact"]["last_good_copy_at"][:16] == good["CompletionDate"].strftime("%Y-%m-%dT%H:%M")
    assert alert["impact"]["uncopied_total"] == 1
