"""One template becomes one stack: translated, created by moto, and completed with what moto leaves out.

moto creates most types for real and silently skips some; those are created here from the same translated template, so that there is no
second description of anything.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import HOME_REGION

Template = dict[str, Any]
CODE_BUCKET = "lab-function-code"


def install() -> None:
    """Mend what moto's CloudFormation leaves behind, where only one place holds it."""
    from moto.awslambda.models import LambdaFunction
    from moto.events.models import EventBus
    from moto.iam.access_control import PermissionResult
    from moto.iam.models import Role
    from moto.kms.models import KmsBackend
    from moto.logs.models import LogsBackend
    from moto.s3.models import FakeBucket

    # It has no physical id for a bus: `Ref` would hand out the object itself.
    EventBus.physical_resource_id = property(lambda bus: bus.name)
    # The key of a log group has another name in a template than in the API.
    create_log_group = LogsBackend.create_log_group

    def create_under_its_key(backend: LogsBackend, log_group_name: str, tags: Any, **given: Any) -> Any:
        return create_log_group(backend, log_group_name, tags, **{"kmsKeyId": given.pop("KmsKeyId", None), **given})

    LogsBackend.create_log_group = create_under_its_key

    # A bucket policy would be read without its conditions, and refuse everybody what it refuses to some.
    FakeBucket.get_permission = lambda bucket, action, resource: PermissionResult.NEUTRAL
    # Inline policies of a template arrive as objects, those of the API as text.
    put_policy = Role.put_policy

    def put_text(role: Role, name: str, policy: Any) -> None:
        put_policy(role, name, policy if isinstance(policy, str) else json.dumps(policy))

    Role.put_policy = put_text

    # So do key policies, which `GetKeyPolicy` would then fail to read. And the tags of a template are `Key` and `Value`, those of the API `TagKey` and
    # `TagValue`.
    create_key = KmsBackend.create_key

    def create_as_the_api(
        backend: KmsBackend, policy: Any, key_usage: str, key_spec: str, description: str, tags: Any, *rest: Any
    ) -> Any:
        policy = policy if policy is None or isinstance(policy, str) else json.dumps(policy)
        tags = [{f"Tag{name.removeprefix('Tag')}": text for name, text in tag.items()} for tag in tags or []]
        return create_key(backend, policy, key_usage, key_spec, description, tags, *rest)

    KmsBackend.create_key = create_as_the_api

    # The key of the environment variables is left out of a function.
    create_function = LambdaFunction.create_from_cloudformation_json.__func__

    def create_with_key(cls: Any, resource_name: str, cloudformation_json: Any, *rest: Any, **named: Any) -> Any:
        function = create_function(cls, resource_name, cloudformation_json, *rest, **named)
        function.kms_key_arn = cloudformation_json["Properties"].get("KmsKeyArn")
        return function

    LambdaFunction.create_from_cloudformation_json = classmethod(create_with_key)


def read(path: Path) -> Template:
    """A template file with its short forms (`!Ref`) written out."""
    from samtranslator.yaml_helper import yaml_parse

    return yaml_parse(path.read_text(encoding="utf-8"))


def binaries_of(template: Template) -> dict[str, str]:
    """The binary of each function by its name: the base name of its zip."""
    found = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            name = resource["Properties"].get("FunctionName", logical_id)
            found[name] = Path(resource["Properties"]["CodeUri"]).stem
    return found


def translate(template: Template) -> Template:
    """Plain CloudFormation; a template without the SAM transform stays as it is."""
    if "Transform" not in template:
        return template
    from samtranslator.translator.transform import transform

    class NoManagedPolicies:
        def load(self) -> dict[str, str]:
            return {}

    given = copy.deepcopy(template)
    for resource in given["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            zip_name = Path(resource["Properties"]["CodeUri"]).name
            resource["Properties"]["CodeUri"] = f"s3://{CODE_BUCKET}/{zip_name}"
    return transform(given, {}, NoManagedPolicies())


def provide_code(account_id: str, names: list[str]) -> None:
    """moto wants to see the zips; the code that runs is the binary of the same name."""
    from moto.s3.models import s3_backends

    backend = s3_backends[account_id]["aws"]
    if CODE_BUCKET not in backend.buckets:
        backend.create_bucket(CODE_BUCKET, HOME_REGION)
    for name in names:
        backend.put_object(CODE_BUCKET, f"{name}.zip", b"the lab runs the binary of this name")


class Created:
    """A stack and which of its resources who created."""

    def __init__(self, stack: Any, by_extension: list[str], skipped: list[str], more: dict[str, str]) -> None:
        self.stack = stack
        self.by_extension = by_extension
        self.skipped = skipped
        self.more = more

    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.stack.outputs or []} | self.more


def create(account_id: str, region: str, name: str, template: Template, parameters: dict[str, str]) -> Created:
    """Create a stack from a translated template."""
    from moto.cloudformation.models import cloudformation_backends

    declared = template.get("Parameters", {})
    # A list that nobody gave is its default, which moto would leave in one piece.
    lists = {
        key: one["Default"] for key, one in declared.items() if one["Type"] == "CommaDelimitedList" and "Default" in one
    }
    known = lists | {key: value for key, value in parameters.items() if key in declared}
    backend = cloudformation_backends[account_id][region]
    # moto warns of every type that it skips; those are ours and `/lab/info` lists them.
    logging.getLogger("moto").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "Tried to parse", UserWarning)
    # moto refuses outputs that ask what it did not create.
    ours = {name: output for name, output in template.get("Outputs", {}).items() if _of_extension(output, template)}
    others = {name: output for name, output in template.get("Outputs", {}).items() if name not in ours}
    # And it would run the function of a custom resource in a container.
    resources = {name: one for name, one in template["Resources"].items() if not one["Type"].startswith("Custom::")}
    given = json.dumps({**template, "Resources": resources, "Outputs": others})
    stack = backend.create_stack(name=name, template=given, parameters=known, tags={})
    if stack.status != "CREATE_COMPLETE":
        raise RuntimeError(f"stack `{name}` in `{account_id}` `{region}` ended as `{stack.status}`")
    return _complete(stack, account_id, region, template, ours)


def _of_extension(output: Template, template: Template) -> bool:
    """Whether an output is an attribute of a resource that is created here."""
    named = _asked(output["Value"])
    return named is not None and template["Resources"][named[0]]["Type"] in EXTENSION


def _asked(value: Any) -> tuple[str, str] | None:
    """The resource and the attribute (`Ref`: its id) that a value is."""
    match value:
        case {"Fn::GetAtt": [name, attribute]}:
            return name, attribute
        case {"Fn::GetAtt": str(both)}:
            name, _, attribute = both.partition(".")
            return name, attribute
        case {"Ref": name} if not name.startswith("AWS::"):
            return name, "Ref"
    return None


def _complete(stack: Any, account_id: str, region: str, template: Template, outputs: Template) -> Created:
    from moto.cloudformation.parsing import clean_json

    resources = stack.resource_map
    by_extension, skipped = [], []
    made: dict[str, dict[str, str]] = {}
    for logical_id, resource in sorted(template["Resources"].items()):
        condition = resource.get("Condition")
        if condition and not resources.lazy_condition_map[condition]:
            continue
        made_by_moto = resources._parsed_resources.get(logical_id)
        if made_by_moto is not None:
            if managed := clean_json(copy.deepcopy(resource.get("Properties", {})), resources).get("ManagedPolicyArns"):
                _attach(account_id, region, made_by_moto.name, managed)
            continue
        build = EXTENSION.get(resource["Type"])
        if build is None:
            skipped.append(f"{logical_id} ({resource['Type']})")
            continue
        properties = clean_json(copy.deepcopy(resource.get("Properties", {})), resources)
        made[logical_id] = build(account_id, region, logical_id, properties) or {}
        by_extension.append(f"{logical_id} ({resource['Type']})")
    asked = {name: _asked(output["Value"]) for name, output in outputs.items()}
    more = {name: made[one[0]][one[1]] for name, one in asked.items() if one is not None and one[0] in made}
    return Created(stack, by_extension, skipped, more)


def _attach(account_id: str, region: str, role: str, policies: list[str]) -> None:
    """moto makes the role and leaves its managed policies out. Those of AWS that the lab does not hold stay so: what they allow, it does not ask."""
    from lab.clients import client

    iam = client("iam", account_id, region)
    for arn in policies:
        with contextlib.suppress(iam.exceptions.NoSuchEntityException):
            iam.attach_role_policy(RoleName=role, PolicyArn=arn)


def _bus_policy(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from moto.events.models import EventBusPolicyStatement, events_backends

    bus = events_backends[account_id][region].event_buses[properties.get("EventBusName", "default")]
    statement = dict(properties["Statement"])
    statement.setdefault("Sid", properties["StatementId"])
    bus._statements[properties["StatementId"]] = EventBusPolicyStatement.from_dict(statement)


def _queue_policy(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from moto.sqs.models import sqs_backends

    for url in properties["Queues"]:
        queue = sqs_backends[account_id][region].get_queue(url.rsplit("/", 1)[-1])
        queue.policy = json.dumps(properties["PolicyDocument"])


def _topic_policy(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from moto.sns.models import sns_backends

    for arn in properties["Topics"]:
        sns_backends[account_id][region].get_topic(arn).policy = json.dumps(properties["PolicyDocument"])


def _bucket_policy(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from lab.clients import client

    document = json.dumps(properties["PolicyDocument"])
    client("s3", account_id, region).put_bucket_policy(Bucket=properties["Bucket"], Policy=document)


def _alarm(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from lab.clients import client

    client("cloudwatch", account_id, region).put_metric_alarm(**{"AlarmName": logical_id, **_numbers(properties)})


def _schedule(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from lab.clients import client

    client("scheduler", account_id, region).create_schedule(**{"Name": logical_id, **properties})


def _vault(account_id: str, region: str, logical_id: str, properties: Template) -> dict[str, str]:
    from lab.clients import client

    backup, name = client("backup", account_id, region), properties["BackupVaultName"]
    made = backup.create_backup_vault(BackupVaultName=name, EncryptionKeyArn=properties["EncryptionKeyArn"])
    if policy := properties.get("AccessPolicy"):
        backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=json.dumps(policy))
    if lock := properties.get("LockConfiguration"):
        days = {key: int(value) for key, value in lock.items()}
        backup.put_backup_vault_lock_configuration(BackupVaultName=name, **days)
    if told := properties.get("Notifications"):
        backup.put_backup_vault_notifications(BackupVaultName=name, **told)
    return {"Ref": name, "BackupVaultArn": made["BackupVaultArn"]}


def _air_gapped_vault(account_id: str, region: str, logical_id: str, properties: Template) -> dict[str, str]:
    from lab.clients import client

    backup, name = client("backup", account_id, region), properties["BackupVaultName"]
    days = {key: int(properties[key]) for key in ("MinRetentionDays", "MaxRetentionDays")}
    made = backup.create_logically_air_gapped_backup_vault(BackupVaultName=name, **days)
    if policy := properties.get("AccessPolicy"):
        backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=json.dumps(policy))
    return {"Ref": name, "BackupVaultArn": made["BackupVaultArn"]}


def _organization_policy(account_id: str, region: str, logical_id: str, properties: Template) -> dict[str, str]:
    from lab.clients import client

    organizations, content = client("organizations", account_id, region), properties["Content"]
    made = organizations.create_policy(
        Name=properties["Name"],
        Description=properties.get("Description", ""),
        Type=properties["Type"],
        Content=content if isinstance(content, str) else json.dumps(content),
    )
    policy_id = made["Policy"]["PolicySummary"]["Id"]
    for target in properties["TargetIds"]:
        organizations.attach_policy(PolicyId=policy_id, TargetId=target)
    return {"Ref": policy_id}


def _inline_function(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    """A custom resource: its function runs here, as Python and with the session of its role, and must say that it succeeded."""
    import io
    import types
    import zipfile

    import boto3
    from moto.awslambda.models import lambda_backends

    from lab import clients
    from lab.aws import accounts
    from lab.credentials import session_of_role

    function = lambda_backends[account_id][region].get_function(properties["ServiceToken"])
    code = zipfile.ZipFile(io.BytesIO(function.code_bytes)).read("index.py").decode()
    role = accounts.role_by_arn(function.role)
    if role is None or not accounts.trusts(role, "lambda.amazonaws.com"):
        raise RuntimeError(f"`{function.role}` cannot be assumed by Lambda")
    given = session_of_role(function.role, logical_id, region)
    session = boto3.Session(
        given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], given["AWS_SESSION_TOKEN"], region_name=region
    )
    answers: list[tuple[str, str]] = []

    def send(event: Any, context: Any, status: str, data: Any, resource_id: str, reason: str = "") -> None:
        answers.append((status, reason))

    modules = {
        "boto3": types.SimpleNamespace(client=lambda service: session.client(service, endpoint_url=clients.endpoint())),
        "cfnresponse": types.SimpleNamespace(SUCCESS="SUCCESS", FAILED="FAILED", send=send),
    }
    code = "\n".join(line for line in code.splitlines() if line.removeprefix("import ") not in modules)
    exec(compile(code, f"{logical_id}/index.py", "exec"), modules)
    modules["handler"]({"RequestType": "Create", "ResourceProperties": properties}, None)
    if [status for status, _ in answers] != ["SUCCESS"]:
        raise RuntimeError(f"`{logical_id}` in `{account_id}` `{region}` answered {answers}")


def _numbers(properties: Template) -> Template:
    whole = {name: int(properties[name]) for name in ("Period", "EvaluationPeriods") if name in properties}
    return {**properties, **whole, "Threshold": float(properties["Threshold"])}


# The types that moto's CloudFormation takes without creating anything. What a stack tells of them is answered by name; `Ref` is the id.
EXTENSION: dict[str, Callable[[str, str, str, Template], dict[str, str] | None]] = {
    "AWS::Backup::BackupVault": _vault,
    "AWS::Backup::LogicallyAirGappedBackupVault": _air_gapped_vault,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::Organizations::Policy": _organization_policy,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Scheduler::Schedule": _schedule,
    "Custom::Tables": _inline_function,
    "Custom::VolumeDefault": _inline_function,
}
