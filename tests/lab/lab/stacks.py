"""One template becomes one stack: translated, created by moto, and completed with what moto leaves out.

moto creates most types for real and silently skips some; those are created here from the same translated template, so that there is no
second description of anything.
"""

from __future__ import annotations

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
    from moto.events.models import EventBus
    from moto.iam.models import Role
    from moto.kms.models import KmsBackend

    # It has no physical id for a bus: `Ref` would hand out the object itself.
    EventBus.physical_resource_id = property(lambda bus: bus.name)
    # Inline policies of a template arrive as objects, those of the API as text.
    put_policy = Role.put_policy

    def put_text(role: Role, name: str, policy: Any) -> None:
        put_policy(role, name, policy if isinstance(policy, str) else json.dumps(policy))

    Role.put_policy = put_text

    # So do key policies, which `GetKeyPolicy` would then fail to read.
    create_key = KmsBackend.create_key

    def create_with_text(backend: KmsBackend, policy: Any, *rest: Any, **named: Any) -> Any:
        return create_key(
            backend, policy if policy is None or isinstance(policy, str) else json.dumps(policy), *rest, **named
        )

    KmsBackend.create_key = create_with_text


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

    def __init__(self, stack: Any, by_extension: list[str], skipped: list[str]) -> None:
        self.stack = stack
        self.by_extension = by_extension
        self.skipped = skipped

    def outputs(self) -> dict[str, str]:
        return {one["OutputKey"]: one["OutputValue"] for one in self.stack.outputs or []}


def create(account_id: str, region: str, name: str, template: Template, parameters: dict[str, str]) -> Created:
    """Create a stack from a translated template."""
    from moto.cloudformation.models import cloudformation_backends

    known = {key: value for key, value in parameters.items() if key in template.get("Parameters", {})}
    backend = cloudformation_backends[account_id][region]
    # moto warns of every type that it skips; those are ours and `/lab/info` lists them.
    logging.getLogger("moto").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", "Tried to parse", UserWarning)
    stack = backend.create_stack(name=name, template=json.dumps(template), parameters=known, tags={})
    if stack.status != "CREATE_COMPLETE":
        raise RuntimeError(f"stack `{name}` in `{account_id}` `{region}` ended as `{stack.status}`")
    return _complete(stack, account_id, region, template)


def _complete(stack: Any, account_id: str, region: str, template: Template) -> Created:
    from moto.cloudformation.parsing import clean_json

    resources = stack.resource_map
    by_extension, skipped = [], []
    for logical_id, resource in sorted(template["Resources"].items()):
        condition = resource.get("Condition")
        if condition and not resources.lazy_condition_map[condition]:
            continue
        if resources._parsed_resources.get(logical_id) is not None:
            continue
        build = EXTENSION.get(resource["Type"])
        if build is None:
            skipped.append(f"{logical_id} ({resource['Type']})")
            continue
        build(account_id, region, logical_id, clean_json(copy.deepcopy(resource.get("Properties", {})), resources))
        by_extension.append(f"{logical_id} ({resource['Type']})")
    return Created(stack, by_extension, skipped)


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


def _alarm(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from lab.clients import client

    client("cloudwatch", account_id, region).put_metric_alarm(**{"AlarmName": logical_id, **_numbers(properties)})


def _schedule(account_id: str, region: str, logical_id: str, properties: Template) -> None:
    from lab.clients import client

    client("scheduler", account_id, region).create_schedule(**{"Name": logical_id, **properties})


def _numbers(properties: Template) -> Template:
    whole = {name: int(properties[name]) for name in ("Period", "EvaluationPeriods") if name in properties}
    return {**properties, **whole, "Threshold": float(properties["Threshold"])}


# The types that moto's CloudFormation takes without creating anything.
EXTENSION: dict[str, Callable[[str, str, str, Template], None]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Scheduler::Schedule": _schedule,
}
