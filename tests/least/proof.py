"""The proof: what was asked, what of the policies that needs, and what nobody needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from . import mutations
from .judge import allowed, assumption_of, request_of
from .mutations import Mutation, Place
from .recorded import Json, Role

# Other values of condition keys, each of a kind that could come: a request that was made is tried with every one of them.
_OTHER_ACCOUNT, _OTHER_NAME = "999999999999", "somebody-elses"


def _foreign_arns(value: str) -> list[str]:
    fields = value.split(":", 5)
    kind = fields[5].split("/")[0].split(":")[0]
    elsewhere = ":".join([*fields[:4], _OTHER_ACCOUNT, fields[5]])
    separator = "/" if "/" in fields[5] else ":"
    return [elsewhere, ":".join([*fields[:5], f"{kind}{separator}{_OTHER_NAME}"])]


def _foreign(key: str, value: str) -> list[str]:
    """Values that a condition on this key should refuse where it lets `value` pass."""
    known = {
        "aws:SourceAccount": [_OTHER_ACCOUNT],
        "aws:SourceArn": _foreign_arns(value) if ":" in value else [],
        "aws:PrincipalArn": _foreign_arns(value) if ":" in value else [],
        "backup:CopyTargets": _foreign_arns(value) if ":" in value else [],
        "iam:PassedToService": ["ec2.amazonaws.com"],
        "kms:ViaService": ["secretsmanager." + value.split(".", 1)[-1]],
        "organizations:PolicyType": ["TAG_POLICY"],
        "sts:ExternalId": ["of-somebody-else"],
    }
    if key not in known:
        raise KeyError(f"say in `_foreign` of {__name__} what another value of `{key}` is")
    return known[key]


# What was proven last, for the summary of the run.
TABLE: list[str] = []


@dataclass(frozen=True)
class Witness:
    """Two cases that differ in one thing of the policies, and the decision that differs with it."""

    place: Place
    before: Json
    after: Json
    # Whether the first is allowed and the second not, or the other way round.
    narrows: bool


@dataclass
class Proof:
    """Of all roles together."""

    places: set[Place] = field(default_factory=set)
    witnesses: dict[Place, Witness] = field(default_factory=dict)
    # Every request with the policies as they are.
    asked: list[tuple[str, Json]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    @property
    def unnoticed(self) -> list[Place]:
        return sorted(self.places - set(self.witnesses), key=str)

    def table(self) -> list[str]:
        """One line for each role: what was taken out, and of how much of it a request told."""
        kinds: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for place in self.places:
            kinds[place.role][place.kind] += 1
            kinds[place.role]["noticed"] += place in self.witnesses
        columns = ["action", "resource", "principal", "condition", "value"]
        lines = [
            f"{'role':<46} {'requests':>8} " + " ".join(f"{one + 's':>10}" for one in columns) + "  mutations  noticed"
        ]
        requests: dict[str, set[str]] = defaultdict(set)
        for role, case in self.asked:
            requests[role].add(f"{case['request']}")
        for role, counts in sorted(kinds.items()):
            cells = " ".join(f"{counts[one]:>10}" for one in columns)
            total = sum(counts[one] for one in columns)
            lines.append(f"{role:<46} {len(requests[role]):>8} {cells} {total:>10} {counts['noticed']:>8}")
        total = len(self.places)
        lines.append(f"{'all':<46} {len(self.asked):>8} {'':>54} {total:>10} {len(self.witnesses):>8}")
        return lines


def prove(roles: list[Role]) -> Proof:
    proof = Proof()
    for role in roles:
        proof.unknown |= {f"{role.name}: {call}" for call in role.unknown}
        proof.asked += [(role.name, request_of(role, line, role.policies)) for line in role.requests]
        proof.asked += [(role.name, assumption_of(role, line, role.trust)) for line in role.assumptions]
        for mutation in mutations.of(role):
            proof.places.add(mutation.place)
            if mutation.place not in proof.witnesses:
                found = next(_told(role, mutation), None)
                if found is not None:
                    proof.witnesses[mutation.place] = found
    return proof


def _told(role: Role, mutation: Mutation) -> Iterator[Witness]:
    """The requests of which the decision is another one without the thing that is gone."""
    for before, after in _cases(role, mutation):
        narrows = not mutation.widened
        if allowed(before) is narrows and allowed(after) is not narrows:
            yield Witness(mutation.place, before, after, narrows)


def _cases(role: Role, mutation: Mutation) -> Iterator[tuple[Json, Json]]:
    lines = role.assumptions if mutation.of_trust else role.requests
    for line in lines:
        if not mutation.of_trust and not _is_about(mutation.statement, line):
            continue
        for changed in _contexts(line["context"], mutation.widened):
            if mutation.of_trust:
                yield assumption_of(role, line, role.trust, changed), assumption_of(role, line, mutation.trust, changed)
            else:
                yield request_of(role, line, role.policies, changed), request_of(role, line, mutation.policies, changed)


def _is_about(statement: Json, line: Json) -> bool:
    """Whether the statement names the action and the resource of a request; read more widely than IAM reads it, because it only saves time."""
    action = line["action"].lower()
    actions = any(fnmatchcase(action, one.lower()) for one in mutations.as_list(statement["Action"]))
    return actions and any(fnmatchcase(line["resource"], one) for one in mutations.as_list(statement["Resource"]))


def _contexts(context: Json, key: str) -> Iterator[Json]:
    """The context as it was, or with each other value of one key."""
    if not key:
        yield {}
        return
    values = context.get(key)
    for value in mutations.as_list(values) if values is not None else []:
        for other in _foreign(key, value):
            yield {key: other}
