"""Whatever carries an alert is missed when it is gone: each part of template.yaml is taken away, deployed, and somebody notices, by name.

Together with others that hide nothing of it, and a sample alone; `GUARDIAN_SOAK=1` takes each of them away alone. A `refusal` is the part of a policy
that keeps plain HTTP out.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from lab import stacks

from .noticing import ON_CALL, PLATFORM, Watched
from .organization import ROOT, Json, Lab, running_lab
from .removals import Removal, named, removals

INTACT: Json = stacks.read(ROOT / "template.yaml")
ALL = removals(INTACT)
PARAMETERS = {"AlertEmail": ON_CALL, "OperationsEmail": PLATFORM, "ChatTopic": "yes"}
ONE_ADDRESS = {**PARAMETERS, "OperationsEmail": ""}
SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
ALONE = ALL if SOAK else random.Random(2021).sample(ALL, 3)


@dataclass
class Group:
    """Removals that hide nothing of each other, and are deployed together."""

    name: str
    tours: tuple[str, ...]
    parameters: Json = field(default_factory=lambda: PARAMETERS)
    removals: list[Removal] = field(default_factory=list)


GROUPS = {
    group.name: group
    for group in (
        Group("targets", ("check",)),
        Group("dead letters of targets", ("check",)),
        Group("rules", ("flows",)),
        Group("sources", ("flows",)),
        Group("permissions of queues", ("flows", "undelivered")),
        Group("permissions of rules", ("flows", "undelivered")),
        Group("dead-letter queues", ("dead_letters", "undelivered")),
        Group("redrives", ("dead_letters",)),
        Group("alarms and refusals", ("alarms", "plain_http")),
        Group("listeners of alarms", ("alarms",)),
        Group("listeners of ends, and mail", ("alarms", "mail")),
        Group("the bus, and who hears alarms", ("check", "flows")),
        Group("the owner of the key", ("check",)),
        Group("services that use the key, and the only address", ("heartbeat", "flows", "mail"), ONE_ADDRESS),
    )
}


def group_of(removal: Removal) -> str:
    match removal.kind, removal.of, removal.part:
        case "target", _, _:
            return "targets"
        case "target's dead letters", _, _:
            return "dead letters of targets"
        case "rule", _, _:
            return "rules"
        case "source", _, _:
            return "sources"
        case "permission", ("HubBusPolicy" | "OperationsTopicPolicy"), _:
            return "the bus, and who hears alarms"
        case "permission", _, _:
            return "permissions of queues"
        case "permission of a rule", _, _:
            return "permissions of rules"
        case "dead-letter queue", _, _:
            return "dead-letter queues"
        case "redrive", _, _:
            return "redrives"
        case (("alarm" | "refusal"), _, _):
            return "alarms and refusals"
        case "alarm's listener", _, "AlarmActions":
            return "listeners of alarms"
        case "alarm's listener", _, "OKActions":
            return "listeners of ends, and mail"
        case "subscription", "OperationsTopic", "HasAlertEmail":
            return "services that use the key, and the only address"
        case "subscription", _, _:
            return "listeners of ends, and mail"
        case "key permission", _, "AccountDecidesByIam":
            return "the owner of the key"
        case "key permission", _, _:
            return "services that use the key, and the only address"
    raise LookupError(f"nobody has said how `{removal.name}` is noticed")


for each in ALL:
    GROUPS[group_of(each)].removals.append(each)


# -- what is missed ----------------------------------------------------------------------------------------------------


def resource(name: str) -> Json:
    return INTACT["Resources"][name]["Properties"]


def queue_of(policy: str) -> str:
    (queue,) = named(resource(policy)["Queues"])
    return queue


def rules_into(queue: str) -> set[str]:
    rules = (name for name, body in INTACT["Resources"].items() if body["Type"] == "AWS::Events::Rule")
    return {name for name in rules if any(queue in named(target["Arn"]) for target in resource(name)["Targets"])}


def trouble_of(alarm: str) -> str:
    properties = resource(alarm)
    (dimension,) = properties["Dimensions"]
    of = named(dimension["Value"]) or {dimension["Value"]}
    return f"{properties['MetricName']} of {' '.join(of)}"


def missed(removal: Removal) -> set[str]:
    """Names that a tour must not bring any more: `<tour>: <name>`."""
    match removal.kind, removal.of, removal.part:
        case "rule", rule, _:
            return {f"flows: {rule}"}
        case "source", function, event:
            queue = " ".join(named(resource(function)["Events"][event]["Properties"]["Queue"]))
            return {f"flows: {way}" for way in rules_into(queue) or {queue}}
        case "permission", "HubBusPolicy", _:
            return {f"flows: {rule}" for rule in rules_of_the_hub()}
        case "permission", "UndeliveredEventsQueuePolicy", _:
            return {f"undelivered: {rule}" for rule in all_rules()}
        case "permission", policy, _ if policy.endswith("QueuePolicy"):
            return {f"flows: {way}" for way in rules_into(queue_of(policy)) or {queue_of(policy)}}
        case "permission of a rule", "UndeliveredEventsQueuePolicy", rule:
            return {f"undelivered: {rule}"}
        case "permission of a rule", _, rule:
            return {f"flows: {rule}"}
        case "dead-letter queue", "UndeliveredEventsQueue", _:
            return {f"undelivered: {rule}" for rule in all_rules()}
        case "dead-letter queue", queue, _:
            works = (name for name, body in INTACT["Resources"].items() if body["Type"] == "AWS::SQS::Queue")
            return {
                f"dead_letters: {name}" for name in works if queue in named(resource(name).get("RedrivePolicy", {}))
            }
        case "redrive", queue, _:
            return {f"dead_letters: {queue}"}
        case "alarm", alarm, _:
            return {f"alarms: {trouble_of(alarm)} begins"}
        case "alarm's listener", alarm, "AlarmActions":
            return {f"alarms: {trouble_of(alarm)} begins"}
        case "alarm's listener", alarm, "OKActions":
            return {f"alarms: {trouble_of(alarm)} ends"}
        case "refusal", policy, _:
            return {f"plain_http: {policy}"}
        case "subscription", "AlertTopic", _:
            return {f"mail: alerts to {ON_CALL}"}
        case "subscription", "OperationsTopic", "HasOperationsEmail":
            return {f"mail: operations to {PLATFORM}"}
        case "subscription", "OperationsTopic", _:
            return {f"mail: operations to {ON_CALL}"}
        case "key permission", _, "EventBridgeWritesToTheQueues":
            return {f"flows: {rule}" for rule in rules_of_the_hub()}
        case "key permission", _, "LogsOfTheFunctions":
            return {"heartbeat: LogsOfTheFunctions"}
    return set()


def said(removal: Removal) -> list[str]:
    """Words of `check-alarm-path` that name what is gone."""
    match removal.kind, removal.of, removal.part:
        case "target", rule, _:
            return [f"the rule {resource(rule)['Name']} of account", "does not send to"]
        case "target's dead letters", rule, _:
            return [f"the rule {resource(rule)['Name']} of account", "has no dead-letter queue"]
        case "permission", "OperationsTopicPolicy", _:
            return ["the operations topic refuses what CloudWatch alarms would send"]
        case "key permission", _, "AccountDecidesByIam":
            return ["the key of the alert topic could not be checked: kms:DescribeKey of account"]
    return []


def all_rules() -> set[str]:
    return {name for name, body in INTACT["Resources"].items() if body["Type"] == "AWS::Events::Rule"}


def rules_of_the_hub() -> set[str]:
    return {name for name in all_rules() if "EventPattern" in resource(name)}


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab("removed-lab.log", whole=False) as lab:
        yield lab


def deployed(lab: Lab, gone: list[Removal], parameters: Json) -> Watched:
    template = copy.deepcopy(INTACT)
    for removal in gone:
        removal.apply(template)
    lab.control("reset", {"template": template, "parameters": parameters})
    lab.control("sqs", {"retry_seconds": 0.2})
    return Watched(lab, INTACT)


def toured(watched: Watched, tours: tuple[str, ...]) -> tuple[set[str], str]:
    """What works, and what `check-alarm-path` says."""
    found: set[str] = set()
    text = ""
    for tour in tours:
        if tour == "check":
            text = watched.check()
        else:
            found |= {f"{tour}: {name}" for name in getattr(watched, tour)()}
    return found, text


def expected(group: Group) -> set[str]:
    """Everything that the tours of a group bring while nothing is gone."""
    return {name for removal in ALL for name in missed(removal) if name.split(":")[0] in group.tours}


def unnoticed(gone: list[Removal], found: set[str], text: str) -> list[str]:
    left = []
    for removal in gone:
        absent, words = missed(removal), said(removal)
        assert absent or words, f"nobody has said how `{removal.name}` is noticed"
        lines = [line for line in text.splitlines() if all(word in line for word in words)]
        if absent & found or (words and not lines):
            left.append(f"{removal.name}: {', '.join(sorted(absent & found)) or 'not told'}")
    return left


def test_nothing_is_missed_while_everything_is_there(lab: Lab) -> None:
    watched = deployed(lab, [], PARAMETERS)
    text = watched.check()
    first = ("plain_http", "heartbeat", "flows", "mail", "dead_letters", "undelivered")
    found = toured(watched, first)[0] | toured(deployed(lab, [], ONE_ADDRESS), ("alarms", "mail"))[0]
    wanted = {name for group in GROUPS.values() for name in expected(group)}
    assert wanted <= found, sorted(wanted - found)
    assert len(unnoticed(ALL, found, text)) == len(ALL), "what is there is not taken for gone"


@pytest.mark.parametrize("name", GROUPS)
def test_what_is_gone_is_missed(lab: Lab, name: str) -> None:
    group = GROUPS[name]
    assert group.removals
    found, text = toured(deployed(lab, group.removals, group.parameters), group.tours)
    assert unnoticed(group.removals, found, text) == []


@pytest.mark.parametrize("removal", ALONE, ids=lambda removal: removal.name.replace(" ", "-"))
def test_what_is_gone_alone_is_missed(lab: Lab, removal: Removal) -> None:
    group = GROUPS[group_of(removal)]
    needed = {name.split(":")[0] for name in missed(removal)}
    tours = tuple(tour for tour in group.tours if tour in needed or (tour == "check" and said(removal)))
    found, text = toured(deployed(lab, [removal], group.parameters), tours)
    assert unnoticed([removal], found, text) == []
    rest = {name for each in ALL for name in missed(each) if name.split(":")[0] in tours} - missed(removal)
    assert rest & found or not rest, "and only what it carries"
