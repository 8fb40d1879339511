"""What the lab adds to moto, service by service. moto is pinned exactly: its internals are patched here."""

from __future__ import annotations

_installed = False


def install() -> None:
    """Patch moto once, before its server application is made."""
    global _installed
    if _installed:
        return
    _installed = True
    from . import backup_policies, dynamodb, frontdoor, kms, managed_policies, organizations, sns, sts
    from .backup import jobs, points, settings, vaults  # noqa: F401  (importing registers the operations)

    dynamodb.install()
    managed_policies.install()
    organizations.install()
    backup_policies.install()
    sts.install()
    kms.install()
    sns.install()
    frontdoor.install()


def reset() -> None:
    """Forget everything that moto's own reset does not know."""
    from lab import clock, work

    from . import cloudtrail, controls, sns
    from .backup import store

    work.reset()
    clock.reset()
    cloudtrail.reset()
    controls.reset()
    store.reset()
    sns.reset()
