"""The lab's own IAM evaluator: would AWS allow this request?

It decides the outcome of copies in the lab. It shares no code with the product, because a test that asks the product
whether the product is right proves nothing. It must not know where policies come from.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html,
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html,
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .matching import Undocumented, as_list, conditions_hold, interpolate, resource_matches, wildcard

ALLOWED = "Allowed"
IMPLICITLY_DENIED = "ImplicitlyDenied"
EXPLICITLY_DENIED = "ExplicitlyDenied"
UNCERTAIN = "Uncertain"

Policy = Mapping[str, Any]

# Services that resource control policies reach; AWS Backup and IAM are not among them.
RCP_SERVICES = frozenset({"s3", "sts", "kms", "sqs", "secretsmanager", "ecr", "aoss", "cognito-idp", "logs"})

_KMS_ACROSS_ACCOUNTS = (
    "encrypt", "decrypt", "reencryptfrom", "reencryptto", "generatedatakey", "generatedatakeywithoutplaintext",
    "generatedatakeypair", "generatedatakeypairwithoutplaintext", "sign", "verify", "generatemac", "verifymac",
    "derivesharedsecret", "creategrant", "describekey", "getkeyrotationstatus", "getpublickey", "listgrants",
    "retiregrant", "revokegrant",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One call. `context` is complete: a key that is not in it is absent from the request."""

    principal: str
    action: str
    resource: str
    resource_account: str
    context: Mapping[str, str | list[str]] = field(default_factory=dict)


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
    try:
        return _Evaluation(request, policies).decide()
    except Undocumented:
        return Decision(UNCERTAIN)


class _Evaluation:
    def __init__(self, request: Request, policies: Policies) -> None:
        self.request = request
        self.policies = policies
        self.service = request.action.split(":", 1)[0].lower()
        principal = request.principal
        self.is_service = not principal.startswith("arn:")
        self.account = "" if self.is_service else principal.split(":")[4]
        role = str(request.context.get("aws:PrincipalArn") or principal)
        self.role_arn = role if ":role/" in role else ""
        self.is_session = ":assumed-role/" in principal
        self.is_service_linked = ":role/aws-service-role/" in self.role_arn

    # -- the decision ------------------------------------------------------------------------------------------------

    def decide(self) -> Decision:
        denied_by = self._explicit_deny()
        if denied_by:
            return Decision(EXPLICITLY_DENIED, denied_by)
        if any(not self._allows(level) for level in self._scp_levels()):
            return Decision(IMPLICITLY_DENIED, "service control policy")
        return self._grants_of_request()

    def _explicit_deny(self) -> str:
        layers: list[tuple[str, Iterable[Policy]]] = [
            ("service control policy", [policy for level in self._scp_levels() for policy in level]),
            ("resource control policy", [policy for level in self._rcp_levels() for policy in level]),
        ]
        if not self.is_service:
            layers += [
                ("permissions boundary", [self.policies.boundary] if self.policies.boundary else []),
                ("session policy", [self.policies.session] if self.policies.session else []),
                ("identity-based policy", self.policies.identity),
            ]
        for name, documents in layers:
            if any(
                self._statement_matches(statement, document)
                for document in documents
                for statement in _statements(document, "Deny")
            ):
                return name
        uncertain = False
        for statement in _statements(self.policies.resource, "Deny"):
            assert self.policies.resource is not None
            if not self._statement_matches(statement, self.policies.resource):
                continue
            try:
                if self._denied_principal(statement):
                    return "resource-based policy"
            except Undocumented:
                uncertain = True
        if uncertain:
            raise Undocumented("NotPrincipal with an incomplete chain")
        return ""

    def _scp_levels(self) -> tuple[tuple[Policy, ...], ...]:
        exempt = self.is_service or self.is_service_linked or self.account == self.policies.management_account
        return () if exempt else self.policies.scps

    def _rcp_levels(self) -> tuple[tuple[Policy, ...], ...]:
        exempt = (
            self.request.resource_account == self.policies.management_account
            or self.is_service_linked
            or self.service not in RCP_SERVICES
            or self.policies.aws_managed_key
            or self.request.action.lower() == "kms:retiregrant"
        )
        return () if exempt else self.policies.rcps

    def _grants_of_request(self) -> Decision:
        direct, role, account = self._resource_policy_classes()
        session_allows = self.policies.session is None or self._allows([self.policies.session])
        boundary_allows = self.policies.boundary is None or self._allows([self.policies.boundary])
        if direct and self.is_session and not session_allows and self._session_arn_named():
            raise Undocumented("a session policy against a grant to the session ARN")
        identity_allows = self._allows(self.policies.identity)
        limited = boundary_allows and session_allows
        iam = identity_allows and limited
        same_account = self.account == self.request.resource_account
        is_key = self.service == "kms" and ":key/" in self.request.resource
        if self.is_service:
            return Decision(ALLOWED) if direct else Decision(IMPLICITLY_DENIED, "resource-based policy")
        if is_key and self._grant_allows():
            return Decision(ALLOWED)
        if same_account and is_key:
            allowed = direct or (role and limited) or (account and iam)
            missing_on_resource = not (direct or role or account)
        elif same_account:
            allowed = direct or (role and limited) or iam
            missing_on_resource = False
        else:
            reaches = not is_key or self.request.action.split(":", 1)[1].lower() in _KMS_ACROSS_ACCOUNTS
            allowed = (direct or role or account) and iam and reaches
            missing_on_resource = not (direct or role or account) or not reaches
        if allowed:
            return Decision(ALLOWED)
        if missing_on_resource:
            return Decision(IMPLICITLY_DENIED, "resource-based policy")
        if not identity_allows:
            return Decision(IMPLICITLY_DENIED, "identity-based policy")
        return Decision(IMPLICITLY_DENIED, "session policy" if boundary_allows else "permissions boundary")

    # -- statements --------------------------------------------------------------------------------------------------

    def _allows(self, documents: Iterable[Policy]) -> bool:
        return any(
            self._statement_matches(statement, document)
            for document in documents
            for statement in _statements(document, "Allow")
        )

    def _statement_matches(self, statement: Mapping[str, Any], document: Policy) -> bool:
        version = str(document.get("Version", "2008-10-17"))
        return (
            self._action_matches(statement)
            and self._resource_matches(statement, version)
            and conditions_hold(statement, self.request.context, version)
        )

    def _action_matches(self, statement: Mapping[str, Any]) -> bool:
        def listed(name: str) -> bool:
            return any(wildcard(pattern, self.request.action, True) for pattern in as_list(statement.get(name)))

        if "NotAction" in statement:
            return not listed("NotAction")
        return listed("Action")

    def _resource_matches(self, statement: Mapping[str, Any], version: str) -> bool:
        def listed(name: str) -> bool:
            patterns = (interpolate(pattern, self.request.context, version) for pattern in as_list(statement.get(name)))
            return any(pattern is not None and resource_matches(pattern, self.request.resource) for pattern in patterns)

        if "NotResource" in statement:
            return not listed("NotResource")
        # A vault policy or key policy says "*"; a statement without the element applies to the resource it hangs on.
        return listed("Resource") if "Resource" in statement else True

    # -- principals --------------------------------------------------------------------------------------------------

    def _resource_policy_classes(self) -> tuple[bool, bool, bool]:
        direct = role = account = False
        policy = self.policies.resource
        for statement in _statements(policy, "Allow"):
            assert policy is not None
            if "Principal" not in statement or not self._statement_matches(statement, policy):
                continue
            classes = self._classes(statement["Principal"])
            direct |= "direct" in classes
            role |= "role" in classes
            account |= "account" in classes
        return direct, role, account

    def _session_arn_named(self) -> bool:
        return any(
            self.request.principal in _principal_values(statement.get("Principal"), "AWS")
            for statement in _statements(self.policies.resource, "Allow")
        )

    def _classes(self, principal: Any) -> set[str]:
        if principal == "*":
            return {"direct"}
        found: set[str] = set()
        if self.is_service and self.request.principal in _principal_values(principal, "Service"):
            found.add("direct")
        for value in _principal_values(principal, "AWS"):
            if value == "*" or (value == self.request.principal and ":role/" not in value):
                found.add("direct")
            elif self._is_callers_role(value):
                found.add("role")
            elif self.account and _account_of(value) == self.account:
                found.add("account")
        return found

    def _is_callers_role(self, value: str) -> bool:
        if ":role/" not in value or self.is_service:
            return False
        mine = self.role_arn
        if not mine and self.is_session:
            partition, name = self.request.principal.split(":")[1], self.request.principal.split("/")[1]
            mine = f"arn:{partition}:iam::{self.account}:role/{name}"
        if not mine:
            return False
        return value.split(":")[:5] == mine.split(":")[:5] and value.rsplit("/", 1)[-1] == mine.rsplit("/", 1)[-1]

    def _denied_principal(self, statement: Mapping[str, Any]) -> bool:
        if "Principal" in statement:
            return bool(self._classes(statement["Principal"]))
        if "NotPrincipal" not in statement:
            return False
        if self.policies.boundary is not None:
            return True
        named = self._classes(statement["NotPrincipal"])
        if not named:
            return True
        if self.is_service or statement["NotPrincipal"] == "*":
            return False
        complete = "account" in named and ("direct" in named or not self.is_session) and (
            "role" in named or not self.role_arn
        )  # fmt: skip
        if complete:
            return False
        raise Undocumented("NotPrincipal with an incomplete chain")

    # -- KMS grants --------------------------------------------------------------------------------------------------

    def _grant_allows(self) -> bool:
        operation = self.request.action.split(":", 1)[1]
        for grant in self.policies.grants:
            if "GrantId" not in grant:
                raise Undocumented("a grant that was not read from KMS")
            if not self._grantee(str(grant.get("GranteePrincipal", ""))) or operation not in grant.get(
                "Operations", []
            ):
                continue
            if operation in {"DescribeKey", "RetireGrant"} or self._constraints_met(grant.get("Constraints") or {}):
                return True
        return False

    def _grantee(self, grantee: str) -> bool:
        return bool(self._classes({"AWS": grantee}))

    def _constraints_met(self, constraints: Mapping[str, Any]) -> bool:
        prefix = "kms:encryptioncontext:"
        found = {
            key.lower().removeprefix(prefix): value
            for key, value in self.request.context.items()
            if key.lower().startswith(prefix)
        }
        equals = {key.lower(): value for key, value in (constraints.get("EncryptionContextEquals") or {}).items()}
        subset = {key.lower(): value for key, value in (constraints.get("EncryptionContextSubset") or {}).items()}
        if equals and equals != found:
            return False
        return all(found.get(key) == value for key, value in subset.items())


def _statements(document: Policy | None, effect: str) -> list[Mapping[str, Any]]:
    if not document:
        return []
    return [one for one in as_list(document.get("Statement")) if one.get("Effect") == effect]


def _principal_values(principal: Any, kind: str) -> list[str]:
    if principal == "*":
        return ["*"] if kind == "AWS" else []
    return [str(value) for value in as_list((principal or {}).get(kind))]


def _account_of(value: str) -> str:
    """The account that an account-level principal names: its root ARN or its bare id."""
    if value.isdigit() and len(value) == 12:
        return value
    return value.split(":")[4] if value.endswith(":root") and value.count(":") >= 5 else ""
