"""The three templates as data, with the questions that the tests ask of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from moto.events.models import EventPattern
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = {
    "guardian": ROOT / "template.yaml",
    "agent-global": ROOT / "deploy" / "agent-global.yaml",
    "agent-regional": ROOT / "deploy" / "agent-regional.yaml",
}
Resource = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    """A template with its short forms (`!Ref`) written out; a copy, so that a test may change it."""
    return copy.deepcopy(parsed(name))


@cache
def parsed(name: str) -> dict[str, Any]:
    return yaml_parse(TEMPLATES[name].read_text(encoding="utf-8"))


def resources(name: str, type_: str) -> dict[str, Resource]:
    """The resources of one type, by logical id."""
    return {key: body for key, body in load(name)["Resources"].items() if body["Type"] == type_}


def properties(name: str, logical_id: str) -> dict[str, Any]:
    return load(name)["Resources"][logical_id]["Properties"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def logical_id(value: Any) -> str:
    """The logical id that a `Ref` or `Fn::GetAtt` points to."""
    if "Ref" in value:
        return value["Ref"]
    if "Fn::If" in value:
        # What stands there where there is anything.
        return logical_id(value["Fn::If"][1])
    return as_list(value["Fn::GetAtt"])[0]


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return as_list(document["Statement"])


def role_statements(name: str, role: str) -> Iterator[dict[str, Any]]:
    """Every statement of a role: inline and in policies of the template that name the role."""
    for policy in properties(name, role)["Policies"]:
        yield from statements(policy["PolicyDocument"])
    for body in resources(name, "AWS::IAM::Policy").values():
        if {"Ref": role} in body["Properties"]["Roles"]:
            yield from statements(body["Properties"]["PolicyDocument"])


def text(resource: Any) -> str:
    """A resource of a statement in a form that reads well in an expected list."""
    if isinstance(resource, str):
        return resource
    if "Fn::Sub" in resource:
        return resource["Fn::Sub"]
    if "Fn::If" in resource:
        condition, then, _ = resource["Fn::If"]
        return f"{condition}: " + ", ".join(text(each) for each in as_list(then))
    return logical_id(resource)


def pattern(name: str, rule: str) -> EventPattern:
    """The pattern of a rule as EventBridge would get it."""
    return EventPattern.load(json.dumps(properties(name, rule)["EventPattern"]))
