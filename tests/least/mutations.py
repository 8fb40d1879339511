"""Everything that can be taken out of the policies of a role, one thing at a time.

What narrows a policy (an action, a resource, a principal, a value of a condition) is noticed when a request that was made is refused without it. What
widens it (a condition) is noticed when a request that was made, with another value for the condition, is refused with it and allowed without.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .recorded import Json, Role

TRUST = "trust"


@dataclass(frozen=True)
class Place:
    """Where something stands, in whatever account and by whatever deployment: `what` is what it was in one of them."""

    role: str
    document: str
    statement: str
    kind: str
    number: int
    what: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.role}: {self.document} / {self.statement}: {self.kind} `{self.what}`"


@dataclass(frozen=True)
class Mutation:
    """A role without one thing."""

    place: Place
    policies: dict[str, Json]
    trust: Json
    # The statement in which it stood, without its conditions: a request that this does not match tells nothing.
    statement: Json
    # The condition key that is gone, where one is.
    widened: str = ""

    @property
    def of_trust(self) -> bool:
        return self.place.document == TRUST


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of(role: Role) -> Iterator[Mutation]:
    for name, document in [*role.policies.items(), (TRUST, role.trust)]:
        for number, statement in enumerate(as_list(document["Statement"])):
            numbers: Counter[str] = Counter()
            for kind, what, without, widened in _of_statement(statement):
                # Parts under a condition of the template come last in their list, so the others keep their numbers without them.
                numbers[kind] += 1
                statements = list(as_list(document["Statement"]))
                statements[number : number + 1] = [] if without is None else [without]
                mutated = {**document, "Statement": statements}
                sid = statement.get("Sid", f"#{number + 1}")
                where = Place(role.name, name, sid, kind, numbers[kind], what)
                policies = role.policies if name == TRUST else {**role.policies, name: mutated}
                trust = mutated if name == TRUST else role.trust
                unconditional = {key: value for key, value in statement.items() if key != "Condition"}
                yield Mutation(where, policies, trust, unconditional, widened)


Without = tuple[str, str, Json | None, str]


def _of_statement(statement: Json) -> Iterator[Without]:
    for element in ("Action", "Resource"):
        for value in as_list(statement.get(element, [])):
            yield element.lower(), value, _shorter(statement, [element], value), ""
    for kind in statement.get("Principal", {}):
        for value in as_list(statement["Principal"][kind]):
            yield "principal", f"{kind} {value}", _shorter(statement, ["Principal", kind], value), ""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            for value in as_list(values):
                yield "value", f"{key} {value}", _shorter(statement, ["Condition", operator, key], value), ""
            wider = copy.deepcopy(statement)
            del wider["Condition"][operator][key]
            if not wider["Condition"][operator]:
                del wider["Condition"][operator]
            yield "condition", f"{operator} {key}", wider, key


def _shorter(statement: Json, path: list[str], value: str) -> Json | None:
    """The statement without one of several values; without the only one it says nothing at all."""
    shorter = copy.deepcopy(statement)
    parent = shorter
    for step in path[:-1]:
        parent = parent[step]
    left = [one for one in as_list(parent[path[-1]]) if one != value]
    parent[path[-1]] = left
    return shorter if left else None
