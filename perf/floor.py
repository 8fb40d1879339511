"""The fewest calls that read an estate of the stub, and the least time that the published limits allow for them.

Written down apart from the guardian and from the stub: what both do is held against it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

HOME, MANAGEMENT, BACKUP = "900000000001", "900000000000", "900000000002"
# AWS Organizations gives so many a page, whatever is asked for.
ORGANIZATION_PAGE = 20
POLICIES = 2
KINDS = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


@dataclass(frozen=True)
class Estate:
    """An estate with a backup account, as `guardian-stub --central` has it."""

    accounts: int
    regions: tuple[str, ...] = ("eu-central-1", "eu-west-1")
    vaults: int = 3
    # In each vault, copies of it in the backup account included.
    points: int = 200
    resources: int = 20
    copies: int | None = None
    page: int = 1000

    @property
    def copied(self) -> int:
        return self.resources if self.copies is None else self.copies

    @property
    def own(self) -> int:
        return self.points - self.copied

    @property
    def arrived(self) -> int:
        """Copies in the vault of one Region of the backup account."""
        return self.accounts * self.vaults * self.copied

    @property
    def all_points(self) -> int:
        return self.accounts * len(self.regions) * self.vaults * self.points

    def ids(self) -> list[str]:
        return [str(100_000_000_000 + number) for number in range(self.accounts)]

    def arguments(self) -> list[str]:
        """Of the stub."""
        named = {
            "accounts": self.accounts, "regions": ",".join(self.regions), "vaults": self.vaults, "points": self.points,
            "resources": self.resources, "page": self.page, "copies": self.copied,
        }  # fmt: skip
        return ["--central", *(f"--{name}={value}" for name, value in named.items())]


# A call: account, Region (empty: global), service, operation.
Call = tuple[str, str, str, str]


def calls(estate: Estate) -> Counter[Call]:
    """What has no wider list, once; nothing per recovery point."""
    counted: Counter[Call] = Counter()

    def add(account: str, region: str, name: str, count: int = 1) -> None:
        service, operation = name.split(":")
        counted[account, region, service, operation] += count

    everybody = [*estate.ids(), BACKUP, MANAGEMENT]
    once = ("DescribeOrganization", "ListRoots", "ListAWSServiceAccessForOrganization", "ListDelegatedAdministrators")
    for operation in once:
        add(MANAGEMENT, "", f"organizations:{operation}")
    add(MANAGEMENT, estate.regions[0], "backup:DescribeGlobalSettings")
    add(MANAGEMENT, "", "organizations:ListAccounts", math.ceil(len(everybody) / ORGANIZATION_PAGE))
    for _ in KINDS:
        add(MANAGEMENT, "", "organizations:ListPolicies")
        add(MANAGEMENT, "", "organizations:DescribePolicy", POLICIES)
        # One is attached to the root; what allows everything is attached to every account, too.
        pages = math.ceil((1 + len(everybody)) / ORGANIZATION_PAGE)
        add(MANAGEMENT, "", "organizations:ListTargetsForPolicy", pages + POLICIES - 1)
    for account in everybody:
        source = account not in (BACKUP, MANAGEMENT)
        vaults, points = (estate.vaults, estate.own) if source else (0, 0)
        if account == BACKUP:
            vaults, points = 1, estate.arrived
            add(account, "", "iam:ListRoles")
            # The role that the policy of its vault leaves alone by name.
            for operation in ("GetRole", "ListRolePolicies", "ListAttachedRolePolicies", "GetRolePolicy"):
                add(account, "", f"iam:{operation}")
        add(HOME, "", "sts:AssumeRole")
        add(MANAGEMENT, "", "organizations:DescribeEffectivePolicy")
        # The service-linked role, and the role of the plan, which has a policy of its own.
        for operation in ("GetRole", "ListRolePolicies", "ListAttachedRolePolicies"):
            add(account, "", f"iam:{operation}", 2 if source else 1)
        if source:
            add(account, "", "iam:GetRolePolicy")
        for region in estate.regions:
            lists = ("ListBackupVaults", "ListBackupPlans", "ListRestoreTestingPlans")
            for operation in (*lists, "ListBackupJobs", "ListCopyJobs", "ListRestoreJobs", "DescribeRegionSettings"):
                add(account, region, f"backup:{operation}")
            for operation in ("GetEbsEncryptionByDefault", "GetEbsDefaultKmsKeyId", "GetAllowedImagesSettings"):
                add(account, region, f"ec2:{operation}")
            add(account, region, "cloudtrail:DescribeTrails")
            # One resource more in some accounts never fills a page of its own here.
            add(
                account,
                region,
                "tag:GetResources",
                max(1, math.ceil((vaults * estate.resources if source else 0) / 100)),
            )
            if source:
                for operation in ("GetBackupPlan", "ListBackupSelections", "GetBackupSelection"):
                    add(account, region, f"backup:{operation}")
            for operation in ("DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus"):
                add(account, region, f"kms:{operation}", vaults + 1)
            for operation in ("GetBackupVaultAccessPolicy", "GetBackupVaultNotifications"):
                add(account, region, f"backup:{operation}", vaults)
            add(account, region, "backup:ListRecoveryPointsByBackupVault", vaults * math.ceil(points / estate.page))
    return +counted


def by_operation(estate: Estate) -> dict[str, int]:
    summed: Counter[str] = Counter()
    for (_, _, service, operation), count in calls(estate).items():
        summed[f"{service}:{operation}"] += count
    return dict(sorted(summed.items()))


def limit(service: str, operation: str) -> tuple[float, float]:
    """Calls per second and how many at once, of an account and Region, as published; what is not published, 20."""
    published = {
        ("backup", "DescribeBackupVault"): (5.0, 5.0),
        ("organizations", "ListAccounts"): (8.0, 12.0),
        ("organizations", "ListRoots"): (1.0, 2.0),
        ("organizations", "DescribeOrganization"): (1.0, 2.0),
        ("organizations", "DescribePolicy"): (2.0, 2.0),
    }
    if (service, operation) in published:
        return published[service, operation]
    if service == "backup":
        return (20.0, 20.0) if operation.startswith("List") else (15.0, 15.0)
    return {"organizations": (5.0, 8.0), "sts": (600.0, 600.0), "kms": (1000.0, 1000.0)}.get(service, (20.0, 20.0))


@dataclass(frozen=True)
class Bound:
    """What keeps a sweep from ending earlier."""

    seconds: float
    by: str


def bounds(estate: Estate, latency: float) -> list[Bound]:
    """By kind of call the fullest bucket, and the chains of calls that need each other's answers; the longest first."""
    fullest: dict[str, float] = {}
    together: Counter[tuple[str, str]] = Counter()
    for (account, region, service, operation), count in calls(estate).items():
        rate, burst = limit(service, operation)
        seconds = max(0.0, (count - burst) / rate) + latency
        name = f"{service}:{operation}"
        fullest[name] = max(fullest.get(name, 0.0), seconds)
        if service == "backup":
            together[account, region] += count
    fullest["all calls of AWS Backup"] = max(max(0.0, (count - 50.0) / 50.0) + latency for count in together.values())
    pages = math.ceil((estate.accounts + 2) / ORGANIZATION_PAGE)
    listed = 1 + pages
    # The last account that is listed: session, plans, selections, a selection, its role, the policy of that.
    chains = {
        "the pages of ListAccounts, then the last account": (listed + 7) * latency,
        "the pages of the vault in the backup account": (2 + math.ceil(estate.arrived / estate.page)) * latency,
    }
    every = [Bound(seconds, name) for name, seconds in (fullest | chains).items()]
    return sorted(every, key=lambda bound: (-bound.seconds, bound.by))
