"""The commands of the documents can be typed: every `aws` command names an operation of AWS, with options that it has and all that it needs."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import botocore.session
import jmespath
import pytest
from botocore import xform_name

from .deployed import ROOT, load

DOCUMENTS = ("README.md", "docs/restore.md")
# Options of the command line itself.
EVERYWHERE = {"region", "query", "output", "profile", "cli-binary-format", "endpoint-url"}
# The command line has these instead of, or beside, an operation: https://docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy/
CUSTOM = {("cloudformation", "deploy"): {"template-file", "stack-name", "capabilities", "parameter-overrides"}}
# `--endpoint` would be taken for `--endpoint-url`: https://docs.aws.amazon.com/cli/latest/reference/sns/subscribe.html
RENAMED = {("sns", "subscribe", "endpoint"): "notification-endpoint"}


def commands(document: str) -> Iterator[list[str]]:
    """Every `aws …` of the code blocks and of the running text."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["aws"]:
                yield words
    for inline in re.findall(r"`(aws [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield shlex.split(inline)


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def problems(words: list[str]) -> list[str]:
    service, operation = words[1], words[2]
    given = {word[2:].split("=")[0] for word in words[3:] if word.startswith("--")} - EVERYWHERE
    if (service, operation) in CUSTOM:
        return sorted(given - CUSTOM[service, operation])
    known = {xform_name(name, "-"): name for name in model(service).operation_names}
    if operation not in known:
        return [f"{service} has no {operation}"]
    shape = model(service).operation_model(known[operation]).input_shape

    # A switch can be given as its opposite.
    members = shape.members if shape else {}
    opposites = {
        f"no-{xform_name(name, '-')}": xform_name(name, "-")
        for name, one in members.items()
        if one.type_name == "boolean"
    }
    given = {opposites.get(one, one) for one in given}

    def options(names: Any) -> set[str]:
        named = {xform_name(name, "-") for name in names}
        return {RENAMED.get((service, operation, name), name) for name in named}

    members, needed = options(members), options(shape.required_members if shape else ())
    return [f"no option {each}" for each in sorted(given - members)] + [
        f"needs {each}" for each in sorted(needed - given)
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_can_be_typed(document: str) -> None:
    found = list(commands(document))
    assert len(found) >= 8, "the commands are found"
    # In running text a command may be named without what it needs.
    wrong = {" ".join(words): said for words in found if (said := problems(words))}
    mentioned = {
        text for text, said in wrong.items() if all(one.startswith("needs ") for one in said) and "--" not in text
    }
    assert {text: wrong[text] for text in wrong.keys() - mentioned} == {}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_file_that_a_command_fills_is_json_whatever_the_profile_says(document: str) -> None:
    filling = [words for words in commands(document) if ">" in words]
    assert filling, "the commands are found"
    assert [" ".join(words) for words in filling if ("--output", "json") not in pairwise(words)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_shell_takes_a_part_of_an_arn_for_a_modifier(document: str) -> None:
    """In zsh, the shell of macOS, `$SOURCE:role` is not the role of `$SOURCE`, for `:r` takes the ending off."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert re.findall(r"\$\w+:[a-z]\w*", text) == []


def test_the_way_back_is_the_same_in_every_partition() -> None:
    assert re.findall(r"arn:aws[\w-]*:\S*", (ROOT / "docs" / "restore.md").read_text(encoding="utf-8")) == []


def test_a_command_that_cannot_be_typed_is_found() -> None:
    assert problems(shlex.split("aws backup start-copy-jobs")) == ["backup has no start-copy-jobs"]
    assert "no option vault" in problems(shlex.split("aws backup start-copy-job --vault v"))
    assert "needs iam-role-arn" in problems(shlex.split("aws backup start-copy-job --recovery-point-arn a"))


def parameters(template: str) -> dict[str, Any]:
    return load(template)["Parameters"]


def test_the_example_deploys_with_parameters_that_there_are() -> None:
    text = (ROOT / "samconfig.toml.example").read_text(encoding="utf-8")
    # What is commented out must work when it is taken in.
    taken_in = re.sub(r'(?m)^    # ("\w+=)', r"    \1", text)
    settings = tomllib.loads(taken_in)["default"]["deploy"]["parameters"]
    given = dict(pair.split("=", 1) for pair in settings["parameter_overrides"])
    known = parameters("guardian")
    assert given.keys() <= known.keys()
    assert {name for name, each in known.items() if "Default" not in each} <= given.keys()
    for name, value in given.items():
        for one in value.split(",") if known[name]["Type"] == "CommaDelimitedList" else [value]:
            assert re.fullmatch(known[name].get("AllowedPattern", ".*"), one), (name, one)
            assert one in known[name].get("AllowedValues", [one]), (name, one)


@pytest.mark.parametrize("agent", ["agent-global", "agent-regional"])
def test_the_commands_of_the_agents_give_what_their_templates_need(agent: str) -> None:
    named = f"deploy/{agent}.yaml"
    needed = {name for name, each in parameters(agent).items() if "Default" not in each}
    mine = [words for words in commands("README.md") if any(named in word for word in words)]
    assert len(mine) == 2, "as a StackSet, and in the management account"
    for words in mine:
        text = " ".join(words)
        given = set(re.findall(r"ParameterKey=(\w+)", text) or re.findall(r"\b([A-Z]\w+)=", text))
        assert needed <= given <= parameters(agent).keys(), text


def test_how_many_executions_are_reserved_is_said_as_the_template_adds_up() -> None:
    given, sums = parameters("guardian"), {"always": 0, "DrillsEnabled": 0}
    for name, one in load("guardian")["Resources"].items():
        if one["Type"] == "AWS::Serverless::Function":
            condition, reserved, none = one["Properties"]["ReservedConcurrentExecutions"]["Fn::If"]
            assert (condition, none) == ("ReservesConcurrency", {"Ref": "AWS::NoValue"}), name
            sums[one.get("Condition", "always")] += int(
                given[reserved["Ref"]]["Default"] if isinstance(reserved, dict) else reserved
            )
    always, drills = sums["always"], sum(sums.values())
    assert f" {always} with the defaults, with drills {drills}." in given["ReserveConcurrency"]["Description"]
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{always} concurrent executions of Lambda to reserve, with drills {drills} (" in page


def test_the_management_account_is_watched_in_every_region_in_which_the_others_are() -> None:
    """No StackSet reaches it, and the events of Organizations exist in its global Region only."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (others,) = [
        " ".join(words)
        for words in commands("README.md")
        if words[2] == "create-stack-instances" and "backup-guardian-agent-regional" in words
    ]
    (regions,) = re.findall(r"--regions ([a-z0-9 -]+?) --", others)
    loops = re.findall(r"for region in ([a-z0-9 -]+); do\n  aws cloudformation (\w+).*?\ndone\n", text, re.DOTALL)
    assert loops == [(regions, "deploy"), (regions, "delete")]
    assert "us-east-1" in regions.split()


def test_every_rollout_of_a_stack_set_goes_on_where_one_account_fails() -> None:
    rollouts = ("create-stack-instances", "update-stack-set", "delete-stack-instances")
    found = [words for words in commands("README.md") if words[2] in rollouts and len(words) > 3]
    assert {words[2] for words in found} == set(rollouts)
    for words in found:
        preferences = dict(one.split("=") for one in words[words.index("--operation-preferences") + 1].split(","))
        assert preferences.keys() == {"RegionConcurrencyType", "FailureTolerancePercentage", "MaxConcurrentPercentage"}


def test_an_update_of_a_stack_set_keeps_what_was_given() -> None:
    (described,) = [words for words in commands("README.md") if words[2] == "describe-stack-set"]
    given = {"StackSet": {"Parameters": [{"ParameterKey": "ExternalId", "ParameterValue": "****"}]}}
    kept = jmespath.search(described[described.index("--query") + 1], given)
    assert kept == [{"ParameterKey": "ExternalId", "UsePreviousValue": True}], "what is hidden is not written over"
    (updated,) = [words for words in commands("README.md") if words[2] == "update-stack-set"]
    assert updated[updated.index("--parameters") + 1] == f"file://{described[-1]}"
