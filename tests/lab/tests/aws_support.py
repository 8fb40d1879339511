"""A running lab without functions for the tests of its AWS part: boto3 on a real port, events kept in a list."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.model import Shape
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from werkzeug.serving import make_server

import lab.aws
from lab import work
from lab.aws import events, organizations

MANAGEMENT, GUARDIAN, BACKUP = "333333333333", "444444444444", "222222222222"
SOURCE, OTHER_SOURCE, STRANGER = "111111111111", "111111111112", "999999999999"
REGION, OTHER_REGION = "eu-central-1", "eu-west-1"
MEMBERS = {GUARDIAN: "guardian", BACKUP: "backup", SOURCE: "payments", OTHER_SOURCE: "orders"}
SERVICE_ROLE = "AWSBackupDefaultServiceRole"


def service_role(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/service-role/{SERVICE_ROLE}"


def linked_role(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"


def own_root(account_id: str) -> dict[str, Any]:
    return {
        "Sid": "own",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }


def use_statement(principal: str) -> dict[str, Any]:
    return {
        "Sid": "use",
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
    }


def grant_statement(principal: str) -> dict[str, Any]:
    return {
        "Sid": "grants",
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
        "Resource": "*",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    }


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ROOT_OF_BACKUP = f"arn:aws:iam::{BACKUP}:root"
VAULT_POLICY = policy(
    {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "backup:CopyIntoBackupVault",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": [organizations.ORGANIZATION_ID]}},
    }
)


class Lab:
    """The server, clients of any account, and the steps that most tests begin with."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self._sessions: dict[str, dict[str, str]] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}

    def reset(self) -> None:
        work.wait_idle(5)
        # Making boto3 clients is the slowest part of a test, so sessions outlive the reset.
        kept = {
            account_id: (
                dict(iam_backends[account_id]["aws"].access_keys),
                list(sts_backends[account_id]["aws"].assumed_roles),
            )
            for account_id in self._sessions
        }
        urllib.request.urlopen(urllib.request.Request(self.endpoint + "/moto-api/reset", method="POST"))
        for account_id, (access_keys, assumed_roles) in kept.items():
            iam_backends[account_id]["aws"].access_keys.update(access_keys)
            sts_backends[account_id]["aws"].assumed_roles.extend(assumed_roles)
        lab.aws.reset()
        self.events.clear()
        events.set_sink(lambda account, region, event: self.events.append((account, region, event)))
        organizations.bootstrap(MANAGEMENT, MEMBERS)
        for account_id in (MANAGEMENT, *MEMBERS):
            organizations.create_admin_role(account_id, MANAGEMENT)
            organizations.create_backup_roles(account_id)

    def root(self, service: str, region: str = REGION) -> Any:
        if ("", service, region) in self._clients:
            return self._clients["", service, region]
        made = self._clients["", service, region] = boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id="AKIAROOTROOTROOTROOT",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 1, "mode": "standard"}),
        )
        return made

    def client(self, service: str, account_id: str, region: str = REGION) -> Any:
        if (account_id, service, region) in self._clients:
            return self._clients[account_id, service, region]
        if account_id not in self._sessions:
            arn = f"arn:aws:iam::{account_id}:role/OrganizationAccountAccessRole"
            self._sessions[account_id] = self.root("sts").assume_role(RoleArn=arn, RoleSessionName="operator")[
                "Credentials"
            ]
        session = self._sessions[account_id]
        made = self._clients[account_id, service, region] = boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=session["AccessKeyId"],
            aws_secret_access_key=session["SecretAccessKey"],
            aws_session_token=session["SessionToken"],
            config=Config(retries={"max_attempts": 1, "mode": "standard"}),
        )
        return made

    def idle(self) -> None:
        assert work.wait_idle(5), work.in_flight()

    def key(self, account_id: str, *statements: dict[str, Any], region: str = REGION) -> str:
        text = policy(own_root(account_id), *statements)
        return self.client("kms", account_id, region).create_key(Policy=text)["KeyMetadata"]["Arn"]

    def vault(self, account_id: str, name: str, key: str | None = None, region: str = REGION, open_to: str = "") -> str:
        backup = self.client("backup", account_id, region)
        arguments = {"EncryptionKeyArn": key} if key else {}
        arn = backup.create_backup_vault(BackupVaultName=name, **arguments)["BackupVaultArn"]
        if open_to:
            backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=open_to)
        return arn

    def volume(self, account_id: str, key: str | None, region: str = REGION) -> str:
        arguments = {"Encrypted": True, "KmsKeyId": key} if key else {}
        volume = self.client("ec2", account_id, region).create_volume(
            AvailabilityZone=region + "a", Size=8, **arguments
        )
        return f"arn:aws:ec2:{region}:{account_id}:volume/{volume['VolumeId']}"

    def backup(self, account_id: str, resource: str, vault: str = "local", region: str = REGION, **more: Any) -> dict:
        backup = self.client("backup", account_id, region)
        job = backup.start_backup_job(
            BackupVaultName=vault, ResourceArn=resource, IamRoleArn=service_role(account_id), **more
        )
        self.idle()
        return backup.describe_backup_job(BackupJobId=job["BackupJobId"])

    def copy(
        self, account_id: str, point: str, destination: str, vault: str = "local", region: str = REGION, **more: Any
    ) -> dict[str, Any]:
        backup = self.client("backup", account_id, region)
        arguments = {"IamRoleArn": service_role(account_id), **more}
        job = backup.start_copy_job(
            RecoveryPointArn=point, SourceBackupVaultName=vault, DestinationBackupVaultArn=destination, **arguments
        )
        self.idle()
        return backup.describe_copy_job(CopyJobId=job["CopyJobId"])["CopyJob"]

    def states(self, detail_type: str) -> list[str]:
        return [
            event["detail"].get("state") or event["detail"].get("status")
            for _, _, event in self.events
            if event["detail-type"] == detail_type
        ]

    def records(self, account_id: str, region: str = REGION, name: str = "", failed: bool = False) -> list[dict]:
        """CloudTrail's records as LookupEvents shows them, newest first."""
        attributes = [{"AttributeKey": "EventName", "AttributeValue": name}] if name else []
        client = self.client("cloudtrail", account_id, region)
        found = client.lookup_events(LookupAttributes=attributes)["Events"]
        records = [json.loads(one["CloudTrailEvent"]) for one in found]
        return [record for record in records if not failed or "errorCode" in record]


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Lab]:
    lab.aws.install()
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

    application = DomainDispatcherApplication(create_backend_app)
    running = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield Lab(running.server_port)
    running.shutdown()
    thread.join(5)


@pytest.fixture
def aws(aws_server: Lab) -> Iterator[Lab]:
    aws_server.reset()
    yield aws_server
    events.set_sink(None)


@pytest.fixture
def topology(aws: Lab) -> Lab:
    """A vault in the source account, an open vault with a key of its own in the backup account."""
    aws.vault(SOURCE, "local")
    aws.vault(BACKUP, "central", aws.key(BACKUP), open_to=VAULT_POLICY)
    return aws


CENTRAL = f"arn:aws:backup:{REGION}:{BACKUP}:backup-vault:central"

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "long": (int,),
    "integer": (int,),
    "boolean": (bool,),
    "timestamp": (datetime,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


def conforms(shape: Shape, value: Any, where: str) -> None:
    if shape.name == "policyDocumentType":
        # boto3 reads the policies of IAM for its caller.
        value = json.dumps(value)
    assert isinstance(value, TYPES[shape.type_name]), f"{where}: {value!r} is no {shape.type_name}"
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members), f"{where}: {sorted(set(value) - set(shape.members))}"
        for name, one in value.items():
            conforms(shape.members[name], one, f"{where}.{name}")
    elif shape.type_name == "list":
        for one in value:
            conforms(shape.member, one, where + "[]")
