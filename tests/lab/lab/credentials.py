"""Credentials inside the lab: sessions of the functions' roles, and administrators of an account for provisioning."""

from __future__ import annotations


def session_of_role(role_arn: str, session_name: str, region: str) -> dict[str, str]:
    """The environment variables with which Lambda hands a function the session of its role; Step Functions likewise."""
    from moto.sts.models import AssumedRole, sts_backends

    account_id = role_arn.split(":")[4]
    backend = sts_backends[account_id]["aws"]
    # Lambda assumes the role as a service, not as a caller of AssumeRole: the trust policy for callers is not asked.
    _, access_key = backend._create_access_key(role=role_arn)
    access_key.role_arn = role_arn
    session = AssumedRole(
        account_id=account_id,
        region_name=region,
        access_key=access_key,
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=43200,
        external_id="",
    )
    backend.assumed_roles.append(session)
    return {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
    }
