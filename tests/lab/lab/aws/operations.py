"""Operations of JSON services that moto lacks or answers otherwise than AWS, shaped by botocore's own models.

AWS Backup has its own module, `backup/wire.py`: its operations have their parameters in the path.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel
from moto.core.exceptions import JsonRESTError

from lab.wire import BOTOCORE_NAMES

from . import accounts
from .backup.wire import Answer, Call, shaped
from .errors import ApiError

log = logging.getLogger(__name__)

Handler = Callable[[Call], dict[str, Any] | None]
# By signing name and operation.
HANDLERS: dict[tuple[str, str], Handler] = {}


def operation(service: str, name: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[service, name] = handler
        return handler

    return register


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(BOTOCORE_NAMES.get(service, service))


def model_of(service: str, name: str) -> OperationModel:
    found: OperationModel = _model(service).operation_model(name)
    return found


def named(service: str, target: str, path: str) -> str | None:
    """The registered operation that a request asks for; `None` leaves it to moto."""
    name = target.rsplit(".", 1)[-1] if target else path.strip("/")
    name = name[:1].upper() + name[1:]
    return name if (service, name) in HANDLERS else None


def answer(service: str, name: str, body: bytes, region: str, caller: accounts.Caller) -> Answer:
    """Serve one request; never raises."""
    params: dict[str, Any] = {}
    try:
        params = json.loads(body or b"{}")
        result = HANDLERS[service, name](Call(caller.account_id, region, caller, params))
        return Answer(name, params, 200, shaped(model_of(service, name).output_shape, result or {}), "")
    except ApiError as error:
        return _failure(name, params, error.code, error.message, error.status)
    except JsonRESTError as error:
        return _failure(name, params, error.error_type, error.message, 400)
    except Exception:
        reference = uuid.uuid4()
        log.exception("`%s` of `%s` failed (%s)", name, service, reference)
        text = f"The lab failed; its log says why ({reference})"
        return _failure(name, params, "InternalFailure", text, 500)


def _failure(name: str, params: dict[str, Any], code: str, message: str, status: int) -> Answer:
    return Answer(name, params, status, {"__type": code, "message": message, "Message": message}, code)


def part(items: list[Any], token: str | None, limit: int, refusal: ApiError) -> tuple[list[Any], str | None]:
    """One page of a list and the token of the next; a token that was never handed out is refused."""
    try:
        start = int(token) if token else 0
    except ValueError:
        raise refusal from None
    if not 0 <= start <= len(items):
        raise refusal
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None
