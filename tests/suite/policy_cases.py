"""Seeded random authorization cases in the format of tests/facts/iam-cases.jsonl.

Values are drawn from small pools made around the request, so that statements hit as often as they nearly miss. Every
draw comes from the one generator that is passed in: the same seed gives the same cases.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

HOME, AWAY, MANAGEMENT = "111122223333", "222233334444", "999900001111"
ACCOUNTS = (HOME, AWAY, MANAGEMENT)
ORGANIZATION = "o-exampleorg1"
KMS = (
    "CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "RetireGrant",
    "ScheduleKeyDeletion", "PutKeyPolicy", "ListGrants", "Sign", "ListKeys", "UpdateAlias",
)  # fmt: skip
OTHERS = (
    "backup:CopyIntoBackupVault", "backup:CopyFromBackupVault", "backup:StartCopyJob", "s3:GetObject", "sqs:SendMessage",
    "iam:PassRole", "sts:AssumeRole", "secretsmanager:GetSecretValue", "ec2:CopySnapshot",
)  # fmt: skip
SINGLE = (
    "aws:PrincipalOrgID", "aws:SourceAccount", "kms:ViaService", "kms:GrantIsForAWSResource", "aws:PrincipalTag/team",
    "aws:SourceIp", "aws:CurrentTime", "t:number", "t:bytes", "aws:PrincipalArn", "aws:SourceArn",
    "kms:EncryptionContext:aws:ebs:id", "aws:PrincipalAccount", "t:empty",
)  # fmt: skip
MULTI = ("kms:GrantOperations", "aws:PrincipalOrgPaths", "kms:EncryptionContextKeys", "aws:TagKeys", "t:arns")
VALUES: dict[str, tuple[Any, ...]] = {
    "aws:PrincipalOrgID": (ORGANIZATION, "o-other"),
    "aws:SourceAccount": (HOME, AWAY),
    "aws:PrincipalAccount": (HOME, AWAY),
    "kms:ViaService": ("ec2.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com", "backup.eu-west-1.amazonaws.com"),
    "kms:GrantIsForAWSResource": ("true", "false", "TRUE", "yes"),
    "aws:PrincipalTag/team": ("blue", "Blue", "red", "*", "b?ue", "blue/*", "${*}", ""),
    "aws:SourceIp": ("10.0.0.1", "10.1.2.3", "192.168.7.9", "2001:db8::1", "2001:DB8:0:0::1", "no address"),
    "aws:CurrentTime": ("2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "1767225600", "2026-01-01T01:00:00+01:00", "x"),
    "t:number": ("10", "10.0", "9", "-1", "1e1", "ten", " 10"),
    "t:bytes": ("QmluYXJ5", "QmluYXJ6", "QQ=="),
    "t:empty": ("", "a"),
    "kms:EncryptionContext:aws:ebs:id": ("vol-1", "VOL-1", "vol-2"),
    "kms:GrantOperations": ("Decrypt", "Encrypt", "CreateGrant", "decrypt"),
    "kms:EncryptionContextKeys": ("aws:ebs:id", "AWS:EBS:ID", "aws:backup:vault"),
    "aws:TagKeys": ("team", "cost", "*"),
    "aws:PrincipalOrgPaths": (f"{ORGANIZATION}/r-1/ou-1/", f"{ORGANIZATION}/r-1/ou-2/", "o-other/r-1/"),
}
STRING = (
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
)
ARN = ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike")
NUMERIC = tuple(
    f"Numeric{order}"
    for order in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
)
DATE = tuple(name.replace("Numeric", "Date") for name in NUMERIC)
ADDRESS = ("IpAddress", "NotIpAddress")
EVERY_OPERATOR = (*STRING, *ARN, *NUMERIC, *DATE, *ADDRESS, "Bool", "BinaryEquals", "Null")


ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Cases:
    """Draws cases."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, options: Any) -> Any:
        return self.random.choice(options)

    def some(self, draw: Callable[[], Any], most: int = 3) -> Any:
        """One value, or a list of values: the policy language allows both."""
        if self.chance(0.5):
            return draw()
        return [draw() for _ in range(self.random.randint(0 if self.chance(0.1) else 1, most))]

    # -- the case ------------------------------------------------------------------------------------------------------

    def case(self, number: int) -> dict[str, Any]:
        """Half of the cases are crowded; in the others one element of one statement decides, so that no detail drowns."""
        case = self.crowded(number)
        if self.chance(0.5):
            return case
        case |= {"identity_policies": [ALLOW_ALL], "permission_boundary": None, "scps": [], "rcps": []}
        case["resource_policy"] = self.document([self.opening(self.pick((self.principal, self.account)))])
        for name in ("session_policy", "grants"):
            case.pop(name, None)
        self.pick((*[self.focus_on_statement] * 4, self.focus_on_principal, self.focus_on_grant))(case)
        return case

    def opening(self, principal: str) -> dict[str, Any]:
        kind = "Service" if self.kind == "service" else "AWS"
        return {"Effect": "Allow", "Principal": {kind: principal}, "Action": "*", "Resource": "*"}

    def focus_on_statement(self, case: dict[str, Any]) -> None:
        statement: dict[str, Any] = {"Effect": self.pick(("Allow", "Allow", "Deny")), "Action": "*", "Resource": "*"}
        part = self.pick(("Action", "Resource", "Resource", "Condition", "Condition", "Condition", "damage"))
        if part == "Action":
            statement["NotAction" if self.chance(0.2) else part] = self.some(self.an_action)
        elif part == "Resource":
            statement["NotResource" if self.chance(0.2) else part] = self.some(self.a_pattern)
        elif part == "Condition":
            key = self.pick(SINGLE + MULTI)
            self.set_key(key)
            operator = self.an_operator(key)
            statement[part] = {operator: {self.respell(key): self.some(lambda: self.wanted(key, operator))}}
            if self.chance(0.8):
                case.pop("unknown_context", None)
            elif self.chance(0.5):
                case["unknown_context"] = [key]
        else:
            self.damage(statement)
        if "Resource" in statement and "NotResource" in statement:
            del statement["Resource"]
        if "Action" in statement and "NotAction" in statement and part != "damage":
            del statement["Action"]
        statements = [statement]
        if statement.get("Effect") == "Deny":
            statements.append({"Effect": "Allow", "Action": "*", "Resource": "*"})
        layer = self.pick(
            ("identity_policies", "identity_policies", "resource_policy", "permission_boundary", "scps", "rcps")
        )
        if self.kind == "service":
            layer = self.pick(("resource_policy", "rcps"))
        if layer == "resource_policy":
            open_to = {"Service": self.principal} if self.kind == "service" else {"AWS": self.principal}
            case[layer] = self.document([{"Principal": open_to, **one} for one in statements])
            return
        document = self.document(statements)
        case[layer] = {"identity_policies": [document], "permission_boundary": document}.get(layer, [[document]])
        if layer == "permission_boundary" or layer == "identity_policies":
            # A resource policy that names the caller would make it pointless in the own account.
            case["resource_policy"] = self.document([self.opening(self.account)]) if self.kind != "service" else None

    def set_key(self, key: str) -> None:
        """Gives the key of the one condition a value, mostly."""
        for name in [name for name in self.context if name.lower() == key.lower()]:
            del self.context[name]
        if self.chance(0.8):
            many = [self.value(key) for _ in range(self.random.randint(0, 3))]
            self.context[key] = many if (key in MULTI) != self.chance(0.05) else self.value(key)

    def focus_on_principal(self, case: dict[str, Any]) -> None:
        effect = self.pick(("Allow", "Allow", "Deny"))
        name = "NotPrincipal" if self.chance(0.6 if effect == "Deny" else 0.1) else "Principal"
        statements = [{"Effect": effect, name: self.principals(), "Action": "*", "Resource": "*"}]
        if effect == "Deny":
            statements.append(self.opening(self.principal))
        case["resource_policy"] = self.document(statements)
        empty = {"Version": "2012-10-17", "Statement": []}
        case["identity_policies"] = self.pick(([], [ALLOW_ALL]))
        case["permission_boundary"] = self.pick((None, None, empty, ALLOW_ALL))
        if self.kind == "session" and self.chance(0.5):
            case["session_policy"] = self.pick((empty, ALLOW_ALL))

    def focus_on_grant(self, case: dict[str, Any]) -> None:
        case["identity_policies"] = self.pick(([], [], [ALLOW_ALL]))
        case["resource_policy"] = self.document([self.opening(self.account)]) if self.kind != "service" else None
        case["grants"] = [self.grant()]

    def crowded(self, number: int) -> dict[str, Any]:
        self.account = self.pick((HOME, HOME, HOME, AWAY, MANAGEMENT))
        self.owner = self.account if self.chance(0.5) else self.pick(ACCOUNTS)
        self.role = self.pick(("BackupCopy", "service-role/BackupCopy", "team/a/BackupCopy", "AWSServiceRoleForBackup"))
        if self.chance(0.15):
            self.role = "aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
        self.role_arn = f"arn:aws:iam::{self.account}:role/{self.role}"
        self.kind = self.pick(("role", "role", "session", "session", "session", "user", "user", "service", "root"))
        self.principal = self.a_principal()
        self.action = f"kms:{self.pick(KMS)}" if self.chance(0.65) else self.pick(OTHERS)
        self.resource = self.a_resource()
        self.context = self.a_context()
        case: dict[str, Any] = {
            "id": f"case-{number}",
            "request": {
                "principal": self.principal,
                "action": self.action.swapcase() if self.chance(0.03) else self.action,
                "resource": self.resource,
                "resource_account": self.owner,
                "context": self.context,
            },
            "identity_policies": [self.identity() for _ in range(self.random.randint(0, 2))],
            "permission_boundary": self.identity() if self.chance(0.25) else None,
            "scps": self.levels(self.scp) if self.chance(0.4) else [],
            "rcps": self.levels(self.rcp) if self.chance(0.4) else [],
            "resource_policy": self.resource_policy() if self.chance(0.85) else None,
        }
        if self.kind == "session" and self.chance(0.3):
            case["session_policy"] = self.identity()
        if self.chance(0.5):
            case["management_account"] = MANAGEMENT
        if self.action.startswith("kms:") and self.chance(0.1):
            case["aws_managed_key"] = True
        if self.action.startswith("kms:") and self.chance(0.25):
            case["grants"] = [self.grant() for _ in range(self.random.randint(1, 2))]
        if self.context and self.chance(0.15):
            case["unknown_context"] = [self.respell(key) for key in self.random.sample(sorted(self.context), 1)]
            if self.chance(0.3):
                case["unknown_context"].append(self.pick(SINGLE + MULTI))
        return case

    def a_principal(self) -> str:
        if self.kind == "service":
            return str(self.pick(("backup.amazonaws.com", "events.amazonaws.com")))
        if self.kind == "root":
            return f"arn:aws:iam::{self.account}:root"
        if self.kind == "user":
            return f"arn:aws:iam::{self.account}:user/{self.pick(('ops', 'path/ops'))}"
        if self.kind == "role":
            return self.role_arn
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role.rsplit('/', 1)[-1]}/AWSBackup-job"

    def a_resource(self) -> str:
        service, operation = self.action.split(":")
        if operation == "ListKeys":
            return "*"
        if operation == "UpdateAlias":
            return f"arn:aws:kms:us-east-1:{self.owner}:alias/backup"
        name = {
            "kms": "key/1234abcd-12ab", "backup": "backup-vault:central", "sqs": "alerts", "iam": "role/Reader", "sts": "role/Reader",
            "secretsmanager": "secret:a/b", "ec2": "snapshot/snap-1",
        }.get(service, "bucket/a/b:c")  # fmt: skip
        if operation in ("CopyFromBackupVault", "StartCopyJob"):
            name = "recovery-point:0a1b"
        region = "" if service in ("iam", "sts", "s3") else "us-east-1"
        owner = "" if service in ("s3", "ec2") else self.owner
        return f"arn:aws:{service.replace('sts', 'iam')}:{region}:{owner}:{name}"

    def a_context(self) -> dict[str, Any]:
        context: dict[str, Any] = {"aws:PrincipalIsAWSService": "true" if self.kind == "service" else "false"}
        if self.kind != "service":
            context["aws:PrincipalAccount"] = self.account
            if self.chance(0.9):
                context["aws:PrincipalArn"] = self.role_arn if self.kind == "session" else self.principal
        for key in SINGLE:
            if key not in context and self.chance(0.35):
                context[self.respell(key)] = self.value(key)
        for key in MULTI:
            if self.chance(0.35):
                context[self.respell(key)] = [self.value(key) for _ in range(self.random.randint(0, 3))]
        if self.chance(0.05):
            # A scalar where others have a list, and the other way round.
            key = self.pick(SINGLE + MULTI)
            context[key] = self.value(key) if key in MULTI else [self.value(key)]
        return context

    def respell(self, key: str) -> str:
        return key.swapcase() if self.chance(0.05) else key

    def value(self, key: str) -> Any:
        if key in ("aws:PrincipalArn", "aws:SourceArn", "t:arns"):
            return self.pick(
                (
                    self.role_arn,
                    self.resource,
                    f"arn:aws:ec2:us-east-1:{self.owner}:volume/a:b/c",
                    "no-arn",
                    "arn:aws:x",
                    f"urn:aws:iam::{self.account}:role/{self.role}",
                )
            )
        return self.pick(VALUES[key])

    # -- documents -----------------------------------------------------------------------------------------------------

    def levels(self, draw: Callable[[], Any]) -> list[list[Any]]:
        return [
            [draw() for _ in range(self.random.randint(0 if self.chance(0.1) else 1, 2))]
            for _ in range(self.random.randint(1, 3))
        ]

    def document(self, statements: list[Any]) -> Any:
        if self.chance(0.01):
            return self.pick(({}, {"Statement": "none"}, [], "text", {"Version": "2012-10-17"}))
        document: dict[str, Any] = {"Version": "2012-10-17"}
        if self.chance(0.1):
            document = self.pick(({}, {"Version": "2008-10-17"}))
        if self.chance(0.01):
            document = {"Version": "2012-10-18"}
        document["Statement"] = statements[0] if len(statements) == 1 and self.chance(0.2) else statements
        return document

    def identity(self) -> Any:
        return self.document([self.statement() for _ in range(self.random.randint(0, 3))])

    def scp(self) -> Any:
        if self.chance(0.6):
            return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        return self.identity()

    def rcp(self) -> Any:
        statements = [{"Principal": "*", **self.statement("Deny")} for _ in range(self.random.randint(0, 2))]
        if self.chance(0.3):
            statements.append({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"})
        return self.document(statements)

    def resource_policy(self) -> Any:
        statements = []
        if self.chance(0.4):
            root = f"arn:aws:iam::{self.owner}:root"
            statements.append({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"})
        for _ in range(self.random.randint(0, 3)):
            statement = self.statement()
            if self.chance(0.6):
                statement["Resource"] = "*"
                statement.pop("NotResource", None)
            elif self.chance(0.1):
                statement.pop("Resource", None)
            if self.chance(0.97):
                name = (
                    "NotPrincipal"
                    if self.chance(0.6 if statement.get("Effect") == "Deny" and self.chance(0.4) else 0.01)
                    else "Principal"
                )
                statement[name] = self.principals()
            statements.append(statement)
        return self.document(statements)

    def statement(self, effect: str | None = None) -> dict[str, Any]:
        statement: dict[str, Any] = {"Effect": effect or self.pick(("Allow", "Allow", "Allow", "Deny"))}
        if self.chance(0.2):
            statement["Sid"] = f"S{self.random.randint(1, 9)}"
        statement["NotAction" if self.chance(0.1) else "Action"] = self.some(self.an_action)
        statement["NotResource" if self.chance(0.1) else "Resource"] = (
            "*" if self.chance(0.4) else self.some(self.a_pattern)
        )
        if self.chance(0.45 if statement["Effect"] == "Allow" else 0.8):
            statement["Condition"] = self.conditions()
        if self.chance(0.01):
            self.damage(statement)
        return statement

    def damage(self, statement: dict[str, Any]) -> None:
        broken: tuple[tuple[str, Any], ...] = (
            ("Effect", "deny"), ("Action", 7), ("Resource", None), ("Condition", []), ("Conditions", {}), ("NotAction", "kms:*"),
            ("Condition", {"StringAlmost": {"a": "b"}}), ("Condition", {"StringEquals": "a"}), ("Condition", {"Bool": {"t:x": None}}),
            ("Condition", {"NullIfExists": {"aws:TagKeys": "true"}}), ("Effect", None), ("Action", ["kms:*", {}]), ("Sid", 5),
        )  # fmt: skip
        name, value = self.pick(broken)
        statement[name] = value
        if self.chance(0.2):
            statement.pop(self.pick(("Action", "Resource", "Effect")), None)

    def an_action(self) -> str:
        service, operation = self.action.split(":")
        patterns = [
            self.action, self.action, f"{service}:*", "*", f"{service}:{operation[:3]}*", f"*:{operation}", f"{service}:?{operation[1:]}",
            self.action.upper(), f"{service}*", f"{service}:{operation}?", f"{service[0]}*{operation[-3:]}", "kms:Encrypt", "s3:*",
            f"{service}:*{operation[2:5]}*", operation, "", "**",
        ]  # fmt: skip
        return str(self.pick(patterns))

    def a_pattern(self) -> str:
        """Patterns around the resource, with stars and variables in any field."""
        if self.resource == "*" or self.chance(0.15):
            return str(
                self.pick(("*", "arn:aws:kms:*", "arn:*", "arn:aws:s3:::bucket/*", "**", "", "*:*", "arn:aws:kms:::"))
            )
        fields = self.resource.split(":", 5)
        for _ in range(self.random.randint(0, 3)):
            at = self.random.randrange(6)
            field = fields[at]
            half = len(field) // 2
            fields[at] = self.pick(
                (
                    "*", field[:half] + "*", "*" + field[half:], field[:half] + "?" + field[half + 1 :], field.upper(), "?" * len(field),
                    field[:2] + "*" + field[-2:], field + "*", "", "${aws:PrincipalAccount}", "*${aws:PrincipalTag/team}*", "${t:absent}",
                    "${*}", "${t:absent, '" + field + "'}", "${aws:TagKeys}", "${aws:principaltag/TEAM,'x'}", "?*", "**",
                )
            )  # fmt: skip
        if self.chance(0.1):
            # Fields left out: from the end, or from the middle.
            del fields[self.random.randrange(2, 6)]
        elif self.chance(0.15):
            fields = fields[: self.random.randint(1, 5)]
        return ":".join(fields)

    # -- principals ----------------------------------------------------------------------------------------------------

    def principals(self) -> Any:
        if self.chance(0.12):
            return "*"
        if self.chance(0.02):
            return self.pick((self.principal, {"Aws": "*"}, {"AWS": None}, [], {"AWS": [7]}))
        principals: dict[str, Any] = {}
        if self.chance(0.9):
            principals["AWS"] = self.some(self.an_aws_principal)
        if not principals or self.chance(0.25 if self.kind != "service" else 0.7):
            principals["Service"] = self.some(lambda: self.pick(("backup.amazonaws.com", "events.amazonaws.com", "*")))
        if self.chance(0.05):
            principals["Federated"] = "accounts.google.com"
        return principals

    def an_aws_principal(self) -> str:
        name = self.role.rsplit("/", 1)[-1]
        root = f"arn:aws:iam::{self.account}:root"
        return str(
            self.pick(
                (
                    self.principal, self.principal, self.role_arn, self.role_arn, root, root, self.account, self.owner, "*",
                    f"arn:aws:iam::{self.owner}:root", f"arn:aws:iam::{self.account}:role/{name}", f"arn:aws:iam::{AWAY}:role/{name}",
                    f"arn:aws:iam::{self.account}:role/other/{name}", f"arn:aws-cn:iam::{self.account}:root",
                    f"arn:aws:iam::{self.account}:role/*", f"arn:aws:iam::{self.account}:user/*", f"arn:aws:iam::{self.account}:*",
                    f"arn:aws:sts::{self.account}:assumed-role/{name}/AWSBackup-job", f"arn:aws:iam::{self.account}:role/{name}x",
                    f"arn:aws:sts::{self.account}:assumed-role/{name}/other", "AROAEXAMPLEEXAMPLE1", f"arn:aws:iam::{self.account}:user/ops",
                )
            )
        )  # fmt: skip

    # -- conditions ----------------------------------------------------------------------------------------------------

    def conditions(self) -> dict[str, Any]:
        block: dict[str, Any] = {}
        for _ in range(self.random.randint(0 if self.chance(0.05) else 1, 2)):
            key = self.pick(SINGLE + MULTI)
            operator = self.an_operator(key)
            block.setdefault(operator, {})[self.respell(key)] = self.some(
                lambda key=key, operator=operator: self.wanted(key, operator)
            )
        return block

    def an_operator(self, key: str) -> str:
        fitting: tuple[str, ...] = STRING
        if key in ("aws:PrincipalArn", "aws:SourceArn", "t:arns"):
            fitting = ARN + STRING
        elif key == "t:number":
            fitting = NUMERIC
        elif key == "aws:CurrentTime":
            fitting = DATE
        elif key == "aws:SourceIp":
            fitting = ADDRESS
        elif key == "kms:GrantIsForAWSResource":
            fitting = ("Bool", "Bool", "StringEquals")
        elif key == "t:bytes":
            fitting = ("BinaryEquals",)
        operator = str(self.pick(EVERY_OPERATOR if self.chance(0.1) else fitting))
        if self.chance(0.1):
            operator = "Null"
        if operator != "Null" and self.chance(0.25):
            operator += "IfExists"
        if self.chance(0.6 if key in MULTI else 0.05):
            operator = str(self.pick(("ForAllValues:", "ForAnyValue:"))) + operator
        return operator.lower() if self.chance(0.03) else operator

    def wanted(self, key: str, operator: str) -> Any:
        """A value of the policy: near the value of the request."""
        if "null" in operator.lower():
            return self.pick(("true", "false", True, False, "True", "${aws:SecureTransport}"))
        text = self.value(key)
        if self.chance(0.6):
            here = [value for name, value in self.context.items() if name.lower() == key.lower() and value]
            text = here[0] if here and isinstance(here[0], str) else text
        if key == "aws:SourceIp":
            return self.pick(
                (
                    "10.0.0.0/8",
                    "10.0.0.1",
                    "10.0.0.1/32",
                    "10.1.255.255/15",
                    "10.0.0.1/8",
                    "10.1.0.0/16",
                    "2001:db8::/32",
                    "::/0",
                    "0.0.0.0/0",
                    "10.0.0.0/33",
                    "x",
                    text,
                )
            )
        if key == "kms:GrantIsForAWSResource":
            return self.pick((True, False, "true", "false", "False", "yes"))
        if key == "t:number":
            return self.pick((10, 10.0, 9.5, "10", "11", "-1", "1E1", "x", text))
        if key == "aws:CurrentTime":
            return self.pick(
                (text, "2026-01-01", "2026-01-01T00:00:00", "2025-12-31T23:59:59.5Z", 1767225600, "1767225601")
            )
        if key in ("aws:PrincipalArn", "aws:SourceArn", "t:arns") and self.chance(0.5):
            return self.an_arn_pattern(text)
        half = len(text) // 2
        return self.pick(
            (
                text, text, text[:half] + "*", "*" + text[half:], text[:half] + "?" + text[half + 1 :], text.swapcase(), "*", "?*", "",
                text.replace(self.account, "*"), text.replace("us-east-1", "*"), text.replace(":", "*"), "*:" + text.split(":", 1)[-1],
                "${aws:PrincipalTag/team}", "${AWS:principaltag/Team, 'blue'}", "${t:absent,'" + text + "'}", "${t:absent}", "${aws:TagKeys}",
                text[:half] + "${*}", "${?}" + text[1:], "${$}{*}", "${aws:PrincipalArn}", "${aws:PrincipalTag/team}*", "${unclosed",
                f"arn:aws:iam::{self.account}:role/${{aws:PrincipalTag/team}}", "arn:aws:iam::*:role/*Backup*", "arn:aws:iam:*:role/*",
            )
        )  # fmt: skip

    def an_arn_pattern(self, text: str) -> str:
        fields = text.split(":", 5)
        at = self.random.randrange(len(fields))
        fields[at] = self.pick(
            ("*", fields[at] + "*", fields[at][:1] + "*", "?" * len(fields[at]), "*" + fields[at][-2:])
        )
        if self.chance(0.2):
            del fields[self.random.randrange(len(fields))]
        return ":".join(fields)

    # -- grants --------------------------------------------------------------------------------------------------------

    def grant(self) -> dict[str, Any]:
        operation = self.action.split(":")[1]
        operations = [operation] if self.chance(0.7) else ["Encrypt"]
        grant: dict[str, Any] = {"GranteePrincipal": self.an_aws_principal(), "Operations": operations}
        if self.kind == "service" and self.chance(0.7):
            grant["GranteePrincipal"] = self.principal
        if self.chance(0.9):
            grant |= {"GrantId": "0d8aa621", "KeyId": self.resource}
        if self.chance(0.5):
            here = self.context.get("kms:EncryptionContext:aws:ebs:id", "vol-1")
            values = (here, *VALUES["kms:EncryptionContext:aws:ebs:id"])
            pairs = {self.respell("aws:ebs:id"): self.pick(values)} if self.chance(0.8) else {}
            if self.chance(0.2):
                pairs["aws:backup:vault"] = "central"
            grant["Constraints"] = {self.pick(("EncryptionContextSubset", "EncryptionContextEquals")): pairs}
        return grant
