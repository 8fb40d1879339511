"""The lab's own IAM evaluator: would AWS allow this request?

It decides the outcome of copies in the lab, and is the second opinion on the product's engine. It shares no code with
the product, because a test that asks the product whether the product is right proves nothing. It must not know where
policies come from. What AWS leaves open, what cannot be read and what is not known is carried as the set of possible
truths; an outcome is certain when no possibility changes it.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html,
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html,
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .matching import (
    NO,
    OPEN,
    UNKNOWN,
    YES,
    Context,
    Truth,
    as_list,
    conditions_hold,
    every,
    interpolate,
    inverse,
    resource_matches,
    some,
    truth,
    wildcard,
)

ALLOWED = "Allowed"
IMPLICITLY_DENIED = "ImplicitlyDenied"
EXPLICITLY_DENIED = "ExplicitlyDenied"
UNCERTAIN = "Uncertain"

Policy = Mapping[str, Any]

# Services that resource control policies reach; AWS Backup and IAM are not among them.
RCP_SERVICES = frozenset(
    {"s3", "sts", "kms", "sqs", "secretsmanager", "ecr", "aoss", "cognito-idp", "cognito-identity", "logs"}
)

_KMS_ACROSS_ACCOUNTS = (
    "encrypt", "decrypt", "reencryptfrom", "reencryptto", "generatedatakey", "generatedatakeywithoutplaintext",
    "generatedatakeypair", "generatedatakeypairwithoutplaintext", "sign", "verify", "generatemac", "verifymac",
    "derivesharedsecret", "creategrant", "describekey", "getkeyrotationstatus", "getpublickey", "listgrants",
    "retiregrant", "revokegrant",
)  # fmt: skip
_KMS_WITHOUT_KEY = {"createkey", "generaterandom", "listaliases", "listkeys", "listretirablegrants"}

_ELEMENTS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_CALLER = re.compile(
    r"arn:(?P<partition>[^:]+):(?:"
    r"iam::(?P<account>\d{12,13}):(?P<kind>root$|user/.+|role/(?:.*/)?(?P<role>[^/]+)$)"
    r"|sts::(?P<session_account>\d{12,13}):assumed-role/(?P<session_role>[^/]+)/?.*)"
)
_SERVICE = re.compile(r"[A-Za-z0-9_-]*\.[A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Request:
    """One call. `context` is complete: a key that is neither in it nor in `unknown` is absent from the request."""

    principal: str
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policies:
    """Every document that may apply to a request, by layer."""

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    scps: tuple[tuple[Policy, ...], ...] = ()
    rcps: tuple[tuple[Policy, ...], ...] = ()
    resource: Policy | None = None
    session: Policy | None = None
    grants: tuple[Mapping[str, Any], ...] = ()
    management_account: str | None = None
    aws_managed_key: bool = False


@dataclass(frozen=True)
class Decision:
    """`policy_type` is the layer that AWS names in its error message; empty when allowed or uncertain."""

    outcome: str
    policy_type: str = ""

    @property
    def allowed(self) -> bool:
        return self.outcome == ALLOWED


def evaluate(request: Request, policies: Policies) -> Decision:
    caller = _Caller.read(request.principal)
    if caller is None:
        # A federated user, say: not modelled.
        return Decision(UNCERTAIN)
    return _Evaluation(request, policies, caller).decide()


@dataclass(frozen=True)
class _Caller:
    arn: str
    partition: str = ""
    account: str = ""
    # `service`, `root`, `user`, `role` or `session`.
    kind: str = "service"
    role: str = ""

    @classmethod
    def read(cls, text: str) -> _Caller | None:
        found = _CALLER.fullmatch(text)
        if found and found["session_role"]:
            return cls(text, found["partition"], found["session_account"], "session", found["session_role"])
        if found:
            kind = found["kind"].split("/", 1)[0]
            return cls(text, found["partition"], found["account"], kind, found["role"] or "")
        return cls(text) if _SERVICE.fullmatch(text) else None

    def is_account(self, value: str) -> bool:
        return bool(self.account) and value in (self.account, f"arn:{self.partition}:iam::{self.account}:root")

    def is_role(self, value: str) -> bool:
        """A role ARN means the role and its sessions; a session's ARN has no path, so only the name is compared."""
        start = f"arn:{self.partition}:iam::{self.account}:role/"
        return bool(self.role) and value.startswith(start) and value.rsplit("/", 1)[-1] == self.role

    def classes(self, principal: Any) -> set[str]:
        """As what a readable Principal element means the caller."""
        if principal == "*":
            return {"direct"}
        aws, services = as_list(principal.get("AWS")), as_list(principal.get("Service"))
        found: set[str] = set()
        if "*" in aws or (self.kind == "service" and self.arn in services):
            found.add("direct")
        if self.kind == "service":
            return found
        for value in aws:
            if self.is_account(value):
                found.add("account")
            elif self.is_role(value):
                found.add("role")
            elif value == self.arn:
                found.add("session" if self.kind == "session" else "direct")
        return found

    def excepted(self, principal: Any) -> Truth:
        """Whether a readable NotPrincipal element excepts the caller: only a whole chain does so for certain."""
        if principal == "*" or "*" in as_list(principal.get("AWS")):
            return YES
        if self.kind == "service":
            return truth(self.arn in as_list(principal.get("Service")))
        aws = as_list(principal.get("AWS"))
        chain = [any(self.is_account(value) for value in aws)]
        if self.role:
            chain.append(any(self.is_role(value) for value in aws))
        if self.kind in ("user", "session"):
            chain.append(self.arn in aws)
        return truth(chain[0]) if len(set(chain)) == 1 else OPEN


class _Evaluation:
    def __init__(self, request: Request, policies: Policies, caller: _Caller) -> None:
        self.request = request
        self.policies = policies
        self.caller = caller
        self.context = Context(request.context, request.unknown)
        self.service, _, self.operation = request.action.lower().partition(":")
        self.is_service = caller.kind == "service"
        self.service_linked = self._service_linked()

    def _service_linked(self) -> Truth:
        """By the reserved path of the role; a session does not tell it, so the role's ARN must be given."""
        if self.caller.kind == "role":
            return truth(self.caller.arn.split(":", 5)[5].startswith("role/aws-service-role/"))
        if self.caller.kind != "session":
            return NO
        role = self.context.get("aws:PrincipalArn")
        if role is UNKNOWN:
            return OPEN
        if isinstance(role, str):
            return truth(role.split(":", 5)[-1].startswith("role/aws-service-role/"))
        return OPEN if self.caller.role.startswith("AWSServiceRoleFor") else NO

    # -- the decision ------------------------------------------------------------------------------------------------

    def decide(self) -> Decision:
        denies = self._denies()
        denied = some(deny for _, deny in denies)
        scp_allows = self._scps_allow()
        allowed, missing = self._grants_of_request()
        if denied == YES:
            return Decision(EXPLICITLY_DENIED, next((name for name, deny in denies if deny == YES), denies[0][0]))
        result = every([scp_allows, allowed])
        if denied == NO and result == YES:
            return Decision(ALLOWED)
        if denied == NO and result == NO:
            return Decision(IMPLICITLY_DENIED, "service control policy" if scp_allows == NO else missing)
        return Decision(UNCERTAIN)

    def _denies(self) -> list[tuple[str, Truth]]:
        def deny(documents: Iterable[Policy]) -> Truth:
            return some(self._says("Deny", document) for document in documents)

        policies = self.policies
        denies = [
            (
                "service control policy",
                every([self._scps_reach(), deny(one for level in policies.scps for one in level)]),
            ),
            (
                "resource control policy",
                every([self._rcps_reach(), deny(one for level in policies.rcps for one in level)]),
            ),
        ]
        if not self.is_service:
            denies += [
                ("permissions boundary", deny([policies.boundary] if policies.boundary is not None else [])),
                ("session policy", deny([policies.session] if policies.session is not None else [])),
                ("identity-based policy", deny(policies.identity)),
            ]
        denies.append(("resource-based policy", self._resource_policy("Deny")["any"]))
        return denies

    def _scps_reach(self) -> Truth:
        if self.is_service or self.caller.account == self.policies.management_account:
            return NO
        return inverse(self.service_linked)

    def _rcps_reach(self) -> Truth:
        exempt = (
            self.request.resource_account == self.policies.management_account
            or self.service not in RCP_SERVICES
            or self.policies.aws_managed_key
            or (self.service, self.operation) == ("kms", "retiregrant")
        )
        return NO if exempt else inverse(self.service_linked)

    def _scps_allow(self) -> Truth:
        levels = every(some(self._says("Allow", document) for document in level) for level in self.policies.scps)
        return some([inverse(self._scps_reach()), levels])

    def _grants_of_request(self) -> tuple[Truth, str]:
        """Whether it is allowed apart from SCPs and Denys, and the layer that is missing where it is not."""
        policies, request = self.policies, self.request

        def allows(document: Policy | None) -> Truth:
            return YES if document is None else self._says("Allow", document)

        boundary, session = allows(policies.boundary), allows(policies.session)
        identity = some(self._says("Allow", document) for document in policies.identity)
        if self.caller.kind == "root":
            # The root user has no policies and needs none.
            identity = YES
        limited = every([boundary, session])
        iam = every([identity, limited])
        resource = self._resource_policy("Allow")
        same_account = not self.is_service and self.caller.account == request.resource_account
        if self.is_service:
            allowed = resource["direct"]
        elif same_account:
            by_session = resource["session"]
            if by_session != NO and session != YES:
                # The pages contradict each other about a session policy and a grant to the session itself.
                by_session = OPEN
            through_account = every([resource["account"], iam]) if self._needs_resource_policy() else iam
            allowed = some([resource["direct"], by_session, every([resource["role"], limited]), through_account])
        else:
            allowed = every([resource["any"], iam])
        if self.service == "kms":
            allowed = some([allowed, self._grants_allow(iam)])
            if not self.is_service and not same_account and self.operation not in _KMS_ACROSS_ACCOUNTS:
                return NO, "resource-based policy"
        if self.is_service or (resource["any"] != YES and not (same_account and not self._needs_resource_policy())):
            return allowed, "resource-based policy"
        if identity != YES:
            return allowed, "identity-based policy"
        return allowed, "session policy" if boundary == YES else "permissions boundary"

    def _needs_resource_policy(self) -> bool:
        """Keys and roles are closed to everybody whom their own policy does not name."""
        if self.service == "sts":
            return ":role/" in self.request.resource
        if self.service != "kms":
            return False
        if self.request.resource == "*":
            return self.operation not in _KMS_WITHOUT_KEY and "customkeystore" not in self.operation
        return not (":alias/" in self.request.resource and self.operation.endswith("alias"))

    # -- statements --------------------------------------------------------------------------------------------------

    def _says(self, effect: str, document: Any) -> Truth:
        """Whether a document without principals allows or denies the request."""
        statements = _statements(document)
        if statements is None:
            return OPEN
        return some(self._matches(statement, document, effect) for statement in statements)

    def _matches(self, statement: Any, document: Policy, effect: str, hangs_on_resource: bool = False) -> Truth:
        if not isinstance(statement, dict):
            return OPEN
        found = statement.get("Effect")
        version = document.get("Version", "2008-10-17")
        sound = not (statement.keys() - _ELEMENTS) and version in ("2008-10-17", "2012-10-17")
        return every(
            [
                truth(found == effect) if found in ("Allow", "Deny") else OPEN,
                YES if sound else OPEN,
                self._listed(statement, "Action", version),
                # A trust policy has no Resource: its statements are about the role they hang on.
                YES
                if hangs_on_resource and not {"Resource", "NotResource"} & statement.keys()
                else self._listed(statement, "Resource", version),
                conditions_hold(statement, self.context, version),
            ]
        )

    def _listed(self, statement: Mapping[str, Any], name: str, version: Any) -> Truth:
        here = [one for one in (name, f"Not{name}") if one in statement]
        if len(here) != 1:
            return OPEN
        values = _texts(statement[here[0]])
        if values is None:
            return OPEN
        test = self._action_is if name == "Action" else self._resource_is
        listed = some(test(value, version) for value in values)
        return listed if here[0] == name else inverse(listed)

    def _action_is(self, pattern: str, _version: Any) -> Truth:
        return truth(wildcard(pattern, self.request.action, True))

    def _resource_is(self, text: str, version: Any) -> Truth:
        pattern = interpolate(text, self.context, version)
        if pattern is None:
            return NO
        return resource_matches(pattern, self.request.resource) if isinstance(pattern, str) else OPEN

    # -- principals --------------------------------------------------------------------------------------------------

    def _resource_policy(self, effect: str) -> dict[str, Truth]:
        """What the resource policy says for the caller: altogether, and by the class in which it means the caller."""
        said: dict[str, Truth] = dict.fromkeys(("any", "direct", "session", "role", "account"), NO)
        if self.policies.resource is None or (self.service, self.operation) == ("iam", "passrole"):
            # The trust policy of a role takes no part in passing it.
            return said
        statements = _statements(self.policies.resource)
        if statements is None:
            return dict.fromkeys(said, OPEN)
        for statement in statements:
            matches = self._matches(statement, self.policies.resource, effect, hangs_on_resource=True)
            means, classes = self._means(statement, effect)
            matches = every([matches, means])
            for name in classes | {"any"}:
                said[name] = some([said[name], matches])
        return said

    def _means(self, statement: Any, effect: str) -> tuple[Truth, set[str]]:
        everybody = {"direct", "role", "account"}
        if not isinstance(statement, dict):
            return OPEN, everybody
        named = [one for one in ("Principal", "NotPrincipal") if one in statement]
        if not named:
            return NO, set()
        if len(named) == 2 or not _readable_principal(statement[named[0]]):
            return OPEN, everybody
        if named == ["Principal"]:
            classes = self.caller.classes(statement["Principal"])
            return truth(bool(classes)), classes
        if statement.get("Effect") != "Deny":
            # Only legal with Deny.
            return OPEN, everybody
        if self.policies.boundary is not None and not self.is_service:
            # For a principal with a permissions boundary such a statement always denies.
            return YES, everybody
        return inverse(self.caller.excepted(statement["NotPrincipal"])), everybody

    # -- KMS grants --------------------------------------------------------------------------------------------------

    def _grants_allow(self, iam: Truth) -> Truth:
        allowed = NO
        for grant in self.policies.grants:
            if "GrantId" not in grant:
                continue
            operations = {one.lower() for one in grant.get("Operations", [])}
            grantee = grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal") or ""
            if self.operation not in operations or not self._is_grantee(grantee):
                continue
            met = YES
            if self.operation not in {"describekey", "retiregrant"}:
                met = self._constraints_met(grant.get("Constraints") or {})
            if self.caller.is_account(grantee) and iam != YES:
                # Whether a grant to a whole account needs an identity policy beside it is not documented.
                met = every([met, OPEN])
            allowed = some([allowed, met])
        if allowed == NO and any("GrantId" not in grant for grant in self.policies.grants):
            # A grant that was not read from KMS: nobody knows what else it says.
            return OPEN
        return allowed

    def _is_grantee(self, grantee: str) -> bool:
        return grantee == self.caller.arn or self.caller.is_account(grantee) or self.caller.is_role(grantee)

    def _constraints_met(self, constraints: Mapping[str, Any]) -> Truth:
        pairs = self.context.under("kms:encryptioncontext:")

        def contains(wanted: Mapping[str, str]) -> Truth:
            return every(
                OPEN if (found := pairs.get(key.lower())) is UNKNOWN else truth(found == value)
                for key, value in wanted.items()
            )

        met = [contains(constraints.get("EncryptionContextSubset") or {})]
        exactly = constraints.get("EncryptionContextEquals")
        if exactly is not None:
            known = [key for key, value in pairs.items() if value is not UNKNOWN]
            names = self.context.get("kms:EncryptionContextKeys")
            met += [contains(exactly), truth(set(known) <= {key.lower() for key in exactly})]
            strangers = any(value is UNKNOWN and key not in exactly for key, value in pairs.items())
            if names is UNKNOWN or (names is None and strangers):
                met.append(OPEN)
            elif names is not None:
                # The names of all pairs are known: with every wanted pair there, their number decides.
                met.append(truth(len(as_list(names)) == len(exactly)))
        return every(met)


def _statements(document: Any) -> list[Any] | None:
    """The statements; None where the document cannot be read and may say anything."""
    statements = document.get("Statement") if isinstance(document, dict) else None
    return as_list(statements) if isinstance(statements, dict | list) else None


def _texts(value: Any) -> list[str] | None:
    values = as_list(value)
    return values if value is not None and all(isinstance(one, str) for one in values) else None


def _readable_principal(principal: Any) -> bool:
    if not isinstance(principal, dict):
        return bool(principal == "*")
    kinds = {"AWS", "Service", "Federated", "CanonicalUser"}
    return not (principal.keys() - kinds) and all(_texts(values) is not None for values in principal.values())
