"""What is asked of IAM in the name of the roles of the guardian, written down as it happens: each role and each request once, as JSON lines.

Names that CloudFormation made up become `{LogicalId}` and ids `{id}`, so that the same deployment writes the same lines whatever it was called.
Every part of the lab that acts with a role tells it here: the front door what is signed with it, the pollers, the bus and the executions what
AWS does in its name. Knows no policies: whether a request is allowed is another's question.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from lab.stacks import Created

Context = Mapping[str, Any]
# Action, resource and context.
Asked = tuple[str, str, Context]
# From role, Region, action and resource to what the service asks besides, in the name of the same role.
Besides = Callable[[str, str, str, str], Iterable[Asked]]

# Moments and paths that no policy here names.
LEFT_OUT = {"aws:CurrentTime", "aws:PrincipalOrgPaths"}
_IDS = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(?<=snapshot/)[\w-]+|(?<=image/)[\w-]+|(?<=_policy/p-)\w+|(?<=/)[0-9a-f]{32,64}\b|\d{8}T\d{6}Z(?:-[0-9a-f]+)?"
)

_lock = threading.Lock()
_file: TextIO | None = None
_written: set[str] = set()
_roles: dict[str, str] = {}
_names: dict[str, str] = {}
_pattern: re.Pattern[str] | None = None
_besides: Besides | None = None


def use(folder: Path | None) -> None:
    """Write from now on into a file of this process in `folder`; None writes nothing."""
    global _file
    with _lock:
        if _file is not None:
            _file.close()
        _written.clear()
        _file = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            _file = (folder / f"{os.getpid()}.jsonl").open("w", encoding="utf-8")


def besides(function: Besides) -> None:
    """What a request entails, as far as somebody knows it: the use of a key by the service that is asked."""
    global _besides
    _besides = function


def reset() -> None:
    """No role and no name of an earlier deployment."""
    global _pattern
    with _lock:
        _roles.clear()
        _names.clear()
        _pattern = None


def deployed(template: str, created: Created) -> None:
    """From now on the roles of this stack are written about, and its names are those of the template."""
    global _pattern
    from moto.iam.models import Role

    resources = created.stack.resource_map._parsed_resources
    with _lock:
        for logical_id, made in resources.items():
            name = re.split(r"[/:]", str(getattr(made, "physical_resource_id", "")))[-1]
            made_up = logical_id.lower() in name.lower() and logical_id.lower() != name.lower()
            if made_up or type(made).__name__ == "Key":
                _names[name] = f"{{{logical_id}}}"
        longest_first = sorted(_names, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
    for logical_id, made in sorted(resources.items()):
        if isinstance(made, Role):
            _roles[made.arn] = f"{template} {logical_id}"
            policies = {name: json.loads(text) for name, text in sorted(made.policies.items())}
            trust = made.assume_role_policy_document
            _write(
                {
                    "role": _roles[made.arn],
                    "arn": made.arn,
                    "trust": json.loads(trust) if isinstance(trust, str) else trust,
                    "policies": policies,
                }
            )


def watched(role_arn: str) -> bool:
    return _file is not None and role_arn in _roles


def request(role_arn: str, region: str, action: str, resource: str, context: Context | None = None) -> None:
    """A session of the role asks for this, and the service that is asked for what it entails."""
    if not watched(role_arn):
        return
    asked(role_arn, action, resource, context or {})
    for entailed in _besides(role_arn, region, action, resource) if _besides is not None else ():
        asked(role_arn, *entailed)


def asked(role_arn: str, action: str, resource: str, context: Context) -> None:
    """A session of the role asks for just this."""
    if watched(role_arn):
        kept = _kept(context)
        _write({"by": _roles[role_arn], "arn": role_arn, "action": action, "resource": resource, "context": kept})


def assumed(role_arn: str, principal: str, context: Context | None = None) -> None:
    """Somebody takes the role on: a service of AWS, or whoever is not written about."""
    if watched(role_arn):
        kept = _kept(context or {})
        _write({"assumed": _roles[role_arn], "arn": role_arn, "principal": principal, "context": kept})


def _kept(context: Context) -> Context:
    return {key: value for key, value in sorted(context.items()) if key not in LEFT_OUT}


def unknown(role_arn: str, call: str) -> None:
    """A call with the role of which nobody has said what it asks for."""
    if watched(role_arn):
        _write({"by": _roles[role_arn], "arn": role_arn, "unknown": call})


def _write(entry: dict[str, Any]) -> None:
    line = json.dumps(entry, sort_keys=True)
    if _pattern is not None:
        line = _pattern.sub(lambda found: _names[found[0]], line)
    line = _IDS.sub("{id}", line)
    with _lock:
        if _file is not None and line not in _written:
            _written.add(line)
            _file.write(line + "\n")
            _file.flush()
