"""Everything that carries an alert in template.yaml, found in the template itself, and the template without it.

A removal takes away what a person would take away with it: references that would lead nowhere, and alarms on what is not there any more. Removing the
permissions of roles is for tests/least.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .organization import Json

Path = tuple[str | int, ...]


class _Gone:
    """In the place of what is taken away."""


GONE = _Gone()
INTRINSIC = ("Ref", "Fn::GetAtt", "Fn::Sub")
# What is nothing without this member goes with it.
NEEDED = {"Arn", "deadLetterTargetArn", "Resource", "Queue", "Value", "TargetKeyId", "FunctionName", "aws:SourceArn"}
# Types whose parts are removed, and those that carry no alert by themselves or of which a part stands for all.
TAKEN_APART = {
    "AWS::CloudWatch::Alarm",
    "AWS::Events::EventBusPolicy",
    "AWS::Events::Rule",
    "AWS::KMS::Key",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Function",
}
LEFT_ALONE = {
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::Serverless::StateMachine",
}


@dataclass(frozen=True)
class Removal:
    """One part, and the template without it."""

    kind: str
    of: str
    part: str
    apply: Callable[[Json], None] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.kind} {self.of}" + (f" {self.part}" if self.part else "")


def named(value: Any) -> set[str]:
    """The logical ids that a value refers to."""
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            return {value["Ref"]}
        if set(value) == {"Fn::GetAtt"}:
            attribute = value["Fn::GetAtt"]
            return {attribute.split(".")[0] if isinstance(attribute, str) else attribute[0]}
        if set(value) == {"Fn::Sub"}:
            text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
            return {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}
        return {name for each in value.values() for name in named(each)}
    if isinstance(value, list):
        return {name for each in value for name in named(each)}
    return set()


def without(template: Json, *gone: str) -> None:
    """Takes resources out of a template, and with them what would refer to nothing."""
    resources = template["Resources"]
    while gone:
        for name in gone:
            resources.pop(name, None)
        more = []
        for name, body in list(resources.items()):
            left = _scrub(body, set(gone))
            if left is GONE or _is_nothing(left):
                more.append(name)
            else:
                resources[name] = left
        outputs = template.get("Outputs", {})
        for name in [name for name, output in outputs.items() if named(output["Value"]) & set(gone)]:
            del outputs[name]
        gone = tuple(more)


def _is_nothing(body: Json) -> bool:
    properties = body.get("Properties", {})
    return (
        (body["Type"] == "AWS::CloudWatch::Alarm" and not properties.get("Dimensions"))
        or (body["Type"] == "AWS::SQS::QueuePolicy" and not properties.get("Queues"))
        or (body["Type"] == "AWS::IAM::Policy" and not properties["PolicyDocument"]["Statement"])
    )


def _scrub(value: Any, gone: set[str]) -> Any:
    if isinstance(value, list):
        left = [_scrub(each, gone) for each in value]
        return [each for each in left if each is not GONE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)) in INTRINSIC:
        return GONE if named(value) & gone else value
    if set(value) == {"Fn::If"}:
        condition, then, otherwise = (_scrub(each, gone) for each in value["Fn::If"])
        return {"Ref": "AWS::NoValue"} if then is GONE else {"Fn::If": [condition, then, otherwise]}
    left = {}
    for key, each in value.items():
        kept = _scrub(each, gone)
        if kept is GONE or (key == "Condition" and _lost_a_limit(each, kept)):
            if key in NEEDED or key == "Condition":
                return GONE
            continue
        if key in NEEDED and kept == [] and each != []:
            return GONE
        left[key] = kept
    # A list of statements, targets or dimensions that lost all is none.
    return left


def _lost_a_limit(before: Any, after: Any) -> bool:
    """Whether a condition would allow more without what is gone."""
    if not isinstance(before, dict):
        return False
    return any(key not in after or after[key] == [] or _lost_a_limit(each, after[key]) for key, each in before.items())


# -- what there is -----------------------------------------------------------------------------------------------------


def removals(template: Json) -> list[Removal]:
    """Every part that can be removed, in the order of the template."""
    found: list[Removal] = []
    dead = dead_letter_queues(template)
    for name, body in template["Resources"].items():
        kind = body["Type"]
        assert kind in TAKEN_APART | LEFT_ALONE, f"nobody has said what is missed when `{name}` ({kind}) is removed"
        found += PARTS.get(kind, _nothing)(name, body["Properties"])
        if name in dead:
            found.append(Removal("dead-letter queue", name, "", _resource(name)))
    return found


def dead_letter_queues(template: Json) -> set[str]:
    """Queues into which others, or rules, put what they could not bring."""
    found: set[str] = set()
    for body in template["Resources"].values():
        properties = body["Properties"]
        found |= named(properties.get("RedrivePolicy", {}))
        for target in properties.get("Targets", []) if body["Type"] == "AWS::Events::Rule" else []:
            found |= named(target["DeadLetterConfig"])
    return found


def _resource(name: str) -> Callable[[Json], None]:
    return lambda template: without(template, name)


def _at(name: str, *path: str | int) -> Callable[[Json], None]:
    """Takes one member out of the properties of a resource; an entry of a list is found by what it is, because others may go before it."""

    def apply(template: Json) -> None:
        place = template["Resources"][name]["Properties"]
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return apply


def _entry(name: str, path: Path, entry: Any) -> Callable[[Json], None]:
    """Takes one entry out of a list."""
    kept = copy.deepcopy(entry)

    def apply(template: Json) -> None:
        place: Any = template["Resources"][name]["Properties"]
        for step in path:
            place = place[step]
        place.remove(kept)

    return apply


def _nothing(name: str, properties: Json) -> Iterator[Removal]:
    yield from ()


def _of_rule(name: str, properties: Json) -> Iterator[Removal]:
    yield Removal("rule", name, "", _resource(name))
    for number, target in enumerate(properties["Targets"]):
        yield Removal("target", name, target["Id"], _entry(name, ("Targets",), target))
        yield Removal("target's dead letters", name, target["Id"], _at(name, "Targets", number, "DeadLetterConfig"))


def _of_queue(name: str, properties: Json) -> Iterator[Removal]:
    if "RedrivePolicy" in properties:
        yield Removal("redrive", name, "", _at(name, "RedrivePolicy"))


def _statements(name: str, path: Path, statements: list[Json]) -> Iterator[Removal]:
    for number, statement in enumerate(statements):
        by_sid = _statement(name, path, statement["Sid"])
        yield Removal("refusal" if statement["Effect"] == "Deny" else "permission", name, statement["Sid"], by_sid)
        arns = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn")
        for arn in arns if isinstance(arns, list) else []:
            (source,) = named(arn) - {"AWS::NoValue"}
            place = (*path, number, "Condition", "ArnEquals", "aws:SourceArn")
            yield Removal("permission of a rule", name, source, _entry(name, place, arn))


def _statement(name: str, path: Path, sid: str) -> Callable[[Json], None]:
    def apply(template: Json) -> None:
        place: Any = template["Resources"][name]["Properties"]
        for step in path:
            place = place[step]
        place[:] = [statement for statement in place if statement["Sid"] != sid]
        if not place:
            # A policy without a statement is none.
            without(template, name)

    return apply


def _of_policy(name: str, properties: Json) -> Iterator[Removal]:
    yield from _statements(name, ("PolicyDocument", "Statement"), properties["PolicyDocument"]["Statement"])


def _of_key(name: str, properties: Json) -> Iterator[Removal]:
    for removal in _statements(name, ("KeyPolicy", "Statement"), properties["KeyPolicy"]["Statement"]):
        yield Removal("key permission", removal.of, removal.part, removal.apply)


def _of_bus_policy(name: str, properties: Json) -> Iterator[Removal]:
    yield Removal("permission", name, properties["Statement"]["Sid"], _resource(name))


def _of_topic(name: str, properties: Json) -> Iterator[Removal]:
    def branches(value: Any, path: Path) -> Iterator[tuple[str, Path]]:
        condition, then, otherwise = value["Fn::If"]
        yield condition, (*path, "Fn::If", 1)
        if "Fn::If" in otherwise:
            yield from branches(otherwise, (*path, "Fn::If", 2))
        assert isinstance(then, list)

    def nobody(path: Path) -> Callable[[Json], None]:
        def apply(template: Json) -> None:
            place: Any = template["Resources"][name]["Properties"]
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = {"Ref": "AWS::NoValue"}

        return apply

    if "Subscription" in properties:
        for condition, path in branches(properties["Subscription"], ("Subscription",)):
            yield Removal("subscription", name, condition, nobody(path))


def _of_alarm(name: str, properties: Json) -> Iterator[Removal]:
    yield Removal("alarm", name, "", _resource(name))
    yield Removal("alarm's listener", name, "AlarmActions", _at(name, "AlarmActions"))
    yield Removal("alarm's listener", name, "OKActions", _at(name, "OKActions"))


def _of_function(name: str, properties: Json) -> Iterator[Removal]:
    for event in properties.get("Events", {}):
        yield Removal("source", name, event, _at(name, "Events", event))


PARTS: dict[str, Callable[[str, Json], Iterator[Removal]]] = {
    "AWS::CloudWatch::Alarm": _of_alarm,
    "AWS::Events::EventBusPolicy": _of_bus_policy,
    "AWS::Events::Rule": _of_rule,
    "AWS::KMS::Key": _of_key,
    "AWS::S3::BucketPolicy": _of_policy,
    "AWS::SNS::Topic": _of_topic,
    "AWS::SNS::TopicPolicy": _of_policy,
    "AWS::SQS::Queue": _of_queue,
    "AWS::SQS::QueuePolicy": _of_policy,
    "AWS::Serverless::Function": _of_function,
}
