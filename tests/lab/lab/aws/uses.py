"""What calls on queues, topics, tables, buckets, functions, rules and backups of their own resources ask for, what changes of vaults, keys and settings
do, and what the services ask of a key in the caller's name.

Resources as the service authorization reference has them (https://docs.aws.amazon.com/service-authorization/latest/reference/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from . import accounts, kms
from .reads import ANY, Params, Where

# -- resources ---------------------------------------------------------------------------------------------------------

Need = tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """One call: who calls from where, and what was sent."""

    operation: str
    where: Where
    params: Params
    path: str = ""
    headers: Params = field(default_factory=dict)


# A batch is authorized as its items.
_OF_BATCHES = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "PublishBatch": "Publish",
}
_OF_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
_WITHOUT_TOPIC = {"GetSMSAttributes", "GetSMSSandboxAccountStatus", "ListTopics", "ListSubscriptions"}


def _arn(service: str, where: Where, rest: str) -> str:
    return f"arn:{accounts.PARTITION}:{service}:{where[1]}:{where[0]}:{rest}"


def _sqs(asked: Asked) -> Iterator[Need]:
    url = str(asked.params.get("QueueUrl", ""))
    if url:
        account, name = url.rstrip("/").rsplit("/", 2)[-2:]
    else:
        account, name = asked.where[0], str(asked.params.get("QueueName", ""))
    resource = ANY if asked.operation == "ListQueues" else _arn("sqs", (account, asked.where[1]), name)
    yield f"sqs:{_OF_BATCHES.get(asked.operation, asked.operation)}", resource


def _sns(asked: Asked) -> Iterator[Need]:
    topic = asked.params.get("TopicArn") or asked.params.get("ResourceArn") or ANY
    resource = ANY if asked.operation in _WITHOUT_TOPIC else str(topic)
    yield f"sns:{_OF_BATCHES.get(asked.operation, asked.operation)}", resource


def _table(asked: Asked, name: Any) -> str:
    name = str(name)
    return name if name.startswith("arn:") else _arn("dynamodb", asked.where, f"table/{name}")


def _dynamodb(asked: Asked) -> Iterator[Need]:
    if transaction := asked.params.get("TransactItems"):
        for item in transaction:
            for kind, of in item.items():
                yield f"dynamodb:{_OF_TRANSACTIONS[kind]}", _table(asked, of["TableName"])
    elif tables := asked.params.get("RequestItems"):
        for name in tables:
            yield f"dynamodb:{asked.operation}", _table(asked, name)
    else:
        name = asked.params.get("TableName")
        yield f"dynamodb:{asked.operation}", _table(asked, name) if name else ANY


def _s3(asked: Asked) -> Iterator[Need]:
    bucket, _, key = unquote(asked.path.split("?", 1)[0]).lstrip("/").partition("/")
    bucket_arn = f"arn:{accounts.PARTITION}:s3:::{bucket}"
    if not key:
        yield (
            "s3:ListBucket" if asked.operation.startswith(("ListObjects", "HeadBucket")) else _action(asked),
            bucket_arn,
        )
        return
    if asked.operation in ("GetObject", "HeadObject"):
        yield "s3:GetObject", f"{bucket_arn}/{key}"
        if not _is_there(bucket, key):
            # Who may not list hears that access is denied, not that nothing is there. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
            yield "s3:ListBucket", bucket_arn
    elif asked.operation in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"):
        yield "s3:PutObject", f"{bucket_arn}/{key}"
    else:
        yield _action(asked), f"{bucket_arn}/{key}"
    if asked.headers.get("x-amz-tagging"):
        yield "s3:PutObjectTagging", f"{bucket_arn}/{key}"


def _action(asked: Asked) -> str:
    return f"s3:{asked.operation}"


def _is_there(bucket: str, key: str) -> bool:
    from moto.s3.models import s3_backends

    for backends in list(s3_backends.values()):
        found = backends[accounts.PARTITION].buckets.get(bucket)
        if found is not None:
            return key in found.keys
    return False


def _lambda(asked: Asked) -> Iterator[Need]:
    found = re.search(r"/functions/([^/]+)/invocations", unquote(asked.path))
    if found is None:
        return
    name = found[1]
    resource = name if name.startswith("arn:") else _arn("lambda", asked.where, f"function:{name}")
    yield "lambda:InvokeFunction", resource


def _events(asked: Asked) -> Iterator[Need]:
    bus = str(asked.params.get("EventBusName") or "default").rsplit("/", 1)[-1]
    name = str(asked.params.get("Name") or asked.params.get("Rule") or "")
    path = name if bus == "default" else f"{bus}/{name}"
    yield f"events:{asked.operation}", _arn("events", asked.where, f"rule/{path}")


def _recovery_point(asked: Asked) -> Iterator[Need]:
    # By vault (developer guide) or by recovery point (service authorization reference): whoever asks needs both.
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html
    yield (
        f"backup:{asked.operation}",
        _arn("backup", asked.where, f"backup-vault:{asked.params.get('BackupVaultName', '')}"),
    )
    yield f"backup:{asked.operation}", str(asked.params.get("RecoveryPointArn", ""))


def _start_copy(asked: Asked) -> Iterator[Need]:
    # The caller needs what the job role needs besides, and may hand over that role.
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html
    point = str(asked.params.get("RecoveryPointArn", ""))
    vault = f"backup-vault:{asked.params.get('SourceBackupVaultName', '')}"
    yield "backup:StartCopyJob", _arn("backup", asked.where, vault)
    yield "backup:StartCopyJob", point
    yield "backup:CopyFromBackupVault", point
    yield "backup:CopyIntoBackupVault", str(asked.params.get("DestinationBackupVaultArn", ""))
    yield "iam:PassRole", str(asked.params.get("IamRoleArn", ""))


def _start_restore(asked: Asked) -> Iterator[Need]:
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
    yield "backup:StartRestoreJob", str(asked.params.get("RecoveryPointArn", ""))
    if asked.params.get("IamRoleArn"):
        yield "iam:PassRole", str(asked.params["IamRoleArn"])


def _vault_change(asked: Asked) -> Iterator[Need]:
    yield (
        f"backup:{asked.operation}",
        _arn("backup", asked.where, f"backup-vault:{asked.params.get('BackupVaultName', '')}"),
    )


def _key_change(asked: Asked) -> Iterator[Need]:
    yield f"kms:{asked.operation}", kms.arn_of(str(asked.params.get("KeyId", "")), *asked.where)


def _region_setting(asked: Asked) -> Iterator[Need]:
    yield f"backup:{asked.operation}", ANY


def _volume_default(asked: Asked) -> Iterator[Need]:
    yield f"ec2:{asked.operation}", ANY
    if key := asked.params.get("KmsKeyId"):
        # EC2 looks at the key that it is given. https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
        yield "kms:DescribeKey", str(key)


# By signing name, and where only some operations are answered here, by operation.
OF_SERVICES: dict[str, Callable[[Asked], Iterator[Need]]] = {
    "sqs": _sqs,
    "sns": _sns,
    "dynamodb": _dynamodb,
    "s3": _s3,
    "lambda": _lambda,
}
OF_OPERATIONS: dict[tuple[str, str], Callable[[Asked], Iterator[Need]]] = {
    ("events", "DescribeRule"): _events,
    ("events", "ListTargetsByRule"): _events,
    ("backup", "DescribeRecoveryPoint"): _recovery_point,
    ("backup", "GetRecoveryPointRestoreMetadata"): _recovery_point,
    ("backup", "StartCopyJob"): _start_copy,
    ("backup", "StartRestoreJob"): _start_restore,
}
# What whoever breaks the glass changes, and what the functions of a stack set. The tests break everything with the role of an administrator, whatever
# bounds it.
CHANGES: dict[tuple[str, str], Callable[[Asked], Iterator[Need]]] = {
    ("backup", "DeleteBackupVaultAccessPolicy"): _vault_change,
    ("backup", "PutBackupVaultAccessPolicy"): _vault_change,
    ("backup", "UpdateRegionSettings"): _region_setting,
    ("ec2", "EnableEbsEncryptionByDefault"): _volume_default,
    ("ec2", "ModifyEbsDefaultKmsKeyId"): _volume_default,
    ("kms", "PutKeyPolicy"): _key_change,
}
OF_OPERATIONS |= CHANGES


def needs(service: str, asked: Asked) -> list[Need] | None:
    """Action and resource of everything that a call asks for; None where nobody has said it."""
    found = OF_OPERATIONS.get((service, asked.operation)) or OF_SERVICES.get(service)
    return None if found is None else list(dict.fromkeys(found(asked)))


# -- keys --------------------------------------------------------------------------------------------------------------

# What a service asks of the key of a resource, in the name of whoever uses the resource. The table key of DynamoDB stays wrapped between calls, and
# reads and writes alike unwrap it; a write to S3 asks for a data key.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
# https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
_DYNAMODB = (
    "GetItem", "BatchGetItem", "Query", "Scan", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem",
    "ConditionCheckItem",
)  # fmt: skip
OF_KEYS: dict[str, tuple[str, ...]] = {
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    "sns:Publish": ("kms:GenerateDataKey", "kms:Decrypt"),
    **{f"dynamodb:{name}": ("kms:Decrypt",) for name in _DYNAMODB},
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
}


def of_key(role_arn: str, region: str, action: str, resource: str) -> Iterator[tuple[str, str, Params]]:
    """What the service asks of the key under which the resource lies, with the condition keys of such a request."""
    wanted = OF_KEYS.get(action, ())
    key = _key_of(action.split(":", 1)[0], resource) if wanted else None
    # What is not there needs no key.
    if not key or (action == "s3:GetObject" and not _is_there(*resource.split(":", 5)[5].split("/", 1))):
        return
    context = {
        "kms:ViaService": f"{action.split(':', 1)[0]}.{region}.amazonaws.com",
        "kms:CallerAccount": accounts.account_of(role_arn),
    }
    for one in wanted:
        yield one, key, context


def _key_of(service: str, resource: str) -> str | None:
    """The ARN of the customer managed key of a queue, topic, table or object."""
    from moto.dynamodb.models import dynamodb_backends
    from moto.s3.models import s3_backends
    from moto.sns.models import sns_backends
    from moto.sqs.models import sqs_backends

    _, _, _, region, account_id, name = resource.split(":", 5)
    found: Any = None
    if service == "sqs":
        queue = sqs_backends[account_id][region].queues.get(name)
        found = getattr(queue, "kms_master_key_id", None)
    elif service == "sns":
        topic = sns_backends[account_id][region].topics.get(resource)
        found = getattr(topic, "kms_master_key_id", None)
    elif service == "dynamodb":
        table = dynamodb_backends[account_id][region].tables.get(name.removeprefix("table/"))
        found = (getattr(table, "sse_specification", None) or {}).get("KMSMasterKeyId")
    elif service == "s3":
        for backends in list(s3_backends.values()):
            bucket = backends[accounts.PARTITION].buckets.get(name.split("/", 1)[0])
            if bucket is not None:
                rule = (bucket.encryption or {}).get("Rule") or {}
                found = (rule.get("ApplyServerSideEncryptionByDefault") or {}).get("KMSMasterKeyID")
    return found if found and ":key/" in found else None
