"""Lists of IAM in pages: moto names a page behind the last one, and puts all inline policies of a role into one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_PAGE_DEFAULT = 100


def install() -> None:
    from moto.core.responses import ActionResult
    from moto.iam.models import IAMBackend
    from moto.iam.responses import IamResponse

    def filter_attached_policies(
        self: IAMBackend, policies: Iterable[Any], marker: str | None, max_items: int, path_prefix: str
    ) -> tuple[list[Any], str | None]:
        found = [one for one in policies if one.path.startswith(path_prefix or "/")]
        return _page(sorted(found, key=lambda one: one.name), marker, max_items)

    def list_role_policies(self: IamResponse) -> ActionResult:
        names = sorted(self.backend.list_role_policies(self._get_param("RoleName")))
        size = int(self._get_param("MaxItems", _PAGE_DEFAULT))
        page, marker = _page(names, self._get_param("Marker"), size)
        return ActionResult({"PolicyNames": page, "IsTruncated": marker is not None, "Marker": marker})

    IAMBackend._filter_attached_policies = filter_attached_policies  # type: ignore[method-assign]
    IamResponse.list_role_policies = list_role_policies  # type: ignore[method-assign]


def _page(items: list[Any], marker: str | None, size: int) -> tuple[list[Any], str | None]:
    start = int(marker) if marker else 0
    end = start + size
    return items[start:end], str(end) if end < len(items) else None
