"""Lists of KMS in pages, and the rotation of a key: moto has one page of everything, and rotation as it was last set.

Installed before `kms`, which wraps these operations for keys of other accounts.
"""

from __future__ import annotations

import json
from typing import Any

from moto.kms.responses import KmsResponse

from . import kms

_ROTATION_DAYS = 365
# https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html
_PAGE_DEFAULT = 50


def install() -> None:
    KmsResponse.list_grants = _list_grants  # type: ignore[method-assign]
    KmsResponse.get_key_rotation_status = _get_key_rotation_status  # type: ignore[method-assign]
    KmsResponse.list_aliases = _list_aliases(KmsResponse.list_aliases)  # type: ignore[method-assign]


def _get_key_rotation_status(self: KmsResponse) -> str:
    """https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html: yearly, and always for AWS managed keys."""
    key = kms.key_of(self)
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.origin != "AWS_KMS":
        raise kms.error("UnsupportedOperationException", f"{key.arn} cannot be rotated automatically")
    if key.key_manager != "AWS" and not key.key_rotation_status:
        return json.dumps({"KeyId": key.arn, "KeyRotationEnabled": False})
    return json.dumps({"KeyId": key.arn, "KeyRotationEnabled": True, "RotationPeriodInDays": _ROTATION_DAYS})


def _list_grants(self: KmsResponse) -> str:
    key = kms.key_of(self)
    wanted, grantee = self._get_param("GrantId"), self._get_param("GranteePrincipal")
    grants = [
        {name: value for name, value in grant.items() if value} | {"KeyId": key.arn}
        for grant in kms.grants_of(key)
        if wanted in (None, grant["GrantId"]) and grantee in (None, grant["GranteePrincipal"])
    ]
    return json.dumps(_page(self, grants, "Grants"))


def _page(self: KmsResponse, items: list[Any], member: str) -> dict[str, Any]:
    start, limit = self._get_param("Marker") or "0", int(self._get_param("Limit") or _PAGE_DEFAULT)
    if not str(start).isdigit():
        raise kms.error("InvalidMarkerException", "The marker is not valid")
    end = int(start) + limit
    page: dict[str, Any] = {member: items[int(start) : end], "Truncated": end < len(items)}
    return page | {"NextMarker": str(end)} if page["Truncated"] else page


def _list_aliases(answer: Any) -> Any:
    def list_aliases(self: KmsResponse) -> str:
        listed = answer(self)
        # moto puts the reserved aliases of many services into every account, some with key ids that do not exist.
        aliases = [
            alias for alias in json.loads(listed)["Aliases"] if alias.get("TargetKeyId") in self.kms_backend.keys
        ]
        return json.dumps(_page(self, aliases, "Aliases"))

    return list_aliases
