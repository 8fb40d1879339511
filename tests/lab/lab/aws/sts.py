"""AssumeRole as AWS grants it: the role must exist, its trust policy and the caller's policies must allow it."""

from __future__ import annotations

import json
from typing import Any

from moto.core.exceptions import ServiceException

from lab import authorizations, clock

from . import accounts
from .evaluator import Policies, Request, evaluate


class AccessDenied(ServiceException):
    status_code = 403

    def __init__(self, caller_arn: str, role_arn: str) -> None:
        super().__init__(
            "AccessDenied",
            f"User: {caller_arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
        )


def may_assume(caller: accounts.Caller, role_arn: str, external_id: str | None, mfa: bool = False) -> bool:
    role = accounts.role_by_arn(role_arn)
    if role is None:
        return False
    account_id = accounts.account_of(role_arn)
    context: dict[str, Any] = {
        "aws:PrincipalArn": caller.role_arn or caller.arn,
        "aws:PrincipalAccount": caller.account_id,
        "aws:PrincipalIsAWSService": "false",
        "aws:ResourceAccount": account_id,
        "aws:SecureTransport": "true",
        "aws:CurrentTime": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    organization = accounts.organization_of(caller.account_id)
    if organization:
        context["aws:PrincipalOrgID"] = organization
    path = accounts.organization_path(caller.account_id)
    if path:
        context["aws:PrincipalOrgPaths"] = [path]
    if external_id:
        context["sts:ExternalId"] = external_id
    # Whoever has a device and its code: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    context |= {"aws:MultiFactorAuthPresent": "true"} if mfa else {}
    authorizations.asked(caller.role_arn, "sts:AssumeRole", role_arn, context)
    caller_role = accounts.role_by_arn(caller.role_arn) if caller.role_arn else None
    allowed = evaluate(
        Request(caller.arn, "sts:AssumeRole", role_arn, account_id, context),
        Policies(
            identity=accounts.identity_of_caller(caller),
            boundary=accounts.boundary_of(caller_role) if caller_role else None,
            scps=accounts.scp_levels(caller.account_id),
            rcps=accounts.rcp_levels(account_id),
            resource=json.loads(role.assume_role_policy_document),
            session=caller.session_policy,
            management_account=accounts.management_account(),
        ),
    ).allowed
    if allowed and not authorizations.watched(caller.role_arn):
        authorizations.assumed(role_arn, caller.arn, context)
    return allowed


def install() -> None:
    from moto.iam import models as iam_models
    from moto.sts.responses import TokenResponse

    # Any static access key belongs to the management account.
    iam_models.DEFAULT_ACCOUNT_ID = accounts.MANAGEMENT_ACCOUNT
    assume = TokenResponse.assume_role

    def assume_role(self: TokenResponse) -> Any:
        caller = accounts.caller_of(self.get_access_key())
        role_arn = self._get_param("RoleArn")
        # A device is somebody's: the session of a role has none.
        given = self._get_param("SerialNumber") and self._get_param("TokenCode")
        mfa = bool(given) and not caller.role_arn
        if not may_assume(caller, role_arn, self._get_param("ExternalId"), mfa):
            raise AccessDenied(caller.arn, role_arn)
        return assume(self)

    TokenResponse.assume_role = assume_role  # type: ignore[method-assign]
