"""The Allowed AMIs setting of an account in a Region: moto has none.

Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-allowed-amis.html
"""

from __future__ import annotations

from typing import Any

STATES = ("audit-mode", "enabled")


def setting(backend: Any) -> dict[str, Any]:
    return backend.__dict__.setdefault(
        "allowed_images", {"State": "disabled", "ImageCriteria": [], "ManagedBy": "account"}
    )


def install() -> None:
    from moto.core.responses import ActionResult
    from moto.ec2.exceptions import InvalidParameterValueError
    from moto.ec2.responses import EC2Response

    def get_allowed_images_settings(self: Any) -> ActionResult:
        return ActionResult(setting(self.ec2_backend))

    def enable_allowed_images_settings(self: Any) -> ActionResult:
        state = self._get_param("AllowedImagesSettingsState")
        if state not in STATES:
            raise InvalidParameterValueError(str(state))
        setting(self.ec2_backend)["State"] = state
        return ActionResult({"AllowedImagesSettingsState": state})

    def disable_allowed_images_settings(self: Any) -> ActionResult:
        setting(self.ec2_backend)["State"] = "disabled"
        return ActionResult({"AllowedImagesSettingsState": "disabled"})

    def replace_image_criteria(self: Any) -> ActionResult:
        setting(self.ec2_backend)["ImageCriteria"] = self._get_param("ImageCriteria") or []
        return ActionResult({"ReturnValue": True})

    EC2Response.get_allowed_images_settings = get_allowed_images_settings  # type: ignore[attr-defined]
    EC2Response.enable_allowed_images_settings = enable_allowed_images_settings  # type: ignore[attr-defined]
    EC2Response.disable_allowed_images_settings = disable_allowed_images_settings  # type: ignore[attr-defined]
    EC2Response.replace_image_criteria_in_allowed_images_settings = replace_image_criteria  # type: ignore[attr-defined]
