"""The real `guardian` command against the lab, run as an engineer would run it: the environment names the endpoint and the roles."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from .organization import CONFIG, ORGANIZATION_ROLE, ROOT, Json, Lab

BINARY = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", str(ROOT / "target" / "debug"))) / "guardian"


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
        sts = lab.client(lab.guardian, "sts")
        role = lab.info["outputs"]["OperatorRoleArn"]
        self.session = sts.assume_role(RoleArn=role, RoleSessionName="operator")["Credentials"]

    def client(self, service: str) -> Any:
        """What the operator asks of a service with other tools."""
        given = self.session
        session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return session.client(service, endpoint_url=self.lab.endpoint, region_name=self.lab.region, config=CONFIG)

    def run(self, *arguments: str, organization: bool = True, given: str | None = None, **environment: str) -> Result:
        """Runs the command with nothing but this environment; `given` is its standard input."""
        known = {
            "AWS_ENDPOINT_URL": self.lab.endpoint,
            "AWS_REGION": self.lab.region,
            "AWS_ACCESS_KEY_ID": self.session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.session["SessionToken"],
            "PATH": os.environ.get("PATH", ""),
        }
        if organization:
            role = f"arn:aws:iam::{self.lab.management}:role/{ORGANIZATION_ROLE}"
            known["GUARDIAN_ORGANIZATION_ROLE_ARN"] = role
        ended = subprocess.run(
            [str(BINARY), *arguments],
            env=known | environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Result(ended.returncode, ended.stdout, ended.stderr)


def document(*statements: Json) -> str:
    """A policy document as JSON text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
