"""The templates of the topology with parameters filled in: every policy document that they hold, and all ways to take or add a part of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .deployed import ROOT, as_list, yaml_parse

SOURCE, BACKUP, MANAGEMENT, ORGANIZATION = "111111111111", "222222222222", "333333333333", "o-exampleorgid"
REGION = "eu-central-1"
GLASS_KEEPER = f"arn:aws:iam::{BACKUP}:user/two-people-and-a-safe"
TOPIC = f"arn:aws:sns:{REGION}:{BACKUP}:central-backups-events"
UNIT = f"{ORGANIZATION}/r-ab12/ou-ab12-11111111"
GIVEN: dict[str, dict[str, Any]] = {
    "backup-account": {
        "AWS::AccountId": BACKUP, "OrganizationId": ORGANIZATION, "OrganizationPaths": [f"{UNIT}/*"], "RolesRegion": REGION,
        "BreakGlassPrincipalArn": GLASS_KEEPER, "AirGappedVaultName": "air-gap", "LockAcknowledgement": "nobody can undo this lock",
        "NotificationTopic": TOPIC,
    },
    "source-backup": {
        "AWS::AccountId": SOURCE, "BackupAccountId": BACKUP, "RolesRegion": REGION, "MakeRole": "yes", "MakeVolumeKey": "yes",
        "VolumesUseTheKey": "yes", "TablesUseAdvancedFeatures": "yes", "VolumeKey.Arn": f"arn:aws:kms:{REGION}:{SOURCE}:key/volumes",
    },
    "management-account": {
        "AWS::AccountId": MANAGEMENT, "TargetIds": ["ou-ab12-11111111"], "BackupRegions": [REGION], "ProtectSources": "yes",
        "ProtectBackupAccountId": BACKUP, "BreakGlassPrincipalArn": GLASS_KEEPER,
        "CentralVaultArn": f"arn:aws:backup:{REGION}:{BACKUP}:backup-vault:central-backups",
    },
}  # fmt: skip
Document = dict[str, Any]
# A document is named by template, resource and the way to it.
Documents = dict[str, Document]
ABSENT = object()


def template(name: str) -> dict[str, Any]:
    return yaml_parse((ROOT / "deploy" / f"{name}.yaml").read_text(encoding="utf-8"))


class Rendering:
    def __init__(self, name: str, **given: Any) -> None:
        self.template = template(name)
        defaults = {key: one.get("Default") for key, one in self.template["Parameters"].items()}
        fixed = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::URLSuffix": "amazonaws.com"}
        self.values = {**defaults, **fixed, **GIVEN[name], **given, "AWS::NoValue": ABSENT}

    def documents(self) -> Documents:
        """Every object that holds statements, wherever it lies."""
        found: Documents = {}

        def look(path: str, value: Any) -> None:
            if isinstance(value, dict) and "Statement" in value:
                found[path] = self.value(value)
            elif isinstance(value, dict | list):
                items = value.items() if isinstance(value, dict) else enumerate(value)
                for key, one in items:
                    look(f"{path}.{key}", one)

        for logical_id, body in self.template["Resources"].items():
            look(logical_id, body.get("Properties", {}))
        return found

    def value(self, value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return self.values[name]
            case {"Fn::GetAtt": named}:
                return self.values[named if isinstance(named, str) else ".".join(named)]
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda found: str(self.values[found[1]]), text)
            case {"Fn::If": [condition, then, otherwise]}:
                return self.value(then if self.holds(self.template["Conditions"][condition]) else otherwise)
            case dict():
                given = {key: self.value(one) for key, one in value.items()}
                return {key: one for key, one in given.items() if one is not ABSENT}
            case list():
                return [one for one in map(self.value, value) if one is not ABSENT]
        return value

    def holds(self, condition: Any) -> bool:
        match condition:
            case {"Fn::Not": [one]}:
                return not self.holds(one)
            case {"Fn::And": several}:
                return all(map(self.holds, several))
            case {"Fn::Or": several}:
                return any(map(self.holds, several))
            case {"Condition": name}:
                return self.holds(self.template["Conditions"][name])
            case {"Fn::Equals": [{"Fn::Join": [between, parts]}, other]}:
                return between.join(self.value(parts)) == other
            case {"Fn::Equals": [one, other]}:
                return self.value(one) == self.value(other)
        raise AssertionError(f"a condition of another kind: {condition}")


def documents() -> Documents:
    found = {f"{name}.{path}": one for name in GIVEN for path, one in Rendering(name).documents().items()}
    assert all(one["Version"] == "2012-10-17" for one in found.values())
    return found


# --- Mutants -----------------------------------------------------------------------------------------------------------

WIDER = {"Action": ["*"], "Resource": "*", "Principal": "*"}


def mutants(document: Document) -> Iterator[tuple[str, list[str], Document]]:
    """The document without each of its statements, actions, resources and conditions, and with each of them opened; with the actions of the statement."""
    for at, statement in enumerate(document["Statement"]):
        said = statement.get("Sid", str(at))

        def changed(
            of: str, to: dict[str, Any] | None, at: int = at, said: str = said
        ) -> tuple[str, list[str], Document]:
            others = document["Statement"]
            rest = [*others[:at], *([] if to is None else [to]), *others[at + 1 :]]
            return f"{said}: {of}", as_list(others[at]["Action"]), {**document, "Statement": rest}

        yield changed("without it", None)
        for element in ("Action", "Resource"):
            several = as_list(statement.get(element, []))
            for one in several if len(several) > 1 else []:
                yield changed(f"without {one}", {**statement, element: [each for each in several if each != one]})
        if statement["Effect"] == "Allow":
            for element, wider in WIDER.items():
                # A policy of a resource is about nothing else, whatever it says.
                if statement.get(element) not in (None, wider, {"AWS": wider}) and not (
                    "Principal" in statement and element != "Principal"
                ):
                    yield changed(f"{element} is {wider}", {**statement, element: wider})
            services = sorted({action.partition(":")[0] for action in as_list(statement["Action"])})
            if statement["Action"] != f"{services[0]}:*":
                yield changed("all actions of its service", {**statement, "Action": [f"{one}:*" for one in services]})
        for of, conditions in _conditions(statement):
            yield changed(of, {**statement, "Condition": conditions})


PRINCIPAL = "aws:PrincipalArn"


def _conditions(statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    given = statement.get("Condition", {})
    for operator, keys in given.items():
        for key in keys:
            rest = {
                one: {of: value for of, value in asked.items() if (one, of) != (operator, key)}
                for one, asked in given.items()
            }
            yield f"without {operator} {key}", {one: asked for one, asked in rest.items() if asked}
    if statement["Effect"] == "Deny":
        others = {one: asked for one, asked in given.items() if PRINCIPAL not in asked}
        yield "binds one role only", {**others, "ArnLike": {PRINCIPAL: "arn:aws:iam::*:role/administrator"}}
        yield "excepts every role", {**others, "ArnNotLike": {PRINCIPAL: "arn:aws:iam::*:role/*"}}
        yield "binds roles only", {**given, "StringNotEquals": {"aws:PrincipalType": ["Account", "User"]}}
