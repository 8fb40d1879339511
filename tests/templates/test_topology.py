"""The policies of the topology let happen what must and keep from the rest, as an evaluator says that is none of the product's.

Nothing of them is there for nothing, and none could be wider: without any one statement, action, resource or condition some answer changes, and
with any one opened, too. `tests/suite/test_set_up.py` sees the same in the lab, where copies break and checks fail.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from lab.aws.evaluator import ALLOWED

from .deployed import as_list
from .questions import ANYBODY, DEPLOYER, ROLE, ask, of, questions
from .rendered import BACKUP, Rendering, documents, mutants, template
from .rendered import GIVEN as PARAMETERS

# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
LONGEST_SCP = 5120
MANAGED = "arn:${AWS::Partition}:iam::aws:policy"
# What the role that copies back needs of AWS: copies, and restores, of buckets besides. That of the jobs backs up buckets as well.
COPIES_BACK = [
    f"{MANAGED}/service-role/AWSBackupServiceRolePolicyForBackup",
    f"{MANAGED}/service-role/AWSBackupServiceRolePolicyForRestores",
    f"{MANAGED}/AWSBackupServiceRolePolicyForS3Restore",
]
CARRIES_BACKUPS = [*COPIES_BACK[:2], f"{MANAGED}/AWSBackupServiceRolePolicyForS3Backup", COPIES_BACK[2]]
ROLES: dict[str, dict[str, list[str]]] = {
    "backup-account": {"CopyBackRole": COPIES_BACK, "BreakGlassRole": []},
    "source-backup": {"JobRole": CARRIES_BACKUPS, "VolumeDefaultRole": [], "TablesRole": []},
    "management-account": {},
}
# What must outlive its stack: without it backups or copies are gone, or nobody can make, read or change them.
KEPT = {
    "backup-account": {"VaultKey", "Vault", "AirGappedVault", "BreakGlassRole"},
    "source-backup": {"VaultKey", "VaultAlias", "Vault", "VolumeKey", "JobRole"},
    "management-account": set(),
}
# And what stays even where its first stack is rolled back, with what is made last therefore: nothing after it can fail.
STAYS = {"backup-account": {"VaultKey", "Vault"}, "source-backup": {"VolumeKey"}, "management-account": set()}
LAST = {"backup-account": "Vault", "source-backup": "VolumeDefault"}
# The key of the copies stays, too, so only what is nothing without it comes after it; a stack needs one thing in any case.
BESIDE = {"VaultKey": {"VaultKeyAlias", "Vault"}, "Vault": set(), "VolumeDefault": {"Marker"}}

GIVEN = documents()


def test_every_document_of_the_templates_is_asked_about() -> None:
    assert {name for one in questions() for name in one.named} == set(GIVEN)


def test_everybody_may_what_is_needed_and_nobody_what_is_not() -> None:
    wrong = [one for one in questions() if one.answer(GIVEN) != (ALLOWED if one.may else "denied")]
    assert not wrong


@pytest.mark.parametrize("name", GIVEN)
def test_nothing_is_there_for_nothing_and_nothing_could_be_wider(name: str) -> None:
    asked = [one for one in questions() if name in one.named]

    def noticed(actions: list[str], mutant: dict[str, Any]) -> bool:
        # Most likely one of the actions that the statement names makes the difference.
        about = sorted(asked, key=lambda one: not any(fnmatchcase(one.action, action) for action in actions))
        given = {**GIVEN, name: mutant}
        return any(one.answer(given) != (ALLOWED if one.may else "denied") for one in about)

    assert [said for said, actions, mutant in mutants(GIVEN[name]) if not noticed(actions, mutant)] == []


@pytest.mark.parametrize("keeper", ["", f"arn:aws:iam::{BACKUP}:role/people/two-and-a-safe"])
def test_a_role_that_breaks_the_glass_is_taken_over_by_nobody(keeper: str) -> None:
    by = "management-account.BackupAccountPolicy.Content"
    rendered = Rendering("management-account", BreakGlassPrincipalArn=keeper).documents()
    given = {**GIVEN, by: rendered["BackupAccountPolicy.Content"]}
    role = keeper or f"arn:aws:iam::{BACKUP}:role/another"
    changed = [one.answer(given) for one in ask(True, of(BACKUP, *ANYBODY, DEPLOYER), ROLE, role, by)]
    # Nobody is protected who is not named.
    assert set(changed) == ({"denied"} if keeper else {ALLOWED})


@pytest.mark.parametrize("name", ROLES)
def test_a_role_has_the_policies_that_are_written_here_and_no_other(name: str) -> None:
    roles = {key: one for key, one in template(name)["Resources"].items() if one["Type"] == "AWS::IAM::Role"}
    attached = {
        key: [one["Fn::Sub"] for one in role["Properties"].get("ManagedPolicyArns", [])] for key, role in roles.items()
    }
    assert attached == ROLES[name]
    assert not {one["Type"] for one in template(name)["Resources"].values()} & {
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
    }


@pytest.mark.parametrize("name", KEPT)
def test_what_backups_need_outlives_its_stack(name: str) -> None:
    resources = template(name)["Resources"].items()
    policies = {key: (one.get("DeletionPolicy"), one.get("UpdateReplacePolicy")) for key, one in resources}
    assert {key: both for key, both in policies.items() if any(both)} == {
        key: ("Retain" if key in STAYS[name] else "RetainExceptOnCreate", "Retain") for key in KEPT[name]
    }


def waits_for(resources: dict[str, Any], logical_id: str) -> set[str]:
    """What CloudFormation makes before it: by DependsOn and by references, in its metadata, too."""
    found: set[str] = set()

    def look(value: Any) -> None:
        match value:
            case {"Ref": str(one)}:
                found.add(one)
            case {"Fn::GetAtt": str(one) | [str(one), *_]}:
                found.add(one.partition(".")[0])
            case {"Fn::Sub": str(text)}:
                found.update(one.partition(".")[0] for one in re.findall(r"\$\{([^}]+)\}", text))
            case dict() | list():
                for one in value.values() if isinstance(value, dict) else value:
                    look(one)

    body = resources[logical_id]
    look([body.get("Properties"), body.get("Metadata")])
    direct = {*found, *as_list(body.get("DependsOn", []))} & resources.keys()
    return direct.union(*(waits_for(resources, one) for one in direct))


@pytest.mark.parametrize(
    ("name", "logical_id"), [*LAST.items(), ("backup-account", "VaultKey")], ids=lambda given: given
)
def test_what_no_rollback_takes_back_is_made_when_nothing_else_can_fail(name: str, logical_id: str) -> None:
    resources = template(name)["Resources"]
    assert resources.keys() - waits_for(resources, logical_id) == {logical_id} | BESIDE[logical_id]


@pytest.mark.parametrize("name", KEPT)
def test_nothing_depends_on_what_its_condition_may_leave_out(name: str) -> None:
    """By https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-condition.html it would not be made either."""
    resources = template(name)["Resources"]
    for key, one in resources.items():
        for named in as_list(one.get("DependsOn", [])):
            assert resources[named].get("Condition") in (None, one.get("Condition")), f"{key} depends on {named}"


@pytest.mark.parametrize("policy", ["SourcePolicy", "BackupAccountPolicy"])
def test_a_service_control_policy_with_the_longest_names_is_short_enough(policy: str) -> None:
    longest = {name: "x" * 64 for name in ("RoleName", "DeployerRoleName", "BreakGlassRoleName", "CopyBackRoleName")}
    # A path has at most 512 characters (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
    keeper = f"arn:aws-us-gov:iam::{BACKUP}:role/{'p' * 510}/{'x' * 64}"
    rendering = Rendering(
        "management-account",
        **longest,
        **{"VaultName": "x" * 50, "AWS::Partition": "aws-us-gov", "BreakGlassPrincipalArn": keeper},
    )
    content = rendering.documents()[f"{policy}.Content"]
    # With blanks: whether CloudFormation leaves them out its documents do not say.
    assert len(json.dumps(content)) <= LONGEST_SCP


@pytest.mark.parametrize("policy", ["SourcePolicy", "BackupAccountPolicy"])
def test_the_roles_of_the_guardian_are_protected_by_the_names_that_they_have_by_default(policy: str) -> None:
    given = template("agent-global")["Parameters"]
    names = {f"role/{given[name]['Default']}" for name in ("ReaderRoleName", "ForwarderRoleName")}
    statements = GIVEN[f"management-account.{policy}.Content"]["Statement"]
    denied = [one for one in statements if "iam:UpdateAssumeRolePolicy" in one["Action"]]
    assert names <= {arn.rpartition(":")[2] for one in denied for arn in one["Resource"]}


def test_who_is_left_alone_has_a_name_that_not_everybody_has() -> None:
    pattern = template("management-account")["Parameters"]["DeployerRoleName"]["AllowedPattern"]
    for name, taken in {
        "stacksets-exec-*": True,
        "deployer": True,
        "*": False,
        "ab*": False,
        "a*b": False,
        "*-exec": False,
    }.items():
        assert bool(re.fullmatch(pattern, name)) is taken, name


def test_nothing_is_locked_for_good_by_mistake() -> None:
    given = template("backup-account")
    asserted = {}
    for name, rule in given["Rules"].items():
        (one,) = rule["Assertions"]
        assert one["Assert"] == {"Fn::Equals": [{"Ref": "LockAcknowledgement"}, "nobody can undo this lock"]}, name
        asserted[name] = rule["RuleCondition"]
    assert asserted == {
        "ComplianceIsMeant": {"Fn::Equals": [{"Ref": "LockMode"}, "compliance"]},
        "AirGapIsMeant": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AirGappedVaultName"}, ""]}]},
    }
    assert given["Resources"]["AirGappedVault"]["Condition"] == "MakesAirGappedVault"
    assert (
        PARAMETERS["backup-account"]["LockAcknowledgement"]
        in given["Parameters"]["LockAcknowledgement"]["AllowedValues"]
    )


def test_the_key_of_the_copies_can_be_made_with_a_policy_that_its_maker_cannot_change() -> None:
    key = template("backup-account")["Resources"]["VaultKey"]["Properties"]
    assert key["BypassPolicyLockoutSafetyCheck"] is True


def test_the_service_control_policy_knows_both_keys_of_a_source_account_by_their_tag() -> None:
    resources = template("source-backup")["Resources"]
    tags = {name: resources[name]["Properties"]["Tags"] for name in ("VaultKey", "VolumeKey")}
    assert list(tags.values()) == [[{"Key": "backup-vault", "Value": {"Ref": "VaultName"}}]] * 2
