"""What the AWS CLI would send for a command, by the models that it is made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from .organization import ROOT, Json

_SESSION = botocore.session.get_session()
# The one command that is no operation: https://docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy/
DEPLOY = {"--template-file", "--stack-name", "--parameter-overrides", "--capabilities", "--no-fail-on-empty-changeset"}


def options(words: list[str]) -> dict[str, list[str]]:
    """Each option with its values."""
    given: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            assert word not in given, f"{word} twice"
            given[word] = []
        else:
            list(given.values())[-1].append(word)
    return given


def read_file(word: str, folder: Path) -> str:
    """`file://` names a template of the repository or a file of the plan."""
    name = word.removeprefix("file://")
    return ((ROOT if name.startswith("deploy/") else folder) / name).read_text(encoding="utf-8")


def request(words: list[str], folder: Path) -> tuple[str, str, Json]:
    """Service, operation and request of a command; what AWS would not take is an error. Files are looked for in the folder."""
    service, command, given = words[0], words[1], options(words[2:])
    given.pop("--region", None)
    if (service, command) == ("cloudformation", "deploy"):
        assert set(given) <= DEPLOY, given
        (file,) = given["--parameter-overrides"]
        # The one form of a file that version 1 of the AWS CLI takes here, and version 2 too.
        pairs = [pair.split("=", 1) for pair in json.loads(read_file(file, folder))]
        return (
            service,
            "deploy",
            {
                "template": given["--template-file"][0],
                "parameters": dict(pairs),
            },
        )
    model = _SESSION.get_service_model(service)
    names = {_dashed(name): name for name in model.operation_names}
    operation = model.operation_model(names[command])
    members = {f"--{_dashed(name)}": (name, shape) for name, shape in operation.input_shape.members.items()}
    sent = {members[option][0]: _value(values, members[option][1], folder) for option, values in given.items()}
    report = ParamValidator().validate(sent, operation.input_shape)
    assert not report.has_errors(), f"{words}: {report.generate_report()}"
    return service, operation.name, sent


def _dashed(name: str) -> str:
    return botocore.xform_name(name, "-")


def _value(values: list[str], shape: Any, folder: Path) -> Any:
    """Texts, lists, files, JSON, and the short form `a=1,b=2` of structures and maps, whose names have no blank."""
    if len(values) == 1 and values[0].startswith("file://"):
        text = read_file(values[0], folder)
        return json.loads(text) if shape.type_name in ("list", "structure", "map") else text
    if shape.type_name == "list":
        return [_scalar(value, shape.member) for value in values]
    (value,) = values
    if shape.type_name not in ("structure", "map"):
        return _scalar(value, shape)
    if value.startswith("{"):
        return json.loads(value)
    assert " " not in value, f"the short form takes no blank: {value}"
    pairs: dict[str, list[str]] = {}
    for part in value.split(","):
        name, sign, rest = part.partition("=")
        if sign:
            pairs[name] = [rest]
        else:
            list(pairs.values())[-1].append(part)
    if shape.type_name == "map":
        return {name: _scalar(one, shape.value) for name, (one,) in pairs.items()}
    assert set(pairs) <= set(shape.members), pairs
    return {name: _value(rest, shape.members[name], folder) for name, rest in pairs.items()}


def _scalar(value: str, shape: Any) -> Any:
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[value]
    return int(value) if shape.type_name in ("integer", "long") else value
