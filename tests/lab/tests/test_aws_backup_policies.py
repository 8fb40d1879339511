"""Backup policies of the organization: merged on the way down, and made plans."""

from __future__ import annotations

import json

import pytest
from aws_support import BACKUP, REGION, SOURCE, Lab
from botocore.exceptions import ClientError

from lab.aws.backup_policies import make_plans, merged

CENTRAL = f"arn:aws:backup:{REGION}:{BACKUP}:backup-vault:central"


def policy(regions: list[str], vault: str = "local") -> dict:
    rule = {
        "target_backup_vault_name": {"@@assign": vault},
        "copy_actions": {
            CENTRAL: {
                "target_backup_vault_arn": {"@@assign": CENTRAL},
                "lifecycle": {"delete_after_days": {"@@assign": "35"}},
            }
        },
    }
    tags = {
        "iam_role_arn": {"@@assign": "arn:aws:iam::$account:role/OrgBackupRole"},
        "tag_key": {"@@assign": "backup"},
        "tag_value": {"@@assign": ["daily"]},
    }
    return {
        "plans": {
            "Daily": {
                "regions": {"@@append": regions},
                "rules": {"Night": rule},
                "selections": {"tags": {"by_tag": tags}},
            }
        }
    }


@pytest.mark.parametrize(
    ("above", "below", "effective"),
    [
        (None, {"a": {"@@assign": "1"}}, {"a": "1"}),
        ({"a": "1", "b": "2"}, {"a": {"@@assign": "3"}}, {"a": "3", "b": "2"}),
        ({"a": ["1"]}, {"a": {"@@append": ["2", "1"]}}, {"a": ["1", "2"]}),
        ({"a": ["1", "2"]}, {"a": {"@@remove": "1"}}, {"a": ["2"]}),
        ({"a": {"b": "1"}}, {"a": {"@@operators_allowed_for_child_policies": ["@@none"], "c": {"@@assign": "2"}}}, {"a": {"b": "1", "c": "2"}}),
    ],
)  # fmt: skip
def test_a_policy_changes_what_it_inherits(above: object, below: dict, effective: dict) -> None:
    assert merged(above, below) == effective


def attach(aws: Lab, content: dict, target: str, name: str) -> None:
    organizations = aws.root("organizations")
    created = organizations.create_policy(Content=json.dumps(content), Description="", Name=name, Type="BACKUP_POLICY")
    organizations.attach_policy(PolicyId=created["Policy"]["PolicySummary"]["Id"], TargetId=target)


def test_the_effective_policy_of_an_account_becomes_its_plans(topology: Lab) -> None:
    organizations = topology.root("organizations")

    def described() -> dict:
        answer = organizations.describe_effective_policy(PolicyType="BACKUP_POLICY", TargetId=SOURCE)
        return json.loads(answer["EffectivePolicy"]["PolicyContent"])

    with pytest.raises(ClientError) as refused:
        described()
    assert refused.value.response["Error"]["Code"] == "EffectivePolicyNotFoundException"
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="BACKUP_POLICY")
    assert described() == {}
    attach(topology, policy(["eu-west-1"]), root, "above")
    attach(topology, policy([REGION], vault="mine"), SOURCE, "below")
    plan = described()["plans"]["Daily"]
    assert (plan["regions"], plan["rules"]["Night"]["target_backup_vault_name"]) == (["eu-west-1", REGION], "mine")

    backup = topology.client("backup", SOURCE)
    assert backup.list_backup_plans()["BackupPlansList"] == []
    for _ in range(2):
        assert make_plans() > 0
        (listed,) = backup.list_backup_plans()["BackupPlansList"]
    assert listed["BackupPlanId"].startswith("orgs/")
    (rule,) = backup.get_backup_plan(BackupPlanId=listed["BackupPlanId"])["BackupPlan"]["Rules"]
    assert rule["CopyActions"] == [{"DestinationBackupVaultArn": CENTRAL, "Lifecycle": {"DeleteAfterDays": 35}}]
    (selection,) = backup.list_backup_selections(BackupPlanId=listed["BackupPlanId"])["BackupSelectionsList"]
    assert selection["IamRoleArn"] == f"arn:aws:iam::{SOURCE}:role/OrgBackupRole"
    organizations.disable_policy_type(RootId=root, PolicyType="BACKUP_POLICY")
    assert make_plans() == 0
    assert backup.list_backup_plans()["BackupPlansList"] == []
