"""The lab in front of moto's dispatcher: AWS Backup and what `operations` has are answered here, management writes recorded.

Everything else goes to moto as it came.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from moto.moto_server.werkzeug_app import DomainDispatcherApplication

from lab import authorizations
from lab import wire as protocols
from lab.accounts import GLOBAL_REGION

from . import accounts, cloudtrail, gate, operations, regions
from .backup import wire

Start = Callable[..., Any]

# Writes of other services that matter to backups: what changes a key, a role, a policy or the organization.
RECORDED = {
    "kms": frozenset(
        {
            "CreateKey", "PutKeyPolicy", "CreateGrant", "RevokeGrant", "RetireGrant", "DisableKey", "EnableKey",
            "ScheduleKeyDeletion", "CancelKeyDeletion", "CreateAlias", "DeleteAlias", "DeleteImportedKeyMaterial",
        }
    ),
    "iam": frozenset(
        {
            "CreateRole", "DeleteRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "DeleteRolePolicy",
            "AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary",
            "CreatePolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion", "DeleteServiceLinkedRole",
        }
    ),
    "organizations": frozenset(
        {
            "CreatePolicy", "UpdatePolicy", "DeletePolicy", "AttachPolicy", "DetachPolicy", "MoveAccount",
            "RemoveAccountFromOrganization", "CloseAccount", "DeregisterDelegatedAdministrator", "DisablePolicyType",
            "DisableAWSServiceAccess", "LeaveOrganization",
        }
    ),
    "ec2": frozenset(
        {
            "DeleteSnapshot", "DeregisterImage", "DisableImage", "ModifySnapshotAttribute", "ModifyEbsDefaultKmsKeyId",
            "ResetEbsDefaultKmsKeyId", "DisableEbsEncryptionByDefault", "EnableEbsEncryptionByDefault",
        }
    ),
    "rds": frozenset({"DeleteDBSnapshot", "DeleteDBClusterSnapshot"}),
    "cloudtrail": frozenset({"StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"}),
}  # fmt: skip

# Headers of S3 that say what is asked for.
_OF_S3 = {"x-amz-tagging": "HTTP_X_AMZ_TAGGING", "x-amz-copy-source": "HTTP_X_AMZ_COPY_SOURCE"}
# Global services have one history, in this Region.
_GLOBAL = {"iam": GLOBAL_REGION, "organizations": GLOBAL_REGION}


@dataclass(frozen=True)
class Signed:
    """What the signature says about a request."""

    access_key_id: str
    region: str
    service: str


def signed(environ: dict[str, Any]) -> Signed | None:
    header = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" not in header:
        return None
    scope = header.split("Credential=", 1)[1].split(",", 1)[0].split("/")
    if len(scope) < 5:
        return None
    return Signed(scope[0], scope[2], scope[3])


def _body(environ: dict[str, Any]) -> bytes:
    """The request's body, put back for whoever reads next."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return bytes(body)


def _answer(start: Start, status: int, body: dict[str, Any], error_code: str, content_type: str) -> list[bytes]:
    text = json.dumps(body).encode()
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(text))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    if error_code:
        headers.append(("x-amzn-ErrorType", error_code))
    start(f"{status} {HTTPStatus(status).phrase}", headers)
    return [text]


def _raw_path(environ: dict[str, Any]) -> str:
    # PATH_INFO is decoded already, which would turn one ARN into several segments.
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ.get("PATH_INFO", "")
    if "://" in raw:
        raw = "/" + raw.split("://", 1)[1].partition("/")[2]
    return str(raw).split("?", 1)[0]


def _backup(environ: dict[str, Any], start: Start, who: Signed) -> list[bytes]:
    caller = accounts.caller_of(who.access_key_id)
    answer = wire.answer(
        environ["REQUEST_METHOD"],
        _raw_path(environ),
        environ.get("QUERY_STRING", ""),
        _body(environ),
        who.region,
        caller,
    )
    if answer.operation and not cloudtrail.is_read_only("backup.amazonaws.com", answer.operation):
        _record(
            environ,
            caller,
            who.region,
            "backup",
            answer.operation,
            _lower_first(answer.params),
            answer.error_code,
            str(answer.body.get("message", "")) if answer.error_code else "",
            None if answer.error_code else _lower(json.loads(json.dumps(answer.body, default=str))) or None,
        )
    return _answer(start, answer.status, answer.body, answer.error_code, "application/json")


def _lower_first(params: dict[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: json.loads(json.dumps(value, default=str)) for name, value in params.items()}


def _looked_up_as(
    service: str, parameters: dict[str, Any], account_id: str, region: str
) -> tuple[tuple[str, str], ...]:
    key = parameters.get("keyId")
    if service == "kms" and isinstance(key, str):
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{region}:{account_id}:key/{key}"
        return (("AWS::KMS::Key", arn),)
    if isinstance(parameters.get("backupVaultName"), str):
        return (("AWS::Backup::BackupVault", parameters["backupVaultName"]),)
    if isinstance(parameters.get("roleName"), str):
        return (("AWS::IAM::Role", parameters["roleName"]),)
    return ()


def _record(
    environ: dict[str, Any],
    caller: accounts.Caller,
    region: str,
    service: str,
    action: str,
    parameters: dict[str, Any],
    error_code: str,
    error_message: str,
    response: dict[str, Any] | None = None,
) -> None:
    # The event of a write on a key of another account belongs to the caller; its owner gets its own record.
    looked_up_as = _looked_up_as(service, parameters, caller.account_id, region)
    arguments: dict[str, Any] = {
        "request_parameters": parameters or None,
        "response_elements": response,
        "error_code": error_code,
        "error_message": error_message,
        "looked_up_as": looked_up_as,
        "source_ip": environ.get("REMOTE_ADDR", "127.0.0.1"),
        "user_agent": environ.get("HTTP_USER_AGENT", ""),
    }
    if service == "kms" and looked_up_as:
        arguments["resources"] = [
            {"accountId": accounts.account_of(arn), "type": kind, "ARN": arn} for kind, arn in looked_up_as
        ]
    where = _GLOBAL.get(service, region)
    cloudtrail.record(
        caller.account_id, where, f"{service}.amazonaws.com", action, cloudtrail.caller_identity(caller), **arguments
    )


def _answered_here(environ: dict[str, Any], start: Start, who: Signed, name: str) -> list[bytes]:
    caller = accounts.caller_of(who.access_key_id)
    answer = operations.answer(who.service, name, _body(environ), who.region, caller)
    return _answer(start, answer.status, answer.body, answer.error_code, "application/x-amz-json-1.1")


def _refused_at_the_gate(environ: dict[str, Any], start: Start, who: Signed) -> list[bytes] | None:
    """Calls that no service sees: to a Region that is off for the account, and those that the caller's role does not allow."""
    caller = accounts.caller_of(who.access_key_id)
    judged = who.service in gate.SERVICES or authorizations.watched(caller.role_arn)
    if who.region not in regions.OPT_IN and not judged:
        return None
    headers = {
        "Authorization": environ.get("HTTP_AUTHORIZATION", ""),
        "X-Amz-Target": environ.get("HTTP_X_AMZ_TARGET"),
        "Content-Type": environ.get("CONTENT_TYPE"),
        **{name: environ[given] for name, given in _OF_S3.items() if given in environ},
    }
    method, path, query, body = (
        environ["REQUEST_METHOD"],
        _raw_path(environ),
        environ.get("QUERY_STRING", ""),
        # What these carry says nothing of what is asked for, and may be long.
        b"" if who.service in ("s3", "lambda") else _body(environ),
    )
    call = protocols.classify(method, path, headers, body)
    refusal = regions.refusal(call, caller.account_id)
    refusal = refusal or gate.refusal(call, method, path, query, body, caller, headers)
    if refusal is None:
        return None
    status, sent, text = protocols.encode(call, refusal)
    start(f"{status} {HTTPStatus(status).phrase}", [*sent.items(), ("Content-Length", str(len(text)))])
    return [text]


def _action_and_parameters(environ: dict[str, Any], body: bytes) -> tuple[str, dict[str, Any]]:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        action = target.rsplit(".", 1)[-1]
        return action, _lower_first(json.loads(body)) if body else {}
    fields = parse_qs(body.decode("utf-8", "replace"))
    action = fields.pop("Action", [""])[0]
    fields.pop("Version", None)
    return action, _lower_first({name: values[0] for name, values in fields.items()})


def _forward_and_record(
    forward: Callable[..., Iterable[bytes]], environ: dict[str, Any], start: Start, who: Signed
) -> Iterable[bytes]:
    body = _body(environ)
    action, parameters = _action_and_parameters(environ, body)
    if action not in RECORDED[who.service]:
        return forward(environ, start)
    caller = accounts.caller_of(who.access_key_id)
    seen: list[str] = []

    def note_status(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        seen.append(status)
        return start(status, headers, *rest)

    text = b"".join(forward(environ, note_status))
    code, message = _error_in(text) if seen and seen[0][:1] != "2" else ("", "")
    made = None if code else _response_in(text)
    _record(environ, caller, who.region, who.service, action, parameters, code, message, made)
    return [text]


def _response_in(text: bytes) -> dict[str, Any] | None:
    """What CloudTrail shows of an answer in JSON: what was made, under names that begin in lower case."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return _lower(parsed) if isinstance(parsed, dict) and parsed else None


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _lower(each) for name, each in value.items()}
    return [_lower(each) for each in value] if isinstance(value, list) else value


def _error_in(text: bytes) -> tuple[str, str]:
    try:
        parsed = json.loads(text)
        code = str(parsed.get("__type", "UnknownError")).rsplit("#", 1)[-1]
        return code, str(parsed.get("message") or parsed.get("Message") or "")
    except ValueError:
        return "ServiceError", text.decode("utf-8", "replace")


def install() -> None:
    forward = DomainDispatcherApplication.__call__

    def serve(self: Any, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        who = signed(environ)
        if who is None:
            return forward(self, environ, start_response)
        refused = _refused_at_the_gate(environ, start_response, who)
        if refused is not None:
            return refused
        if who.service == "backup":
            return _backup(environ, start_response, who)
        name = operations.named(who.service, environ.get("HTTP_X_AMZ_TARGET", ""), environ.get("PATH_INFO", ""))
        if name is not None:
            return _answered_here(environ, start_response, who, name)
        if who.service in RECORDED:
            return _forward_and_record(lambda e, s: forward(self, e, s), environ, start_response, who)
        return forward(self, environ, start_response)

    DomainDispatcherApplication.__call__ = serve  # type: ignore[method-assign]
