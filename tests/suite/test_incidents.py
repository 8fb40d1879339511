"""`guardian incidents` against the lab, as people of the guardian account run it."""

from __future__ import annotations

import json

from .command import COULD_NOT_TELL, FINDING, FINE, USAGE, Ended, guardian
from .organization import Inbox, Json, Lab, failing_route
from .test_lifecycle import mend, only


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


def test_errors_name_the_thing_and_the_remedy(lab: Lab) -> None:
    unknown = incidents(lab, "show", "bg-nothing")
    assert unknown.code == USAGE and "incidents list" in unknown.err
    gone = incidents(lab, "list", "--table", "no-such-table")
    assert gone.code == COULD_NOT_TELL and "no-such-table" in gone.err
    nowhere = guardian("incidents", "list")
    assert nowhere.code == USAGE and "GUARDIAN_TABLE" in nowhere.err
