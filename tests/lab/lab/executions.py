"""Executions of state machines: moto's interpreter runs them, their tasks reach the functions of the lab, and the lab knows when they end.

Mends what stands between the two: a state machine of a template belongs to the interpreter with its substitutions made, its tasks and readers
work in its account with its role, and an execution is work in flight. Departure from AWS, so that tests are quick: a state that is tried again
waits `retry_seconds` at most.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config

from lab import authorizations, work
from lab.credentials import session_of_role

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.2
# No task waits longer than a function may run.
PATIENCE_SECONDS = 1000

_endpoint = ""


class NoSuchStateMachine(LookupError):
    """The state machine is not in moto."""


def use(endpoint: str) -> None:
    """The lab's address, which the tasks of every execution call."""
    global _endpoint
    _endpoint = endpoint


def install() -> None:
    """Once per process, before a template is created."""
    from moto.stepfunctions import models
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
        DistributedIterationComponent,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
    from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    # moto's CloudFormation would put it where nothing is ever executed, and leaves the substitutions out.
    models.stepfunctions_backends = stepfunctions_parser_backends
    create = models.StateMachine.create_from_cloudformation_json.__func__

    def create_substituted(cls: Any, resource_name: str, cloudformation_json: Any, *rest: Any, **named: Any) -> Any:
        properties = cloudformation_json["Properties"]
        text = substituted(properties.get("DefinitionString", ""), properties.get("DefinitionSubstitutions", {}))
        given = {**cloudformation_json, "Properties": {**properties, "DefinitionString": text}}
        return create(cls, resource_name, given, *rest, **named)

    models.StateMachine.create_from_cloudformation_json = classmethod(create_substituted)
    lambda_eval_utils.boto_client_for = _client
    resource_eval_s3.boto_client_for = _client
    retrier_decl.time = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, RETRY_SECONDS)))

    start, run = ExecutionWorker.start, ExecutionWorker._execution_logic
    run_map = DistributedIterationComponent._map_run

    # In flight from the moment at which whoever started it hears of it.
    def start_tracked(worker: Any) -> None:
        details = worker._evaluation_details
        _tell_who_runs(details.execution_details.role_arn, details.state_machine_details.arn)
        worker.tracked = work.track("execution")
        worker.tracked.__enter__()
        start(worker)

    def run_tracked(worker: Any) -> None:
        try:
            run(worker)
        except Exception:
            log.exception("the interpreter of an execution failed")
        finally:
            worker.tracked.__exit__(None, None, None)

    def run_map_told(component: Any, env: Any, eval_input: Any) -> None:
        context = env.states.context_object.context_object_data
        _tell_what_a_map_asks(context["Execution"]["RoleArn"], context["StateMachine"]["Id"])
        run_map(component, env, eval_input)

    DistributedIterationComponent._map_run = run_map_told
    ExecutionWorker.start = start_tracked
    ExecutionWorker._execution_logic = run_tracked


def _tell_who_runs(role_arn: str, machine: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html#prevent-cross-service-confused-deputy"""
    source = {"aws:SourceArn": machine, "aws:SourceAccount": machine.split(":")[4]}
    authorizations.assumed(role_arn, "states.amazonaws.com", source)


def _tell_what_a_map_asks(role_arn: str, machine: str) -> None:
    """The items of a distributed map are executions of their own, which the map begins, follows, and stops when it is stopped.

    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    """
    region = machine.split(":")[3]
    authorizations.request(role_arn, region, "states:StartExecution", machine)
    item = f"{machine.replace(':stateMachine:', ':execution:')}:{uuid.uuid4()}"
    for action in ("states:DescribeExecution", "states:StopExecution"):
        authorizations.request(role_arn, region, action, item)


def substituted(definition: str, values: dict[str, str]) -> str:
    """A definition with its `${name}` replaced, as CloudFormation does it."""
    return re.sub(r"\$\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), definition)


def start(arn: str, text: str) -> None:
    """An execution of a state machine as EventBridge starts it: under a name of its own."""
    from moto.stepfunctions.exceptions import StateMachineDoesNotExist
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    _, _, _, region, account_id, _ = arn.split(":", 5)
    try:
        stepfunctions_parser_backends[account_id][region].start_execution(arn, str(uuid.uuid4()), text)
    except StateMachineDoesNotExist:
        raise NoSuchStateMachine(f"state machine `{arn}` does not exist") from None


def stop_all() -> None:
    """Nothing goes on after a reset."""
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    for regions in list(stepfunctions_parser_backends.values()):
        for backend in list(regions.values()):
            for execution in [one for machine in backend.state_machines for one in machine.executions]:
                if execution.status == "RUNNING" and execution.exec_worker.env is not None:
                    execution.stop(datetime.now(UTC), None, None)


def _client(region: str, service: str, state_credentials: Any) -> Any:
    """The client of a task: in the account of the execution, with its role."""
    given = session_of_role(state_credentials.role_arn, "execution", region)
    patient = Config(
        parameter_validation=False,
        retries={"total_max_attempts": 1},
        read_timeout=PATIENCE_SECONDS,
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=_endpoint,
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=given["AWS_SESSION_TOKEN"],
        config=patient,
    )
