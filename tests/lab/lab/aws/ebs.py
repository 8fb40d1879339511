"""The EBS defaults of an account in a Region: whether new volumes are encrypted, and with which key.

Source: https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html
"""

from __future__ import annotations

from typing import Any

from . import kms

MANAGED = "alias/aws/ebs"


def default_key(backend: Any) -> str:
    """The key as EC2 names it: the ARN of a chosen one, or the alias of the AWS managed key."""
    key = kms.key_by_arn(backend.default_kms_key_id)
    return str(backend.default_kms_key_id) if key is not None and key.key_manager != "AWS" else MANAGED


def install() -> None:
    from moto.core.responses import ActionResult
    from moto.ec2.models import EC2Backend
    from moto.ec2.responses import EC2Response

    def get_ebs_default_kms_key_id(self: Any) -> ActionResult:
        return ActionResult({"KmsKeyId": default_key(self.ec2_backend)})

    def reset_ebs_default_kms_key_id(self: Any) -> ActionResult:
        self.ec2_backend.default_kms_key_id = ""
        return ActionResult({"KmsKeyId": MANAGED})

    EC2Response.get_ebs_default_kms_key_id = get_ebs_default_kms_key_id  # type: ignore[attr-defined]
    EC2Response.reset_ebs_default_kms_key_id = reset_ebs_default_kms_key_id  # type: ignore[attr-defined]

    create = EC2Backend.create_volume

    def create_volume(self: EC2Backend, *given: Any, **members: Any) -> Any:
        volume = create(self, *given, **members)
        # moto makes volumes for its images before the attribute is there.
        if getattr(self, "ebs_encryption_by_default", False) and not volume.encrypted:
            # Encrypted after all, whatever was asked for.
            volume.encrypted = True
            if not self.default_kms_key_id:
                self._create_default_encryption_key()
            volume.kms_key_id = self.default_kms_key_id
        return volume

    EC2Backend.create_volume = create_volume  # type: ignore[method-assign]
