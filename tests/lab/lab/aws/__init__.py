"""What the lab adds to moto, service by service. moto is pinned exactly: its internals are patched here."""

from __future__ import annotations

_installed = False


def install() -> None:
    """Patch moto once, before its server application is made."""
    global _installed
    if _installed:
        return
    _installed = True
    from lab import authorizations

    # Importing some of these registers operations.
    from . import (  # noqa: F401
        backup_policies,
        dynamodb,
        ebs,
        frontdoor,
        iam,
        images,
        kms,
        kms_reads,
        managed_policies,
        organization_reads,
        organizations,
        regions,
        securityhub,
        sns,
        sts,
        tagging,
        trails,
        uses,
    )
    from .backup import jobs, points, restore_testing, settings, vaults  # noqa: F401

    dynamodb.install()
    managed_policies.install()
    ebs.install()
    iam.install()
    images.install()
    organizations.install()
    organization_reads.install()
    backup_policies.install()
    sts.install()
    kms_reads.install()
    kms.install()
    securityhub.install()
    sns.install()
    frontdoor.install()
    authorizations.besides(uses.of_key)


def reset() -> None:
    """Forget everything that moto's own reset does not know."""
    from lab import clock, work

    from . import cloudtrail, controls, regions, sns
    from .backup import store

    work.reset()
    clock.reset()
    cloudtrail.reset()
    controls.reset()
    regions.reset()
    store.reset()
    sns.reset()
