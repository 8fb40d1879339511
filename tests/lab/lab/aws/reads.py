"""What reads of a sweep and of a diagnosis ask for.

One line per operation: the action's resource as the service authorization reference has it (https://docs.aws.amazon.com/service-authorization/latest/reference/).
What is not here is not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import accounts, kms

Params = dict[str, Any]
Where = tuple[str, str]
# From account and Region of the caller and the parameters to the resource.
Resource = Callable[[Where, Params], str]

ANY = "*"


def _backup(kind: str, member: str) -> Resource:
    return lambda where, params: f"arn:aws:backup:{where[1]}:{where[0]}:{kind}:{params.get(member, '')}"


_vault = _backup("backup-vault", "BackupVaultName")
_plan = _backup("backup-plan", "BackupPlanId")
_restore_plan = _backup("restore-testing-plan", "RestoreTestingPlanName")


def _any(where: Where, params: Params) -> str:
    return ANY


def _account(where: Where, params: Params) -> str:
    member = params.get("AccountId")
    if member and member != where[0]:
        return f"arn:aws:account::{where[0]}:account/{accounts.organization_of(where[0])}/{member}"
    return f"arn:aws:account::{where[0]}:account"


def _role(where: Where, params: Params) -> str:
    name = params.get("RoleName", "")
    return accounts.role_arn_by_name(where[0], name) or f"arn:aws:iam::{where[0]}:role/{name}"


def _policy(where: Where, params: Params) -> str:
    return str(params.get("PolicyArn", ""))


def _key(where: Where, params: Params) -> str:
    return kms.arn_of(str(params.get("KeyId", "")), *where)


def _trail(where: Where, params: Params) -> str:
    name = str(params.get("Name") or params.get("TrailName") or "")
    return name if name.startswith("arn:") else f"arn:aws:cloudtrail:{where[1]}:{where[0]}:trail/{name}"


def _target(where: Where, params: Params) -> str:
    return accounts.target_arn(str(params.get("TargetId") or params.get("ChildId") or where[0]))


def _organization_policy(where: Where, params: Params) -> str:
    return accounts.policy_arn(str(params.get("PolicyId", "")))


def _product(where: Where, params: Params) -> str:
    return str((params.get("Findings") or [{}])[0].get("ProductArn", ""))


RESOURCES: dict[str, dict[str, Resource]] = {
    "backup": {
        **dict.fromkeys(
            (
                "ListBackupVaults", "ListBackupPlans", "ListRestoreTestingPlans", "ListBackupJobs", "ListCopyJobs",
                "ListRestoreJobs", "ListScanJobs", "DescribeBackupJob", "DescribeCopyJob", "DescribeRestoreJob",
                "DescribeScanJob", "DescribeRegionSettings", "DescribeGlobalSettings",
            ),
            _any,
        ),
        **dict.fromkeys(
            (
                "DescribeBackupVault", "GetBackupVaultAccessPolicy", "GetBackupVaultNotifications",
                "ListRecoveryPointsByBackupVault",
            ),
            _vault,
        ),
        **dict.fromkeys(("GetBackupPlan", "GetBackupSelection", "ListBackupSelections", "ListBackupPlanVersions"), _plan),
        **dict.fromkeys(("GetRestoreTestingPlan", "ListRestoreTestingSelections"), _restore_plan),
    },
    "ec2": dict.fromkeys(
        ("GetEbsEncryptionByDefault", "GetEbsDefaultKmsKeyId", "GetAllowedImagesSettings", "DescribeVolumes"), _any
    ),
    "tagging": {"GetResources": _any},
    "account": {"ListRegions": _account},
    "kms": {
        **dict.fromkeys(("DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListGrants"), _key),
        "ListAliases": _any,
    },
    "iam": {
        **dict.fromkeys(("GetRole", "GetRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies"), _role),
        **dict.fromkeys(("GetPolicy", "GetPolicyVersion"), _policy),
        "ListRoles": _any,
    },
    "cloudtrail": {
        **dict.fromkeys(("DescribeTrails", "LookupEvents"), _any),
        **dict.fromkeys(("GetTrailStatus", "GetEventSelectors"), _trail),
    },
    "organizations": {
        **dict.fromkeys(
            (
                "DescribeOrganization", "ListAccounts", "ListRoots", "ListAWSServiceAccessForOrganization",
                "ListDelegatedAdministrators", "ListPolicies",
            ),
            _any,
        ),
        **dict.fromkeys(("ListParents", "ListPoliciesForTarget", "DescribeEffectivePolicy"), _target),
        **dict.fromkeys(("DescribePolicy", "ListTargetsForPolicy"), _organization_policy),
    },
    "securityhub": {"BatchImportFindings": _product},
}  # fmt: skip

# Parameters that are condition keys.
CONDITIONS = {
    "PolicyType": "organizations:PolicyType",
    "Filter": "organizations:PolicyType",
    "ServicePrincipal": "organizations:ServicePrincipal",
}
