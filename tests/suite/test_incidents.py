"""`guardian incidents` against the lab, as people of the guardian account run it."""

from __future__ import annotations

import json

import pytest

from .command import COULD_NOT_TELL, FINDING, FINE, USAGE, Ended, guardian
from .guardian import Guardian
from .organization import Inbox, Json, Lab, failing_route
from .test_lifecycle import later, mend, only
from .test_quiet import Vault


def incidents(lab: Lab, *arguments: str, **environment: str) -> Ended:
    place = {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_REGION": lab.region}
    return guardian("incidents", *arguments, environment=place | environment)


def listed(lab: Lab) -> dict[str, Json]:
    ended = incidents(lab, "list", "--format", "json")
    assert ended.code in (FINE, FINDING), ended.err
    return {incident["incident_id"]: incident for incident in json.loads(ended.out)["incidents"]}


def test_what_is_open_is_listed_shown_and_taken_on(lab: Lab, inbox: Inbox) -> None:
    route = failing_route(lab)
    job = route.copy()
    alert = only(inbox.drain())
    id = alert["incident_id"]
    entry = listed(lab)[id]
    assert (entry["cause"], entry["jobs_total"], entry["resources_open"]) == (alert["cause"], 1, 1)
    assert entry["title"] == alert["title"] and "acknowledged" not in entry

    text = incidents(lab, "list")
    assert text.code == FINDING and id in text.out and alert["cause"] in text.out
    shown = incidents(lab, "show", id)
    assert shown.code == FINDING and "PATCH" in shown.out and job["CopyJobId"].lower() in shown.out
    whole = json.loads(incidents(lab, "show", id, "--format", "json").out)
    assert whole["alert"]["patch"] == alert["patch"]
    assert whole["jobs"] == [f"{route.source}/{route.source_region}/copy/{job['CopyJobId'].lower()}"]

    taken = incidents(lab, "ack", id, "--owner", "sam", "--reason", "CHG-4711\x1b[31m", "--until", "8h")
    assert taken.code == FINE and id in taken.out, taken.err
    assert listed(lab)[id]["acknowledged"]["owner"] == "sam"
    assert "\x1b" not in incidents(lab, "list").out

    mend(route)
    route.copy()
    assert only(inbox.drain())["kind"] == "resolved"
    assert id not in listed(lab)
    over = incidents(lab, "show", id)
    assert over.code == FINE and "over since" in over.out
    late = incidents(lab, "ack", id, "--owner", "sam", "--reason", "r", "--until", "8h")
    assert late.code == USAGE and "is over" in late.err


@pytest.mark.usefixtures("clock")
def test_what_no_job_can_prove_is_closed_by_a_person_and_opened_by_the_next_failure(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    vault, bucket = Vault(lab), lab.unique("bucket")

    def interrupted() -> None:
        vault.notify("CONTINUOUS_BACKUP_INTERRUPTED", f"It happened. Resource ARN : arn:aws:s3:::{bucket}.")

    interrupted()
    alert = only(inbox.drain())
    id = alert["incident_id"]
    closed = incidents(lab, "close", id, "--owner", "sam\x1b[31m", "--reason", "begun anew, CHG-4711")
    assert closed.code == FINE and id in closed.out, closed.err
    entry = listed(lab)[id]
    assert (entry["closed"]["reason"], entry["closed"]["opening"]) == ("begun anew, CHG-4711", 1)
    shown = incidents(lab, "list").out
    assert "closed by sam" in shown and "\x1b" not in shown
    # Who said so first stays.
    assert incidents(lab, "close", id, "--owner", "kim", "--reason", "r").code == FINE
    assert "closed by sam" in incidents(lab, "show", id).out

    # The last message comes when somebody next comes back to the incident, which is within a quarter of an hour.
    later(lab, 15 * 60)
    over = only([each for each in inbox.drain() if each["incident_id"] == id])
    assert over["kind"] == "resolved" and over["title"].startswith("Closed: ")
    assert over["closed"]["reason"] == "begun anew, CHG-4711" and over["closed"]["owner"].startswith("sam")
    assert "proved_by" not in over and "uncopied_total" not in over.get("impact", {})
    assert id not in listed(lab)
    late = incidents(lab, "close", id, "--owner", "sam", "--reason", "r")
    assert late.code == USAGE and "is over" in late.err
    later(lab, 5 * 3600)
    assert [each for each in inbox.drain() if each["incident_id"] == id] == [], "and nothing after it"

    interrupted()
    again = only([each for each in inbox.drain() if each["incident_id"] == id])
    assert (again["kind"], again["jobs_total"]) == ("failure", 1)
    (head,) = [
        item for item in guardian.items(guardian.table) if (item["pk"], item["sk"]) == (f"incident#{id}", "head")
    ]
    kept = json.loads(head["life"])
    assert (kept["opening"], kept["closed"]["opening"], kept["closed"]["reason"]) == (2, 1, "begun anew, CHG-4711")
    assert "opened again since it was closed by sam" in incidents(lab, "show", id).out


def test_what_a_job_can_prove_is_not_closed_but_taken_on(lab: Lab, inbox: Inbox) -> None:
    route = failing_route(lab)
    route.copy()
    id = only(inbox.drain())["incident_id"]
    refused = incidents(lab, "close", id, "--owner", "sam", "--reason", "r")
    assert refused.code == USAGE and f"guardian incidents ack {id}" in refused.err and route.source in refused.err
    assert "closed" not in listed(lab)[id]
    for arguments in (("--owner", " ", "--reason", "r"), ("--owner", "sam", "--reason", "r" * 1001)):
        assert incidents(lab, "close", id, *arguments).code == USAGE


def test_errors_name_the_thing_and_the_remedy(lab: Lab) -> None:
    unknown = incidents(lab, "show", "bg-nothing")
    assert unknown.code == USAGE and "incidents list" in unknown.err
    table = Guardian(lab).table
    with Guardian(lab).without_table(table):
        gone = incidents(lab, "list")
    assert gone.code == COULD_NOT_TELL and table in gone.err
    nowhere = guardian("incidents", "list")
    assert nowhere.code == USAGE and "GUARDIAN_TABLE" in nowhere.err
