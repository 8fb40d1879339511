"""What the labs of the suite wrote down: the roles of the guardian as they were deployed, and every request that was made with them.

A record says which tests it is of. One that is missing, of a part of the suite, or of other templates is refused: it would prove nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from suite.record import FOLDER, RUN, digest

Json = dict[str, Any]
HOW = "run `python -m pytest -n 2 --dist loadfile tests/suite` first, all of it (`make test-python` does)"


class Unusable(Exception):
    """The record cannot prove anything."""


@dataclass
class Role:
    """A role as one lab deployed it, or several did alike, and what was asked with it."""

    name: str
    arn: str
    trust: Json
    policies: dict[str, Json]
    # Action, resource and context; for `sts:AssumeRole` with the trust policy of the role that is asked for.
    requests: list[Json] = field(default_factory=list)
    # Principal and context of whoever took the role on.
    assumptions: list[Json] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


def run() -> Json:
    """What was run, if it was everything and nothing failed."""
    if not RUN.is_file():
        raise Unusable(f"`{RUN}` is missing: {HOW}")
    found: Json = json.loads(RUN.read_text(encoding="utf-8"))
    missing = sorted(set(found["files"]) - set(found["passed"]))
    if found["chosen"] or missing:
        raise Unusable(f"`{RUN}` is of chosen tests only (none of {', '.join(missing) or 'some files'}): {HOW}")
    if found["failed"]:
        raise Unusable(f"tests failed, so the record may lack what they ask for: {', '.join(found['failed'])}")
    if found["templates"] != digest():
        raise Unusable(f"the templates have changed since `{RUN}` was written: {HOW}")
    return found


def roles() -> list[Role]:
    """Every role, once for each way in which it was deployed."""
    found: dict[str, Role] = {}
    seen: set[tuple[str, str]] = set()
    for path in sorted(FOLDER.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        here: dict[str, Role] = {}
        keys: dict[str, str] = {}
        for line in lines:
            if "role" in line:
                key = keys[line["arn"]] = json.dumps(line, sort_keys=True)
                known = found.setdefault(key, Role(line["role"], line["arn"], line["trust"], line["policies"]))
                here[line["arn"]] = known
        for line in lines:
            if "role" in line:
                continue
            role = here[line["arn"]]
            trusted = here.get(line.get("resource", "")) if line.get("action") == "sts:AssumeRole" else None
            # Who is asked for matters as much as who asks.
            line = {**line, "trust": trusted.trust} if trusted else line
            text = json.dumps(line, sort_keys=True)
            if (keys[role.arn], text) not in seen:
                seen.add((keys[role.arn], text))
                _file(role, line)
            if trusted and (keys[trusted.arn], text) not in seen:
                seen.add((keys[trusted.arn], text))
                principal = f"arn:aws:sts::{role.account}:assumed-role/{role.arn.rsplit('/', 1)[-1]}/session"
                trusted.assumptions.append({"principal": principal, "context": line["context"]})
    if not found:
        raise Unusable(f"`{FOLDER}` holds no record: {HOW}")
    return list(found.values())


def _file(role: Role, line: Json) -> None:
    if "unknown" in line:
        role.unknown.add(line["unknown"])
    elif "assumed" in line:
        role.assumptions.append(line)
    else:
        role.requests.append(line)
