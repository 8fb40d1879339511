"""Everything may come twice, at once, or be cut off in the middle: one message per cause all the same, and none is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from .guardian import COLLECT, DIAGNOSE, LOOKUP, Guardian
from .organization import Inbox, Json, Lab, Route, failing_route

# Calls that change nothing, by how their names begin.
READS = ("AssumeRole", "BatchGet", "Describe", "Get", "List", "Lookup", "Query", "Scan")
KILLS = ("kill-before", "kill-after")


def jobs_of(alert: Json) -> list[str]:
    return [job["job_id"] for job in alert["jobs"]]


# -- killed in the middle ------------------------------------------------------------------------------------------------


def mutating_calls(calls: list[Json]) -> list[tuple[str, str, int]]:
    """The calls that change something, in their order: service, operation, and which of its kind it is."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for call in calls:
        name = (call["service"], call["operation"])
        if not name[1].startswith(READS):
            seen[name] += 1
            found.append((*name, seen[name]))
    return found


def kill_at(lab: Lab, guardian: Guardian, route: Route, kill: str, call: tuple[str, str, int]) -> None:
    """Starts a copy whose diagnosis ends with SIGKILL at one call; what it worked on is held back."""
    service, operation, nth = call
    guardian.well()
    guardian.let_a_minute_pass()
    guardian.fault(kill, service=service, operation=operation, nth=nth)
    route.start_copy()
    lab.idle()
    assert guardian.met() == 1, f"{kill} {call}: the call was not made, so this shows nothing"


@pytest.mark.usefixtures("settled")
def test_killed_before_and_after_every_call_the_alert_comes_and_is_repeated_at_most_once(
    lab: Lab, inbox: Inbox, guardian: Guardian, subtests: pytest.Subtests
) -> None:
    # No denial arrives in between, so that every run makes the same calls.
    lab.control("cloudtrail-delay", {"lookup_seconds": 3600, "event_seconds": 3600})
    calls = mutating_calls(guardian.requests(failing_route(lab).copy))
    assert ("sns", "Publish", 1) in calls and len(calls) >= 6, calls
    inbox.drain()
    points = [(kill, call) for call in calls for kill in KILLS]
    routes = [failing_route(lab) for _ in points]
    guardian.hold_retries()
    for (kill, call), route in zip(points, routes, strict=True):
        kill_at(lab, guardian, route, kill, call)
    guardian.well()
    # A message comes again after the visibility timeout, when the leases of the dead are over.
    guardian.let_leases_end()
    guardian.let_a_minute_pass()
    guardian.bring_retries()
    alerts = inbox.drain()
    for (kill, call), route in zip(points, routes, strict=True):
        with subtests.test(f"{kill} {call}"):
            told = [alert for alert in alerts if set(jobs_of(alert)) & job_ids(route)]
            # Only an alert that was sent and is not recorded as sent may come again.
            assert len(told) in ((1, 2) if (kill, call) in repeatable(calls) else (1,))
            assert len({alert["incident_id"] for alert in told}) == 1
    assert guardian.waiting() == 0 and guardian.dead_letters() == []
    for route in routes:
        route.start_copy()
    assert inbox.drain() == [], "an incident is not recorded"


def job_ids(route: Route) -> set[str]:
    return {job.lower() for job in route.jobs}


def repeatable(calls: list[tuple[str, str, int]]) -> set[tuple[str, tuple[str, str, int]]]:
    """From the moment the topic has the alert until the incident says so; in between somebody is asked to look at it later, and the message is
    kept for those that follow."""
    published = calls.index(("sns", "Publish", 1))
    arranged, kept, recorded = calls[published + 1 : published + 4]
    between = {(kill, call) for kill in KILLS for call in (arranged, kept)}
    return {("kill-after", calls[published]), *between, ("kill-before", recorded)}


def test_killed_while_it_takes_its_turn_at_cloudtrail_the_alert_comes_once(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    for kill in KILLS:
        route = failing_route(lab)
        guardian.hold_retries()
        # The first UpdateItem of a diagnosis is its turn.
        kill_at(lab, guardian, route, kill, ("dynamodb", "UpdateItem", 1))
        guardian.well()
        guardian.let_leases_end()
        guardian.bring_retries()
        alerts = inbox.drain()
        assert [jobs_of(alert) for alert in alerts] == [[job] for job in job_ids(route)], kill


def test_killed_while_it_keeps_a_denial_the_denial_is_kept_once(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    for kill in KILLS:
        before = {denial["event_id"] for denial in guardian.denials()}
        route = failing_route(lab)
        guardian.hold_retries()
        guardian.well()
        guardian.fault(kill, function=COLLECT, operation="BatchWriteItem", nth=1)
        route.copy()
        assert guardian.met() == 1
        guardian.bring_retries()
        lab.idle()
        kept = [denial for denial in guardian.denials() if denial["event_id"] not in before]
        assert [denial["action"] for denial in kept] == ["kms:CreateGrant"], kill
        assert guardian.waiting(COLLECT) == 0 and guardian.dead_letters(COLLECT) == []


# -- twice, and many at once ---------------------------------------------------------------------------------------------


def test_an_event_that_is_delivered_again_and_again_is_told_once(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    route = failing_route(lab)
    lab.control("bus", {"duplicate": 4})
    before = lab.control("health")["bus"]["delivered"]
    route.copy()
    alerts = inbox.drain()
    assert lab.control("health")["bus"]["delivered"] - before >= 25, "five copies on each of two buses"
    assert [jobs_of(alert) for alert in alerts] == [list(job_ids(route))]
    assert guardian.dead_letters() == []


@pytest.mark.usefixtures("settled")
def test_twenty_copies_that_fail_for_one_key_are_one_message_and_all_recorded(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    route = failing_route(lab)
    with guardian.stopped(DIAGNOSE):
        for _ in range(20):
            route.start_copy()
        lab.idle()
    (alert,) = inbox.drain()
    members = {
        item["sk"] for item in guardian.items(guardian.table) if item["pk"] == f"incident#{alert['incident_id']}"
    }
    assert {member.rsplit("#", 1)[-1] for member in members if member.startswith("job#")} == job_ids(route)
    assert guardian.dead_letters() == []


@pytest.mark.usefixtures("settled")
def test_two_keys_are_two_messages(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    routes = [failing_route(lab), failing_route(lab)]
    with guardian.stopped(DIAGNOSE):
        for route in routes:
            route.start_copy()
            route.start_copy()
        lab.idle()
    alerts = inbox.drain()
    assert len(alerts) == 2
    assert {alert["act_in"]["resource_arn"] for alert in alerts} == {route.key_arn for route in routes}


def test_many_diagnoses_at_once_take_turns_at_the_lookups_of_an_account(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    """That the turns keep two calls a second is shown on a clock of its own; here, that all instances take them from one table."""
    routes = [failing_route(lab) for _ in range(10)]
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})

    def all_at_once() -> None:
        with guardian.stopped(DIAGNOSE):
            for route in routes:
                route.start_copy()
            lab.idle()

    lookups = guardian.requests(all_at_once, operation=LOOKUP)
    alerts = inbox.drain()
    assert {job for alert in alerts for job in jobs_of(alert)} == {job for route in routes for job in job_ids(route)}
    assert len(alerts) == len(routes)
    assert len(lab.control("health")["processes"][DIAGNOSE]) > 1, "one process alone shares with nobody"
    places = {f"turns#{call['account_id']}#{call['region']}" for call in lookups}
    assert places, "nobody looked anything up"
    assert places <= {item["pk"] for item in guardian.items(guardian.table)}
    for alert in alerts:
        assert alert["certainty"] in ("supported", "proven") or unseen(alert), "neither found nor said to be missing"


def unseen(alert: dict[str, Any]) -> bool:
    return any(gap["action"] == f"cloudtrail:{LOOKUP}" for gap in alert["gaps"])
