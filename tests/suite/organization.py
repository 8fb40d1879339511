"""The organization of a test, driven only by the AWS wire protocols: accounts, keys, vaults, policies, jobs, and the alert inbox.

Nothing here knows the lab's insides: boto3, the JSON line the lab prints, and the documented `/lab/*` controls.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from .alerts import check

ROOT = Path(__file__).resolve().parents[2]
# Longest wait for the lab, which shares the machine with whatever else is busy there; who waits as long waits for nothing.
PATIENCE_SECONDS = 300
CONFIG = Config(
    retries={"max_attempts": 3, "mode": "standard"}, connect_timeout=PATIENCE_SECONDS, read_timeout=PATIENCE_SECONDS
)
SLR = "arn:aws:iam::{account}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
# One second is for functions and services of AWS; here both share the processors of one machine, busy with other things.
WINDOW_MS = 8000
MANAGEMENT = "333333333333"
ORGANIZATION_ROLE = "backup-guardian-organization"
# Where the labs write what the roles of the guardian ask for; see tests/least.
RECORD = "GUARDIAN_AUTHORIZATIONS_DIR"
JOB_ROLE = "arn:aws:iam::{account}:role/service-role/AWSBackupDefaultServiceRole"
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
GRANT = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]

Json = dict[str, Any]


class Lab:
    """The running lab: its info line and its controls."""

    def __init__(self, info: Json) -> None:
        self.info = info
        self.endpoint: str = info["endpoint"]
        self.region: str = info["region"]
        self.accounts: Json = info["accounts"]
        self._sessions: dict[str, Json] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._numbers = itertools.count(1)

    def control(self, path: str, body: Any | None = None, method: str | None = None) -> Any:
        """Calls a `/lab/*` control; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.endpoint}/lab/{path}",
            data=data,
            headers={"content-type": "application/json"},
            method=method or ("GET" if data is None else "POST"),
        )
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise RuntimeError(f"/lab/{path}: {json.load(refused)['error']}") from refused

    def cloudtrail_delay(self, seconds: float) -> None:
        """When a record can be looked up, and when it arrives as an event."""
        self.control("cloudtrail-delay", {"lookup_seconds": seconds, "event_seconds": seconds})

    def idle(self) -> None:
        """Returns when nothing is in flight any more."""
        answer = self.control(f"idle?timeout={PATIENCE_SECONDS}")
        assert answer["idle"], f"the lab did not come to rest: {answer}"

    def client(self, account: str, service: str, region: str | None = None) -> Any:
        """A boto3 client in an account, through the admin role. Making one is slow, so each is kept."""
        key = (account, service, region or self.region)
        if key not in self._clients:
            self._clients[key] = self._new_client(*key)
        return self._clients[key]

    def _new_client(self, account: str, service: str, region: str) -> Any:
        if account not in self._sessions:
            sts = boto3.client(
                "sts",
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=CONFIG,
            )
            role = f"arn:aws:iam::{account}:role/{self.info['admin_role_name']}"
            self._sessions[account] = sts.assume_role(RoleArn=role, RoleSessionName="suite")["Credentials"]
        credentials = self._sessions[account]
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=CONFIG,
        )

    def unique(self, name: str) -> str:
        """A name no other test has used."""
        return f"{name}-{next(self._numbers)}"

    @property
    def source(self) -> str:
        return self.accounts["sources"][0]

    @property
    def backup(self) -> str:
        return self.accounts["backup"]

    @property
    def management(self) -> str:
        return self.accounts["management"]

    @property
    def guardian(self) -> str:
        return self.accounts["guardian"]

    @property
    def organization_id(self) -> str:
        organizations = self.client(self.management, "organizations")
        return organizations.describe_organization()["Organization"]["Id"]


@contextmanager
def running_lab(log_name: str, *, whole: bool = True, **parameters: str) -> Iterator[Lab]:
    """Starts the lab with the real function binaries and these parameters of the template, and ends it. What roles ask for while the template is not
    `whole` says nothing of what they need."""
    functions = os.environ.get("GUARDIAN_FUNCTIONS_DIR", str(ROOT / "target" / "debug"))
    # Each process of the suite has labs of its own.
    log = ROOT / "target" / f"{os.environ.get('PYTEST_XDIST_WORKER', 'one')}-{log_name}"
    log.parent.mkdir(exist_ok=True)
    recorded = ["--authorizations-dir", os.environ[RECORD]] if whole and RECORD in os.environ else []
    # A role of its own reads the organization: one that the reader's name allows would say nothing of who may assume it.
    organization = f"arn:aws:iam::{MANAGEMENT}:role/{ORGANIZATION_ROLE}"
    given = {"EvidenceWindowMs": str(WINDOW_MS), "OrganizationRoleArn": organization, **parameters}
    chosen = [word for name, value in given.items() for word in ("--parameter", f"{name}={value}")]
    with open(log, "w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", "--functions-dir", functions, *chosen, *recorded],
            cwd=ROOT / "tests" / "lab",
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            sys.exit(f"the local AWS did not start; its log is {log.relative_to(ROOT)}")
        yield Lab(json.loads(line))
    finally:
        process.terminate()
        process.wait(timeout=30)


class Inbox:
    """Reads alerts as a subscriber would: an SQS queue on the alert topic, raw delivery. Those of tampering are kept apart: most tests change keys
    and vaults, which is told, too."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.tampering: list[Json] = []
        self.sqs = lab.client(lab.guardian, "sqs")
        self.url = self.sqs.create_queue(QueueName=lab.unique("suite-inbox"))["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]
        self.endpoint: str = attributes["QueueArn"]
        self.sns = lab.client(lab.guardian, "sns")
        self.subscription = self.sns.subscribe(
            TopicArn=lab.info["alert_topic_arn"],
            Protocol="sqs",
            Endpoint=self.endpoint,
            Attributes={"RawMessageDelivery": "true"},
        )["SubscriptionArn"]

    def close(self) -> None:
        """No further alerts: a topic with a subscriber per test would be slower with every test."""
        self.sns.unsubscribe(SubscriptionArn=self.subscription)
        self.sqs.delete_queue(QueueUrl=self.url)

    def drain(self) -> list[Json]:
        """Every alert that has arrived since the last call, oldest first; each is checked against the schema."""
        self.lab.idle()
        alerts: list[Json] = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", []):
            for message in messages:
                alert = json.loads(message["Body"])
                attributes = {k: v["StringValue"] for k, v in message.get("MessageAttributes", {}).items()}
                check(alert, attributes)
                alert["_attributes"] = attributes
                (self.tampering if "actor" in alert else alerts).append(alert)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return alerts

    def tampers(self) -> list[Json]:
        """Every alert of tampering since the last call."""
        self.drain()
        found, self.tampering = self.tampering, []
        return found


class Operations:
    """Those who run the guardian: an SQS queue on the operations topic, raw delivery. The messages are text."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.topic: str = lab.info["outputs"]["OperationsTopicArn"]
        self.sqs, self.sns = lab.client(lab.guardian, "sqs"), lab.client(lab.guardian, "sns")
        self.url = self.sqs.create_queue(QueueName=lab.unique("operations"))["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]
        self.endpoint: str = attributes["QueueArn"]
        self.subscription = self.sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=self.endpoint, Attributes={"RawMessageDelivery": "true"}
        )["SubscriptionArn"]

    def close(self) -> None:
        self.sns.unsubscribe(SubscriptionArn=self.subscription)
        self.sqs.delete_queue(QueueUrl=self.url)

    def drain(self) -> list[str]:
        """Every message that has arrived since the last call."""
        self.lab.idle()
        bodies: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def key_policy(owner: str, *statements: Json) -> Json:
    """A key policy: the owner's account root, and what the test adds."""
    root = {
        "Sid": "Owner",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{owner}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [root, *statements]}


def use_statement(principal: str, **extra: Any) -> Json:
    """The first canonical statement for a destination: use of the key."""
    return {"Sid": "Use", "Effect": "Allow", "Principal": {"AWS": principal}, "Action": USE, "Resource": "*", **extra}


def grant_statement(principal: str, **extra: Any) -> Json:
    """The second canonical statement: grants for AWS resources. The one that people forget."""
    condition = {"Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}
    statement = {"Sid": "Grant", "Effect": "Allow", "Principal": {"AWS": principal}, "Action": GRANT, "Resource": "*"}
    return {**statement, **condition, **extra}


def vault_policy(organization_id: str) -> Json:
    """The destination vault's policy: the whole organization may copy into it."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Copy",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "backup:CopyIntoBackupVault",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": [organization_id]}},
            }
        ],
    }


@dataclass
class Route:
    """A source account's vault and resource, and a destination vault. Everything a copy needs is right unless a test breaks it."""

    lab: Lab
    source: str
    destination: str
    source_region: str
    destination_region: str
    resource_arn: str = ""
    resource_type: str = "EBS"
    key_arn: str = ""
    vault: str = ""
    vault_key_arn: str = ""
    destination_vault: str = ""
    destination_vault_arn: str = ""
    destination_key_arn: str = ""
    recovery_point_arn: str = ""
    job_role_arn: str = ""
    lifecycle: Json | None = None
    jobs: list[str] = field(default_factory=list)

    @property
    def protecting_key_arn(self) -> str:
        """The key that protects the recovery point: of the resource, or for fully managed types of the source vault."""
        return self.key_arn or self.vault_key_arn

    def key(self, account: str, policy: Json, region: str) -> str:
        kms = self.lab.client(account, "kms", region)
        return kms.create_key(Policy=json.dumps(policy), Description="suite")["KeyMetadata"]["Arn"]

    def put_key_policy(self, policy: Json, key_arn: str | None = None) -> None:
        key_arn = key_arn or self.key_arn
        kms = self.lab.client(key_arn.split(":")[4], "kms", key_arn.split(":")[3])
        kms.put_key_policy(KeyId=key_arn, PolicyName="default", Policy=json.dumps(policy))

    def put_vault_policy(self, policy: Json | None) -> None:
        backup = self.lab.client(self.destination, "backup", self.destination_region)
        if policy is None:
            backup.delete_backup_vault_access_policy(BackupVaultName=self.destination_vault)
        else:
            backup.put_backup_vault_access_policy(BackupVaultName=self.destination_vault, Policy=json.dumps(policy))

    def back_up(self) -> str:
        """Runs a backup job to its end and keeps the recovery point."""
        backup = self.lab.client(self.source, "backup", self.source_region)
        job = backup.start_backup_job(
            BackupVaultName=self.vault, ResourceArn=self.resource_arn, IamRoleArn=JOB_ROLE.format(account=self.source)
        )
        self.lab.idle()
        described = backup.describe_backup_job(BackupJobId=job["BackupJobId"])
        assert described["State"] == "COMPLETED", described
        self.recovery_point_arn = described["RecoveryPointArn"]
        return self.recovery_point_arn

    def start_copy(self) -> str:
        """Starts a copy and returns its job id."""
        backup = self.lab.client(self.source, "backup", self.source_region)
        extra = {"Lifecycle": self.lifecycle} if self.lifecycle else {}
        job = backup.start_copy_job(
            RecoveryPointArn=self.recovery_point_arn,
            SourceBackupVaultName=self.vault,
            DestinationBackupVaultArn=self.destination_vault_arn,
            IamRoleArn=self.job_role_arn or JOB_ROLE.format(account=self.source),
            **extra,
        )
        self.jobs.append(job["CopyJobId"])
        return job["CopyJobId"]

    def copy(self) -> Json:
        """Runs a copy to its end and returns the job."""
        job_id = self.start_copy()
        self.lab.idle()
        backup = self.lab.client(self.source, "backup", self.source_region)
        return backup.describe_copy_job(CopyJobId=job_id)["CopyJob"]


def ebs_route(
    lab: Lab,
    *,
    source: str | None = None,
    destination: str | None = None,
    destination_region: str | None = None,
    name: str | None = None,
) -> Route:
    """An EBS volume under a customer managed key whose policy is right, its vault, and a destination vault whose policy is right."""
    route = Route(lab, source or lab.source, destination or lab.backup, lab.region, destination_region or lab.region)
    slr = SLR.format(account=route.destination)
    route.key_arn = route.key(
        route.source, key_policy(route.source, use_statement(slr), grant_statement(slr)), route.source_region
    )
    volume = lab.client(route.source, "ec2", route.source_region).create_volume(
        AvailabilityZone=f"{route.source_region}a",
        Size=1,
        Encrypted=True,
        KmsKeyId=route.key_arn,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}] if name else [],
    )
    route.resource_arn = f"arn:aws:ec2:{route.source_region}:{route.source}:volume/{volume['VolumeId']}"
    make_vaults(route)
    return route


def failing_route(lab: Lab) -> Route:
    """An EBS route with a recovery point whose copies fail: the statement for grants is gone from the source key."""
    route = ebs_route(lab)
    route.back_up()
    route.put_key_policy(key_policy(route.source, use_statement(SLR.format(account=route.destination))))
    return route


def make_vaults(route: Route) -> None:
    """Creates the source vault and the destination vault, each under its own key, and opens the destination to the organization."""
    lab = route.lab
    slr = SLR.format(account=route.destination)
    route.vault_key_arn = route.key(
        route.source, key_policy(route.source, use_statement(slr), grant_statement(slr)), route.source_region
    )
    route.vault = lab.unique("local-vault")
    lab.client(route.source, "backup", route.source_region).create_backup_vault(
        BackupVaultName=route.vault, EncryptionKeyArn=route.vault_key_arn
    )
    route.destination_key_arn = route.key(route.destination, key_policy(route.destination), route.destination_region)
    route.destination_vault = lab.unique("central-vault")
    route.destination_vault_arn = lab.client(route.destination, "backup", route.destination_region).create_backup_vault(
        BackupVaultName=route.destination_vault, EncryptionKeyArn=route.destination_key_arn
    )["BackupVaultArn"]
    route.put_vault_policy(vault_policy(lab.organization_id))


def efs_route(lab: Lab) -> Route:
    """A file system: fully managed, so the key of the source vault protects the recovery point."""
    route = Route(lab, lab.source, lab.backup, lab.region, lab.region, resource_type="EFS")
    system = lab.client(route.source, "efs").create_file_system(CreationToken=lab.unique("suite"), Encrypted=True)
    route.resource_arn = system["FileSystemArn"]
    make_vaults(route)
    return route


def rds_route(lab: Lab) -> Route:
    """A database under a customer managed key."""
    route = Route(lab, lab.source, lab.backup, lab.region, lab.region, resource_type="RDS")
    slr = SLR.format(account=route.destination)
    route.key_arn = route.key(
        route.source, key_policy(route.source, use_statement(slr), grant_statement(slr)), route.source_region
    )
    route.resource_arn = f"arn:aws:rds:{route.source_region}:{route.source}:db:{lab.unique('suite')}"
    lab.control(
        "resources", {"resource_arn": route.resource_arn, "encryption_key_arn": route.key_arn, "resource_type": "RDS"}
    )
    make_vaults(route)
    return route


def failed(job: Json) -> str:
    assert job["State"] == "FAILED", job
    return job["CopyJobId"]
