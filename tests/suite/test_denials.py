"""Refusals that CloudTrail sends as events: kept by `collect-denials`, and used by a diagnosis that then need not search."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from .guardian import COLLECT, DIAGNOSE, LOOKUP, Guardian
from .organization import ROOT, SLR, Inbox, Lab, ebs_route, failing_route, key_policy

EVENTS = ROOT / "tests" / "events"
KINDS = {
    "access-denied",
    "key-disabled",
    "key-invalid-state",
    "not-found",
    "key-not-accessible",
    "grant-lost",
    "other",
}


def names_a_role(record: dict[str, Any]) -> bool:
    """Whether a record says whose refusal it is. The owner of a key sees failures of strangers without a role."""
    return "sessionContext" in record["userIdentity"] or record["eventName"] == "AssumeRole"


def test_a_refusal_of_every_class_is_kept_once_however_often_it_arrives(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    files = {
        line["file"]: json.loads((EVENTS / line["file"]).read_text())
        for line in json.loads((EVENTS / "index.json").read_text())
        if line["file"].startswith("cloudtrail/") and line["expect"] in ("denial", "write", "trail")
    }
    refused = {
        file for file, event in files.items() if event["detail"].get("errorCode") and names_a_role(event["detail"])
    }
    assert len(refused) > 20
    guardian.send(*(json.dumps(event) for event in [*files.values(), *files.values()]), function=COLLECT)
    lab.idle()
    by_event = {file: [] for file in files}
    for denial in guardian.denials():
        for file, event in files.items():
            if event["detail"]["eventID"] == denial["event_id"]:
                by_event[file].append(denial)
    assert {file for file, kept in by_event.items() if kept} == refused
    # One event name of KMS stands for two actions on two keys; where the record does not say which, both are kept.
    assert {file for file, kept in by_event.items() if len(kept) > 1} == {"cloudtrail/re-encrypt-without-message.json"}
    assert {denial["kind"] for kept in by_event.values() for denial in kept} == KINDS
    assert guardian.waiting(COLLECT) == 0 and guardian.dead_letters(COLLECT) == []


def test_the_refusals_of_failing_copies_arrive_over_the_deployed_rules(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    routes = {kind: ebs_route(lab) for kind in ("policy", "disabled", "pending", "vault")}
    for route in routes.values():
        route.back_up()
    routes["policy"].put_key_policy(key_policy(lab.source))
    kms = lab.client(lab.source, "kms")
    kms.disable_key(KeyId=routes["disabled"].key_arn)
    kms.schedule_key_deletion(KeyId=routes["pending"].key_arn, PendingWindowInDays=7)
    routes["vault"].put_vault_policy(None)
    before = {denial["event_id"] for denial in guardian.denials()}
    for route in routes.values():
        assert route.copy()["State"] == "FAILED"
    kept = [denial for denial in guardian.denials() if denial["event_id"] not in before]
    resources = {denial.get("resource"): denial["kind"] for denial in kept}
    assert resources.get(routes["policy"].key_arn) == "access-denied"
    assert resources.get(routes["disabled"].key_arn) == "key-disabled"
    assert resources.get(routes["pending"].key_arn) == "key-invalid-state"
    assert resources.get(routes["vault"].destination_vault_arn) == "access-denied"


@pytest.mark.usefixtures("unhurried")
def test_a_kept_denial_is_used_and_cloudtrail_is_not_searched_for_it(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    route = failing_route(lab)
    # The event history would not have it yet.
    lab.control("cloudtrail-delay", {"lookup_seconds": 3600, "event_seconds": 0})

    def denial_before_job() -> None:
        with guardian.stopped(DIAGNOSE):
            route.copy()
            lab.idle()

    lookups = guardian.requests(denial_before_job, operation=LOOKUP)
    (alert,) = inbox.drain()
    assert alert["denied"]["principal"] == SLR.format(account=lab.backup)
    assert alert["denied"]["recorded_in"] == lab.backup
    assert alert["denied"]["event_id"] in {denial["event_id"] for denial in guardian.denials()}
    assert alert["certainty"] in ("supported", "proven")
    # In the account of the key it is asked who changed the key, which no denial tells; the denial is looked for nowhere.
    assert {call["account_id"] for call in lookups} <= {lab.source}


@pytest.mark.usefixtures("settled")
def test_a_job_role_that_was_refused_to_aws_backup_is_named(lab: Lab, inbox: Inbox, guardian: Guardian) -> None:
    route = ebs_route(lab)
    route.back_up()
    name = lab.unique("untrusting")
    nobody = {"Version": "2012-10-17", "Statement": []}
    iam = lab.client(lab.source, "iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(nobody))["Role"]["Arn"]
    route.job_role_arn = role
    # What CloudTrail records of it; the lab does not. https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    text = (EVENTS / "cloudtrail" / "assume-role-denied.json").read_text()
    event = json.loads(text.replace("arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole", role))
    event["detail"] |= {"eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "eventID": lab.unique("refused")}
    with guardian.stopped(DIAGNOSE):
        assert route.copy()["State"] == "FAILED"
        guardian.send(json.dumps(event), function=COLLECT)
        lab.idle()
    (alert,) = inbox.drain()
    assert (alert["cause"], alert["certainty"]) == ("backup-role-not-assumable", "supported")
    assert (alert["denied"]["action"], alert["denied"]["resource"]) == ("sts:AssumeRole", role)
    assert alert["act_in"]["account_id"] == lab.source
