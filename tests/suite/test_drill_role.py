"""The role for drills refuses what its lists do not name, whoever asks. What is asked for here is refused on purpose, so it is no proof of what the
role needs, and this lab writes nothing down."""

from __future__ import annotations

from .command import COULD_NOT_TELL
from .organization import Inbox, failing_route, running_lab
from .test_backfill import DAYS, backfill, copies_of, only
from .test_restore_drill import restore, restores_of


def test_the_role_for_drills_holds_to_its_lists_whoever_asks() -> None:
    with running_lab("drill-role-lab.log", whole=False) as lab:
        inbox = Inbox(lab)
        route = failing_route(lab)
        route.lifecycle = {"DeleteAfterDays": DAYS}
        name = lab.unique("elsewhere")
        backup = lab.client(route.destination, "backup", route.destination_region)
        made = backup.create_backup_vault(BackupVaultName=name, EncryptionKeyArn=route.destination_key_arn)
        route.destination_vault, route.destination_vault_arn = name, made["BackupVaultArn"]
        assert route.copy()["State"] == "FAILED"
        id = only(inbox.drain())["incident_id"]
        refused = backfill(lab, id, "--yes", "--allow-vault", made["BackupVaultArn"])
        assert refused.code == COULD_NOT_TELL, refused.out
        assert "AccessDeniedException" in refused.json()["copies"][0]["reason"]
        assert len(copies_of(route)) == 1
        nobody = f"arn:aws:iam::{route.source}:role/not-on-the-list"
        refused = restore(route, "--yes", "--role", nobody, "--format", "json")
        assert refused.code == COULD_NOT_TELL and "iam:PassRole" in refused.json()["reason"], refused.out
        assert restores_of(route) == []
