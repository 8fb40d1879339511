"""`diagnose-job` as a good Python program: boto3, threads, the same calls, and an alert with the same cause, key and patch.

It is here to be measured beside the function. It knows one cause, the one that is recorded: a key policy that lacks a statement of the account that keeps
the copies. Clients are made while the process starts, what can be read at the same time is. Run as Lambda would: it asks the Runtime API for events.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Json = dict[str, Any]

CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "max_attempts": 3})
TABLE, DENIALS = os.environ["GUARDIAN_TABLE"], os.environ["GUARDIAN_DENIALS_TABLE"]
READER = os.environ["GUARDIAN_READER_ROLE_NAME"]
THREADS = 16
LEASE, REPEAT_DAYS = 65_000, 20
SLACK, CHANGES_BACK = timedelta(minutes=5), timedelta(days=7)
USE = {"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKeyWithoutPlaintext"}
GRANT = {"kms:CreateGrant"}
LINKED = "aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"

ours = boto3.session.Session()
dynamodb, sts, sns, sqs = (ours.client(name, config=CONFIG) for name in ("dynamodb", "sts", "sns", "sqs"))
# Of one session, so that the models behind the clients are shared; these two are read here, not when the first event is there.
for service in ("backup", "kms"):
    ours.client(service, config=CONFIG)
# Of which no two clients may be made at the same time.
making = Lock()
# More threads wait for less, and over TLS open more connections: those are dear where answers come at once.
pool = ThreadPoolExecutor(int(sys.argv[1]) if len(sys.argv) > 1 else THREADS)
sessions: dict[str, tuple[float, Json]] = {}
clients: dict[tuple[str, str, str], Any] = {}


def client(account: str, service: str, region: str) -> Any:
    """Of the reader role in an account, kept for the next event."""
    until, issued = sessions.get(account, (0.0, {}))
    if time.time() > until:
        answer = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/{READER}", RoleSessionName="backup-guardian")
        issued = answer["Credentials"]
        sessions[account] = (issued["Expiration"].timestamp() - 300, issued)
        for key in [key for key in clients if key[0] == account]:
            del clients[key]
    key = (account, service, region)
    with making:
        if key not in clients:
            clients[key] = ours.client(
                service,
                region_name=region,
                aws_access_key_id=issued["AccessKeyId"],
                aws_secret_access_key=issued["SecretAccessKey"],
                aws_session_token=issued["SessionToken"],
                config=CONFIG,
            )
        return clients[key]


def number(value: int) -> Json:
    return {"N": str(value)}


def now() -> int:
    return time.time_ns() // 1_000_000


def item(pk: str, sk: str) -> Json:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def get(*keys: Json) -> list[Json]:
    answer = dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": list(keys), "ConsistentRead": True}})
    return answer["Responses"][TABLE]


def fields(arn: str) -> tuple[str, str, str]:
    """Region, account and resource."""
    _, _, _, region, account, resource = arn.split(":", 5)
    return region, account, resource


class Job:
    """A failed copy as its event tells it."""

    def __init__(self, event: Json) -> None:
        detail = event["detail"]
        self.id, self.account, self.region = detail["copyJobId"], event["account"], event["region"]
        self.point = event["resources"][0]
        self.message, self.role = detail["statusMessage"], detail["iamRoleArn"]
        self.resource, self.kind = detail["resourceArn"], detail["resourceType"]
        self.vault, self.destination = detail["sourceBackupVaultArn"], detail["destinationBackupVaultArn"]
        self.created = datetime.fromisoformat(detail["creationDate"])
        self.completed = datetime.fromisoformat(detail["completionDate"])


def asked(call: Any, **request: Any) -> Json | None:
    """An answer, or nothing where there is none."""
    try:
        return call(**request)
    except ClientError:
        return None


def kept(pk: str, start: datetime, end: datetime, **more: Any) -> list[Json]:
    """Items of one key in the table of denials, of this time."""
    return dynamodb.query(
        TableName=DENIALS,
        KeyConditionExpression="pk = :pk AND sk BETWEEN :from AND :until",
        ExpressionAttributeValues={
            ":pk": {"S": pk},
            ":from": {"S": start.isoformat()},
            ":until": {"S": end.isoformat()},
        },
        **more,
    )["Items"]


def denials(account: str, role: str, job: Job) -> list[Json]:
    """Calls that were refused while the job ran."""
    items = kept(f"denial#{account}#{job.region}#{role}", job.created - SLACK, job.completed + SLACK)
    return [json.loads(one["denial"]["S"]) for one in items]


def changes(thing: str, job: Job) -> list[Json]:
    """Who changed something in the days before, newest first; that it was made is no change."""
    newest = {
        "ScanIndexForward": False,
        "ProjectionExpression": "#change",
        "ExpressionAttributeNames": {"#change": "change"},
    }
    items = kept(f"change#{thing}", job.completed - CHANGES_BACK, job.completed + SLACK, **newest)
    found = [json.loads(one["change"]["S"]) for one in items]
    return [one for one in found if ":Create" not in one["action"]]


def key_facts(key: str) -> list[Future[Json | None]]:
    region, account, _ = fields(key)
    kms = client(account, "kms", region)
    return [
        pool.submit(asked, kms.get_key_policy, KeyId=key, PolicyName="default"),
        pool.submit(asked, kms.describe_key, KeyId=key),
        pool.submit(asked, kms.list_grants, KeyId=key),
    ]


def missing(policy: Json, principal: str) -> set[str]:
    """Actions of a copy that the policy does not allow the principal."""
    root = f"arn:aws:iam::{principal.split(':')[4]}:root"
    allowed: set[str] = set()
    for statement in policy["Statement"]:
        principals = statement.get("Principal", {})
        named = principals if isinstance(principals, str) else principals.get("AWS", [])
        named = [named] if isinstance(named, str) else named
        if statement["Effect"] != "Allow" or not {"*", principal, root} & set(named):
            continue
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in USE | GRANT:
            if any(action == one or (one.endswith("*") and action.startswith(one[:-1])) for one in actions):
                allowed.add(action)
    return (USE | GRANT) - allowed


def gather(job: Job) -> tuple[str, Json, list[Json], list[Json]]:
    """The key that protects the recovery point, its policy, the calls that were refused, and what changed at the key."""
    _, destination, vault = fields(job.destination)
    there = fields(job.destination)[0]
    source = pool.submit(client, job.account, "backup", job.region)
    other = pool.submit(client, destination, "backup", there)
    role = job.role.rsplit("/", 1)[-1]
    known = [
        pool.submit(denials, destination, LINKED.rsplit("/", 1)[-1], job),
        pool.submit(denials, job.account, role, job),
    ]
    here, local = source.result(), job.vault.rsplit(":", 1)[-1]
    point = pool.submit(asked, here.describe_recovery_point, BackupVaultName=local, RecoveryPointArn=job.point)
    reads = [
        pool.submit(asked, here.describe_copy_job, CopyJobId=job.id),
        pool.submit(asked, here.describe_backup_vault, BackupVaultName=local),
        pool.submit(asked, here.get_backup_vault_access_policy, BackupVaultName=local),
        pool.submit(asked, other.result().get_backup_vault_access_policy, BackupVaultName=vault.split(":")[-1]),
    ]
    others = [job.destination, job.vault, f"role/{job.account}/{role}"]
    reads += [pool.submit(changes, thing, job) for thing in others]
    central = asked(other.result().describe_backup_vault, BackupVaultName=vault.split(":")[-1])
    key, central_key = (point.result() or {})["EncryptionKeyArn"], (central or {})["EncryptionKeyArn"]
    of_key = pool.submit(changes, key, job)
    keys = [key_facts(key), key_facts(central_key)]
    for read in (*reads, pool.submit(changes, central_key, job), *keys[0], *keys[1]):
        read.result()
    policy = keys[0][0].result()
    refused = [one for found in known for one in found.result()]
    return key, json.loads(policy["Policy"]) if policy else {"Statement": []}, refused, of_key.result()


def allow(principal: str, actions: list[str]) -> Json:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}


def diagnose(job: Job, key: str, policy: Json, refused: list[Json], changed: list[Json]) -> Json:
    """The alert."""
    destination = fields(job.destination)[1]
    principal = f"arn:aws:iam::{destination}:role/{LINKED}"
    lacks = missing(policy, principal)
    seen = [one for one in refused if one["resource"] == key]
    action = seen[0]["action"] if seen else sorted(lacks)[0]
    statements = []
    if lacks & USE:
        statements.append(allow(principal, sorted(lacks & USE)))
    if lacks & GRANT:
        condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        statements.append({**allow(principal, sorted(lacks & GRANT)), "Condition": condition})
    owner = fields(key)[1]
    cause = "kms-key-policy-missing-destination"
    return {
        "schema": "backup-guardian/alert/v1",
        "kind": "failure",
        "incident_id": hashlib.sha256(f"{cause}#{key}".encode()).hexdigest()[:23],
        "at": datetime.now(UTC).isoformat(),
        "severity": "high",
        "title": f"Copy failed: {job.resource.rsplit('/', 1)[-1]} ({job.kind}) of account {job.account}",
        "cause": cause,
        "certainty": "proven" if seen and action in lacks else "supported",
        "summary": f"The service-linked role of {destination} was refused {action} on {key} of account {owner}: its policy lacks it.",
        "act_in": {"account_id": owner, "region": fields(key)[0]},
        "denied": {"action": action, "principal": principal, "resource": key},
        "changed": changed[0] if changed else None,
        "patch": {"statements": statements, "document": {**policy, "Statement": [*policy["Statement"], *statements]}},
        "jobs": [{"job_id": job.id.lower(), "account_id": job.account, "message": job.message}],
        "evidence": [one["event_id"] for one in seen],
    }


def handle(event: Json) -> None:
    job = Job(event)
    claim = f"claim#{job.account}#{job.region}#copy#{job.id.lower()}#FAILED"
    at = now()
    held = {"state": {"S": "held"}, "at": number(at), "lease_until": number(at + LEASE), "v": number(1)}
    dynamodb.put_item(
        TableName=TABLE,
        Item={**item(claim, "claim"), **held, "ttl": number(at // 1000 + REPEAT_DAYS * 86_400)},
        ConditionExpression="attribute_not_exists(pk) OR (#state = :held AND lease_until <= :now)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":held": {"S": "held"}, ":now": number(at)},
    )
    good = pool.submit(get, item(f"good#{job.vault}", job.resource))
    familiar = pool.submit(get, item(f"alias#{job.account}#{job.message}", "alias"))
    found = gather(job)
    good.result(), familiar.result()
    alert = diagnose(job, *found)
    incident = f"incident#{alert['incident_id']}"
    alias = item(f"alias#{alert['incident_id']}", "alias")
    get(alias, item(incident, "head"))
    get(item(incident, "head"), item(incident, f"job#{job.id}"))
    puts = [{**item(incident, "head"), "announcing_until": number(at + LEASE)}, item(incident, f"job#{job.id}")]
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": one}} for one in puts])
    dynamodb.put_item(TableName=TABLE, Item={**alias, "incident": {"S": alert["incident_id"]}})
    pace = get(item("pace", "alerts"))
    log = json.loads(pace[0]["log"]["S"]) if pace else []
    log.append({"at": alert["at"], "account": job.account})
    dynamodb.put_item(TableName=TABLE, Item={**item("pace", "alerts"), "log": {"S": json.dumps(log[-30:])}})
    sns.publish(
        TopicArn=os.environ["GUARDIAN_ALERT_TOPIC_ARN"],
        Subject=alert["title"][:100],
        MessageStructure="json",
        Message=json.dumps({"default": json.dumps(alert), "email": f"{alert['title']}\n\n{alert['summary']}"}),
        MessageAttributes={"cause": {"DataType": "String", "StringValue": alert["cause"]}},
    )
    look = {"work": "look", "incident": alert["incident_id"], "job": event}
    sqs.send_message_batch(
        QueueUrl=os.environ["GUARDIAN_FOLLOW_UP_QUEUE_URL"],
        Entries=[{"Id": "0", "MessageBody": json.dumps(look), "DelaySeconds": 900}],
    )
    dynamodb.put_item(TableName=TABLE, Item={**item(incident, "alert"), "body": {"S": json.dumps(alert)}})
    get(item(incident, "head"))
    told = {**item(incident, "head"), "announced_at": number(now())}
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": told}}])
    dynamodb.update_item(
        TableName=TABLE,
        Key=item(claim, "claim"),
        UpdateExpression="SET #state = :done",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":done": {"S": "done"}},
    )


def batch(event: Json) -> Json:
    failed = []
    for record in event["Records"]:
        try:
            handle(json.loads(record["body"]))
        except Exception as error:
            print(json.dumps({"level": "ERROR", "message": "message failed", "error": repr(error)}), flush=True)
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def main() -> None:
    api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    invocations = "/2018-06-01/runtime/invocation"
    while True:
        api.request("GET", f"{invocations}/next")
        answer = api.getresponse()
        event, request = json.loads(answer.read()), answer.headers["Lambda-Runtime-Aws-Request-Id"]
        api.request("POST", f"{invocations}/{request}/response", json.dumps(batch(event)))
        api.getresponse().read()


if __name__ == "__main__":
    main()
