"""Random changes of what decides the copies of some routes: each is one object's, and is made and undone through the APIs of AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .organization import GRANT, JOB_ROLE, SLR, USE, Json, Lab, key_policy, vault_policy
from .terminal import document
from .test_topologies import SERVICE, Draw, Drawn, allow

Step = Callable[[], object]

OPEN = "OPEN"
# Changes that are made before anybody hears of the first of them.
AT_ONCE = 4
# Everything that a copy does with the key of its source.
OPERATIONS = ["DescribeKey", "CreateGrant", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext", "Decrypt"]
GUARD = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"}],
}


@dataclass(eq=False)
class Change:
    """A change of one object: the line that asks what it would do, where one can, and how it is made and undone."""

    what: str
    line: Json | None
    do: Step
    undo: Step
    routes: list[Drawn]


class Changes:
    """Draws changes of the objects of some routes."""

    def __init__(self, lab: Lab, draw: Draw, routes: list[Drawn]) -> None:
        self.lab, self.draw, self.dice, self.routes = lab, draw, draw.dice, routes
        # The grants on which copies hang, by the vault that they leave.
        self.hanging: dict[str, str] = {}
        self.guard_policy = ""

    def one(self, broken: list[Drawn]) -> Change:
        kinds = {
            self.source_key: 30, self.key_state: 10, self.destination_key: 14, self.destination_vault: 20, self.source_vault: 10,
            self.role: 12, self.job_role: 2, self.boundary: 3, self.managed_policy: 3, self.scp: 2, self.rcp: 2, self.guard: 2,
            self.settings: 1, self.grant: 8, self.revoked_grant: 8,
        }  # fmt: skip
        while True:
            kind = self.dice.choices(list(kinds), list(kinds.values()))[0]
            # What works is broken soon; to be mended, a copy must fail for this one thing.
            change = kind(self.dice.choice(broken if self.dice.random() < 0.4 else self.routes))
            if change is not None:
                return change

    def _key(self, what: str, key: str, account: str, region: str, policy: Json, drawn: Drawn) -> Change:
        kms = self.lab.client(account, "kms", region)
        old = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        return Change(
            what, {"object": key, "policy": policy},
            lambda: kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy)),
            lambda: kms.put_key_policy(KeyId=key, PolicyName="default", Policy=old),
            [drawn],
        )  # fmt: skip

    def source_key(self, drawn: Drawn) -> Change | None:
        if not drawn.key_arn:
            return None
        notes = Drawn(0, drawn.kind, drawn.source, drawn.region, drawn.destination, drawn.destination_region)
        copier = [SLR.format(account=drawn.destination)]
        statements = self.draw.statements(notes, "source key", copier, SERVICE[drawn.kind], drawn.region)
        if self.dice.random() < 0.3:
            who = {"AWS": copier}
            statements, notes.notes = [allow("Use", who, USE, {}), allow("Grant", who, GRANT, {})], []
        self.dice.shuffle(statements)
        what = f"source key: {notes.notes or 'right'}"
        return self._key(what, drawn.key_arn, drawn.source, drawn.region, key_policy(drawn.source, *statements), drawn)

    def destination_key(self, drawn: Drawn) -> Change | None:
        key = self._destination_key(drawn)
        if not key:
            return None
        account, region = drawn.destination, drawn.destination_region
        kind = self.dice.choice(
            ["right", "denies grants", "denies all use", "owner only by condition", "without its owner"]
        )
        policy = key_policy(account)
        if kind in ("denies grants", "denies all use"):
            action = "kms:CreateGrant" if kind == "denies grants" else "kms:GenerateDataKey*"
            policy["Statement"].append({**allow("No", {"AWS": "*"}, [action], {}), "Effect": "Deny"})
        elif kind == "owner only by condition":
            policy["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalAccount": account}}
        elif kind == "without its owner":
            reader = f"arn:aws:iam::{account}:role/backup-guardian-reader"
            policy["Statement"][0]["Principal"] = {"AWS": reader}
        return self._key(f"destination key: {kind}", key, account, region, policy, drawn)

    def _destination_key(self, drawn: Drawn) -> str:
        backup = self.lab.client(drawn.destination, "backup", drawn.destination_region)
        name = drawn.destination_vault_arn.split(":")[-1]
        key = backup.describe_backup_vault(BackupVaultName=name).get("EncryptionKeyArn", "")
        if not key:
            return ""
        kms = self.lab.client(drawn.destination, "kms", drawn.destination_region)
        return key if kms.describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "CUSTOMER" else ""

    def key_state(self, drawn: Drawn) -> Change | None:
        sides = [(drawn.key_arn, drawn.source, drawn.region)]
        sides.append((self._destination_key(drawn), drawn.destination, drawn.destination_region))
        key, account, region = self.dice.choice(sides)
        if not key:
            return None
        kms = self.lab.client(account, "kms", region)
        state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        if state == "Enabled" and self.dice.random() < 0.3:

            def keep() -> None:
                # It comes back disabled.
                kms.cancel_key_deletion(KeyId=key)
                kms.enable_key(KeyId=key)

            line = {"object": key, "state": "PendingDeletion"}
            return Change("key PendingDeletion", line, lambda: kms.schedule_key_deletion(KeyId=key), keep, [drawn])
        turn: dict[str, Step] = {
            "Enabled": lambda: kms.enable_key(KeyId=key),
            "Disabled": lambda: kms.disable_key(KeyId=key),
        }
        new = "Disabled" if state == "Enabled" else "Enabled"
        return Change(f"key {new}", {"object": key, "state": new}, turn[new], turn[state], [drawn])

    def _vault(self, what: str, arn: str, policy: Json | None, drawn: Drawn) -> Change:
        backup = self.lab.client(arn.split(":")[4], "backup", arn.split(":")[3])
        name = arn.split(":")[-1]
        try:
            old = backup.get_backup_vault_access_policy(BackupVaultName=name)["Policy"]
        except backup.exceptions.ResourceNotFoundException:
            old = None

        def put(text: str | None) -> object:
            if text is None:
                return backup.delete_backup_vault_access_policy(BackupVaultName=name)
            return backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=text)

        new = None if policy is None else json.dumps(policy)
        return Change(what, {"object": arn, "policy": policy}, lambda: put(new), lambda: put(old), [drawn])

    def destination_vault(self, drawn: Drawn) -> Change | None:
        kind = self.dice.choice(
            ["right", "right", "the account", "another organization", "no policy", "deny", "one more"]
        )
        policy: Json | None = vault_policy(self.draw.organization_id)
        statement = policy["Statement"][0]
        if kind == "the account":
            del statement["Condition"]
            statement["Principal"] = {"AWS": f"arn:aws:iam::{drawn.source}:root"}
        elif kind == "another organization":
            statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"] = ["o-anotherone"]
        elif kind == "no policy":
            policy = None
        elif kind == "deny":
            policy["Statement"].append({**statement, "Sid": "No", "Effect": "Deny"})
        elif kind == "one more":
            policy["Statement"].append(
                {**statement, "Sid": "More", "Principal": {"AWS": f"arn:aws:iam::{drawn.source}:root"}}
            )
        return self._vault(f"destination vault: {kind}", drawn.destination_vault_arn, policy, drawn)

    def source_vault(self, drawn: Drawn) -> Change | None:
        kind = self.dice.choice(["no policy", "denies copies out", "denies other targets", "denies deletion"])
        policy: Json | None = None
        if kind != "no policy":
            action = "backup:DeleteRecoveryPoint" if kind == "denies deletion" else "backup:CopyFromBackupVault"
            deny = {"Sid": "Out", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}
            if kind == "denies other targets":
                target = f"arn:aws:backup:*:{drawn.destination}:backup-vault:*"
                deny["Condition"] = {"ForAnyValue:ArnNotLike": {"backup:CopyTargets": [target]}}
            policy = {"Version": "2012-10-17", "Statement": [deny]}
        arn = f"arn:aws:backup:{drawn.region}:{drawn.source}:backup-vault:{drawn.vault}"
        return self._vault(f"source vault: {kind}", arn, policy, drawn)

    def role(self, drawn: Drawn) -> Change | None:
        """The policies or the trust of a role that only one route has."""
        if drawn.role_arn == JOB_ROLE.format(account=drawn.source):
            return None
        iam, name = self.lab.client(drawn.source, "iam"), drawn.role_arn.rsplit("/", 1)[-1]
        if self.dice.random() < 0.25:
            old = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
            service = self.dice.choice(["ec2.amazonaws.com", "backup.amazonaws.com"])
            trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
            new = {"Version": "2012-10-17", "Statement": [trust]}
            return Change(
                f"trust in {service}", {"object": drawn.role_arn, "trust": new},
                lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(new)),
                lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(old)),
                [drawn],
            )  # fmt: skip
        old = json.dumps(iam.get_role_policy(RoleName=name, PolicyName="job")["PolicyDocument"])
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        kind, statements = self.dice.choice([
            ("everything", [everything]),
            ("no copies", [{"Effect": "Allow", "NotAction": "backup:CopyIntoBackupVault", "Resource": "*"}]),
            ("denied deletion", [everything, {"Effect": "Deny", "Action": "backup:Delete*", "Resource": "*"}]),
        ])  # fmt: skip
        new = {"Version": "2012-10-17", "Statement": statements}
        return Change(
            f"role: {kind}", {"object": drawn.role_arn, "policies": {"job": new}},
            lambda: iam.put_role_policy(RoleName=name, PolicyName="job", PolicyDocument=json.dumps(new)),
            lambda: iam.put_role_policy(RoleName=name, PolicyName="job", PolicyDocument=old),
            [drawn],
        )  # fmt: skip

    def job_role(self, drawn: Drawn) -> Change:
        """A role that many routes share."""
        arn = JOB_ROLE.format(account=drawn.source)
        iam, name = self.lab.client(drawn.source, "iam"), arn.rsplit("/", 1)[-1]
        action = self.dice.choice(["backup:CopyFromBackupVault", "backup:DeleteRecoveryPoint", "rds:*"])
        new = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        return Change(
            f"shared role denies {action}", {"object": arn, "policies": {"predictions": new}},
            lambda: iam.put_role_policy(RoleName=name, PolicyName="predictions", PolicyDocument=json.dumps(new)),
            lambda: iam.delete_role_policy(RoleName=name, PolicyName="predictions"),
            [other for other in self.routes if other.role_arn == arn],
        )  # fmt: skip

    def _policy(self, drawn: Drawn, says: Json) -> tuple[Any, str, str] | None:
        """A managed policy for a role that only one route has."""
        if drawn.role_arn == JOB_ROLE.format(account=drawn.source):
            return None
        iam = self.lab.client(drawn.source, "iam")
        made = iam.create_policy(PolicyName=self.lab.unique("changed"), PolicyDocument=json.dumps(says))
        return iam, drawn.role_arn.rsplit("/", 1)[-1], made["Policy"]["Arn"]

    def boundary(self, drawn: Drawn) -> Change | None:
        action = self.dice.choice(["backup:CopyIntoBackupVault", "backup:DeleteRecoveryPoint"])
        bound = {"Effect": "Allow", "NotAction": action, "Resource": "*"}
        made = self._policy(drawn, {"Version": "2012-10-17", "Statement": [bound]})
        if made is None or made[0].get_role(RoleName=made[1])["Role"].get("PermissionsBoundary"):
            return None
        iam, name, arn = made
        return Change(
            f"boundary without {action}", None,
            lambda: iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=arn),
            lambda: iam.delete_role_permissions_boundary(RoleName=name),
            [drawn],
        )  # fmt: skip

    def managed_policy(self, drawn: Drawn) -> Change | None:
        action = self.dice.choice(["backup:CopyIntoBackupVault", "backup:DeleteRecoveryPoint"])
        denies = {"Effect": "Deny", "Action": action, "Resource": "*"}
        made = self._policy(drawn, {"Version": "2012-10-17", "Statement": [denies]})
        if made is None:
            return None
        iam, name, arn = made
        return Change(
            f"managed policy denies {action}", None,
            lambda: iam.attach_role_policy(RoleName=name, PolicyArn=arn),
            lambda: iam.detach_role_policy(RoleName=name, PolicyArn=arn),
            [drawn],
        )  # fmt: skip

    def _of_organization(self, kind: str, content: Json) -> str:
        organizations = self.lab.client(self.lab.management, "organizations")
        made = organizations.create_policy(
            Content=json.dumps(content), Description="changes", Name=self.lab.unique("changes"), Type=kind
        )
        return made["Policy"]["PolicySummary"]["Id"]

    def scp(self, drawn: Drawn) -> Change:
        action = self.dice.choice(["backup:CopyIntoBackupVault", "organizations:LeaveOrganization"])
        new = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        organizations = self.lab.client(self.lab.management, "organizations")
        policy = self._of_organization("SERVICE_CONTROL_POLICY", new)
        return Change(
            f"SCP denies {action}", {"object": drawn.source, "scp": new},
            lambda: organizations.attach_policy(PolicyId=policy, TargetId=drawn.source),
            lambda: organizations.detach_policy(PolicyId=policy, TargetId=drawn.source),
            [other for other in self.routes if other.source == drawn.source],
        )  # fmt: skip

    def rcp(self, drawn: Drawn) -> Change:
        action = self.dice.choice(["kms:Decrypt", "kms:CreateGrant", "s3:GetObject"])
        denies = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}
        new = {"Version": "2012-10-17", "Statement": [denies]}
        organizations = self.lab.client(self.lab.management, "organizations")
        policy = self._of_organization("RESOURCE_CONTROL_POLICY", new)
        return Change(
            f"RCP denies {action}", {"object": drawn.source, "rcp": new},
            lambda: organizations.attach_policy(PolicyId=policy, TargetId=drawn.source),
            lambda: organizations.detach_policy(PolicyId=policy, TargetId=drawn.source),
            [other for other in self.routes if drawn.source in (other.source, other.destination)],
        )  # fmt: skip

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """An SCP above all sources that says nothing of backups yet."""
        organizations = self.lab.client(self.lab.management, "organizations")
        self.guard_policy = self._of_organization("SERVICE_CONTROL_POLICY", GUARD)
        for source in self.lab.accounts["sources"]:
            organizations.attach_policy(PolicyId=self.guard_policy, TargetId=source)
        try:
            yield
        finally:
            for source in self.lab.accounts["sources"]:
                organizations.detach_policy(PolicyId=self.guard_policy, TargetId=source)

    def guard(self, _: Drawn) -> Change:
        """What an SCP says that bounds several accounts."""
        action = self.dice.choice(["backup:CopyIntoBackupVault", "backup:DeleteRecoveryPoint"])
        new = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
        organizations = self.lab.client(self.lab.management, "organizations")

        def says(content: Json) -> None:
            organizations.update_policy(PolicyId=self.guard_policy, Content=json.dumps(content))

        return Change(f"the SCP of all denies {action}", None, lambda: says(new), lambda: says(GUARD), self.routes)

    def settings(self, _: Drawn) -> Change:
        backup = self.lab.client(self.lab.management, "backup")

        def switch(value: str) -> None:
            backup.update_global_settings(GlobalSettings={"isCrossAccountBackupEnabled": value})

        return Change("no copies across accounts", None, lambda: switch("false"), lambda: switch("true"), self.routes)

    def own_roles(self, many: int) -> None:
        """Some routes get a role of their own that may do everything."""
        shared = [drawn for drawn in self.routes if drawn.role_arn == JOB_ROLE.format(account=drawn.source)]
        for drawn in self.dice.sample(shared, many):
            iam, name = self.lab.client(drawn.source, "iam"), self.lab.unique("changed-role")
            trust = {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
            made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
            everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
            iam.put_role_policy(RoleName=name, PolicyName="job", PolicyDocument=document(everything))
            drawn.role_arn = made["Role"]["Arn"]

    def hang(self, many: int) -> None:
        """Lets some copies hang on a grant alone."""
        for drawn in self.routes:
            across = drawn.source != drawn.destination and drawn.key_arn
            if len(self.hanging) == many or not across or outcomes(self.lab, [drawn])[drawn.vault] != "COMPLETED":
                continue
            kms, grantee = self.lab.client(drawn.source, "kms", drawn.region), SLR.format(account=drawn.destination)
            narrow = json.dumps(key_policy(drawn.source))
            kms.put_key_policy(KeyId=drawn.key_arn, PolicyName="default", Policy=narrow)
            assert outcomes(self.lab, [drawn])[drawn.vault] == "FAILED", drawn
            made = kms.create_grant(KeyId=drawn.key_arn, GranteePrincipal=grantee, Operations=OPERATIONS)
            self.hanging[drawn.vault] = made["GrantId"]
            assert outcomes(self.lab, [drawn])[drawn.vault] == "COMPLETED", drawn

    def revoked_grant(self, drawn: Drawn) -> Change | None:
        """The grant goes on which a copy hangs."""
        if drawn.vault not in self.hanging:
            drawn = self.dice.choice([other for other in self.routes if other.vault in self.hanging])
        kms, grantee = self.lab.client(drawn.source, "kms", drawn.region), SLR.format(account=drawn.destination)

        def revoke() -> None:
            kms.revoke_grant(KeyId=drawn.key_arn, GrantId=self.hanging.pop(drawn.vault))

        def create() -> None:
            made = kms.create_grant(KeyId=drawn.key_arn, GranteePrincipal=grantee, Operations=OPERATIONS)
            self.hanging[drawn.vault] = made["GrantId"]

        return Change("the grant goes", {"object": drawn.key_arn, "grants": []}, revoke, create, [drawn])

    def grant(self, drawn: Drawn) -> Change | None:
        """A grant on the source key that lets the copier do what a copy needs, or all but one thing."""
        if not drawn.key_arn:
            return None
        kms = self.lab.client(drawn.source, "kms", drawn.region)
        operations = list(OPERATIONS)
        if self.dice.random() < 0.3:
            operations.remove(self.dice.choice(operations[:3]))
        grantee = SLR.format(account=drawn.destination)
        made: list[str] = []

        def create() -> None:
            answer = kms.create_grant(KeyId=drawn.key_arn, GranteePrincipal=grantee, Operations=operations)
            made.append(answer["GrantId"])

        def revoke() -> None:
            kms.revoke_grant(KeyId=drawn.key_arn, GrantId=made.pop())

        there = [OPERATIONS] if drawn.vault in self.hanging else []
        grants = [{"grantee": grantee, "operations": each} for each in [*there, operations]]
        return Change(f"grant of {operations}", {"object": drawn.key_arn, "grants": grants}, create, revoke, [drawn])


def outcomes(lab: Lab, routes: list[Drawn]) -> dict[str, str]:
    """How the next copies would end, by the vault that they leave; `OPEN` where AWS does not publish what decides it."""
    copies = [
        {
            "account_id": drawn.source,
            "region": drawn.region,
            "vault": drawn.vault,
            "recovery_point_arn": drawn.point,
            "destination_vault_arn": drawn.destination_vault_arn,
            "role_arn": drawn.role_arn,
        }
        for drawn in routes
    ]
    ended = lab.control("would-copy", {"copies": copies})["outcomes"]
    opened = {"UNCERTAIN": OPEN}
    return {
        drawn.vault: OPEN if one["unpublished"] else opened.get(one["state"], one["state"])
        for drawn, one in zip(routes, ended, strict=True)
    }


def together(changes: list[Change]) -> Iterator[list[Change]]:
    """Some changes at a time, of which no copy meets two."""
    left = list(changes)
    while left:
        group: list[Change] = []
        met: set[str] = set()
        for change in left:
            vaults = {drawn.vault for drawn in change.routes}
            if len(group) < AT_ONCE and not met & vaults:
                group.append(change)
                met |= vaults
        left = [change for change in left if change not in group]
        yield group
