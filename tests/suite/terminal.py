"""The real `guardian` command against the lab, run as an engineer would run it: the environment names the endpoint and the roles."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .organization import ROOT, Json, Lab

BINARY = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", str(ROOT / "target" / "debug"))) / "guardian"
# The reader roles trust principals of this name in the guardian account.
OPERATOR = "backup-guardian-function-terminal"


@dataclass
class Result:
    """How a run ended."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> Json:
        return json.loads(self.out)


class Terminal:
    """A terminal with the credentials of an operator in the guardian account."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        iam = lab.client(lab.guardian, "iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{lab.guardian}:root"},
            "Action": "sts:AssumeRole",
        }
        may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/backup-guardian-reader"}
        try:
            role = iam.create_role(RoleName=OPERATOR, AssumeRolePolicyDocument=document(trust))["Role"]
            iam.put_role_policy(RoleName=OPERATOR, PolicyName="read", PolicyDocument=document(may))
        except iam.exceptions.EntityAlreadyExistsException:
            role = iam.get_role(RoleName=OPERATOR)["Role"]
        sts = lab.client(lab.guardian, "sts")
        self.session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="operator")["Credentials"]

    def run(self, *arguments: str, organization: bool = True, **environment: str) -> Result:
        """Runs the command with nothing but this environment."""
        given = {
            "AWS_ENDPOINT_URL": self.lab.endpoint,
            "AWS_REGION": self.lab.region,
            "AWS_ACCESS_KEY_ID": self.session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.session["SessionToken"],
            "PATH": os.environ.get("PATH", ""),
        }
        if organization:
            role = f"arn:aws:iam::{self.lab.management}:role/backup-guardian-reader"
            given["GUARDIAN_ORGANIZATION_ROLE_ARN"] = role
        ended = subprocess.run(
            [str(BINARY), *arguments], env=given | environment, capture_output=True, text=True, timeout=120, check=False
        )
        return Result(ended.returncode, ended.stdout, ended.stderr)


def document(*statements: Json) -> str:
    """A policy document as JSON text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
