"""The Lambda functions of moto, run as real processes: configuration from moto, code from the folder of binaries.

Decides which environment takes an invocation and when a new one is started (up to the reserved concurrency, or 2); invocations wait
while all are busy. Events that nobody waits for are tried three times, as Lambda does.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import authorizations, work
from lab.environments import Environment, Log
from lab.runtime_api import Invocation, Result

if TYPE_CHECKING:
    from lab.proxy import Proxy

log = logging.getLogger(__name__)

CONCURRENCY_WITHOUT_RESERVATION = 2
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ASYNCHRONOUS_ATTEMPTS = 3


class NoSuchFunction(LookupError):
    """The function is not in moto, or there is no binary for it."""


class Functions:
    """All functions of the lab. `binaries` maps the name of a function to the name of its binary."""

    def __init__(self, directory: Path | None, proxy: Proxy) -> None:
        self._directory = directory
        self._proxy = proxy
        self.binaries: dict[str, str] = {}
        self.retry_seconds = 0.2
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def reset(self) -> None:
        """End every process and forget logs and counts."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
            self.counts.clear()
            self.binaries.clear()
            self.retry_seconds = 0.2
        for pool in pools:
            pool.close()

    def pool(self, name_or_arn: str, account_id: str = "", region: str = "") -> Pool:
        """The environments of a function; fails when moto or the folder of binaries does not know it."""
        if name_or_arn.startswith("arn:"):
            _, _, _, region, account_id, _, name = name_or_arn.split(":")[:7]
        else:
            name = name_or_arn.split(":")[-1]
        function = self._configuration(name, account_id, region)
        with self._lock:
            if function.function_arn not in self._pools:
                self._pools[function.function_arn] = Pool(function, self._binary(name), self._proxy)
            return self._pools[function.function_arn]

    def invoke(self, name_or_arn: str, payload: bytes, account_id: str = "", region: str = "") -> Result:
        from lab import alarms

        pool = self.pool(name_or_arn, account_id, region)
        with work.track(f"function {pool.name}"):
            result = pool.invoke(payload)
        with self._lock:
            self.counts["invocations"] += 1
            self.counts["errors"] += result.error is not None
        if result.error:
            alarms.measured("AWS/Lambda", "Errors", {"FunctionName": pool.name}, 1.0)
            log.info("function `%s` failed: %s", pool.name, result.payload.decode("utf-8", "replace"))
        return result

    def invoke_later(self, name_or_arn: str, payload: bytes, account_id: str = "", region: str = "") -> None:
        """Asynchronous invocation: nobody waits, errors are tried again and counted when they persist."""
        pool = self.pool(name_or_arn, account_id, region)
        work.later(0.0, self._attempt, pool.arn, payload, 1)

    def _attempt(self, arn: str, payload: bytes, number: int) -> None:
        if self.invoke(arn, payload).error is None:
            return
        if number < ASYNCHRONOUS_ATTEMPTS:
            work.later(self.retry_seconds, self._attempt, arn, payload, number + 1)
            return
        with self._lock:
            self.counts["asynchronous_failures"] += 1

    def processes(self) -> dict[str, list[int]]:
        """Process ids by function, for `/lab/health`."""
        with self._lock:
            pools = sorted(self._pools.values(), key=lambda pool: pool.name)
        return {pool.name: sorted(one.pid for one in pool.environments()) for pool in pools}

    def kill(self, name: str) -> list[int]:
        """SIGKILL to every process of a function; returns their ids."""
        with self._lock:
            pools = [pool for pool in self._pools.values() if pool.name == name]
        return [pid for pool in pools for pid in pool.kill_all()]

    def log_lines(self, name: str | None) -> dict[str, list[str]]:
        with self._lock:
            pools = sorted(self._pools.values(), key=lambda pool: pool.name)
        pools = [pool for pool in pools if name in (None, pool.name)]
        for pool in pools:
            for environment in pool.environments():
                environment.take_output()
        return {pool.name: pool.log.lines() for pool in pools}

    def _configuration(self, name: str, account_id: str, region: str) -> Any:
        from moto.awslambda.models import lambda_backends

        for function in lambda_backends[account_id][region].list_functions():
            if function.function_name == name:
                return function
        raise NoSuchFunction(f"function `{name}` does not exist in `{account_id}` `{region}`")

    def _binary(self, name: str) -> Path:
        if self._directory is None:
            raise NoSuchFunction(f"the lab was started without --functions-dir, so `{name}` has no binary")
        path = self._directory / self.binaries.get(name, name)
        if not path.is_file():
            raise NoSuchFunction(f"no binary `{path}` for function `{name}`; build it first")
        return path.resolve()


class Pool:
    """The environments of one function."""

    def __init__(self, function: Any, binary: Path, proxy: Proxy) -> None:
        self.name: str = function.function_name
        self.arn: str = function.function_arn
        self.log = Log()
        self._function = function
        self._binary = binary
        self._proxy = proxy
        self._idle: list[Environment] = []
        self._all: list[Environment] = []
        self._starting = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        return int(self._function.reserved_concurrency or CONCURRENCY_WITHOUT_RESERVATION)

    def environments(self) -> list[Environment]:
        with self._changed:
            return list(self._all)

    def invoke(self, payload: bytes) -> Result:
        from lab.runtime_api import failure

        invocation = Invocation(payload, self.arn, float(self._function.timeout))
        try:
            environment = self._acquire()
        except OSError as problem:
            return failure("Runtime.InvalidEntrypoint", f"cannot start `{self._binary}`: {problem}")
        try:
            return environment.run(invocation)
        finally:
            self._release(environment)

    def _acquire(self) -> Environment:
        with self._changed:
            while True:
                if self._closed:
                    raise ProcessLookupError("the lab was reset")
                while self._idle:
                    environment = self._idle.pop()
                    if environment.alive:
                        return environment
                if len(self._all) + self._starting < self.limit:
                    self._starting += 1
                    break
                self._changed.wait(0.5)
        environment = None
        try:
            environment = self._start()
        finally:
            with self._changed:
                self._starting -= 1
                # A process that ended at once has been announced already and must not be entered again.
                if environment is not None and environment.alive:
                    self._all.append(environment)
                closed = self._closed
                self._changed.notify_all()
        if closed:
            environment.kill()
            raise ProcessLookupError("the lab was reset")
        return environment

    def _start(self) -> Environment:
        from lab.credentials import session_of_role

        function = self._function
        self._tell_what_lambda_asks(function)
        endpoint = self._proxy.open(self.name)
        variables = {
            **{name: str(value) for name, value in function.environment_vars.items()},
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.function_name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "lab",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_ENDPOINT_URL": endpoint.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "_HANDLER": function.handler or "bootstrap",
            **session_of_role(function.role, function.function_name, function.region),
        }

        def ended(environment: Environment) -> None:
            endpoint.close()
            with self._changed:
                if environment in self._all:
                    self._all.remove(environment)
                if environment in self._idle:
                    self._idle.remove(environment)
                self._changed.notify_all()

        try:
            environment = Environment(self.name, self._binary, variables, self.log, ended)
        except OSError:
            endpoint.close()
            raise
        endpoint.kill = environment.kill
        return environment

    @staticmethod
    def _tell_what_lambda_asks(function: Any) -> None:
        """Lambda takes the role on, and what it logs it writes in its name.

        https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
        """
        authorizations.assumed(function.role, "lambda.amazonaws.com")
        if function.kms_key_arn:
            # The environment variables lie under it. https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
            authorizations.request(function.role, function.region, "kms:Decrypt", function.kms_key_arn)
        account_id = function.function_arn.split(":")[4]
        group = f"arn:aws:logs:{function.region}:{account_id}:log-group:{function.logs_group_name}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            authorizations.request(function.role, function.region, action, f"{group}:log-stream:lab")

    def _release(self, environment: Environment) -> None:
        with self._changed:
            if environment.alive and environment in self._all:
                self._idle.append(environment)
            self._changed.notify_all()

    def kill_all(self) -> list[int]:
        killed = self.environments()
        for environment in killed:
            environment.kill()
        return sorted(environment.pid for environment in killed)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.kill_all()


_current: Functions | None = None


def use(functions: Functions) -> None:
    """Make these the functions of the lab and let moto's Lambda Invoke reach them."""
    global _current
    from moto.awslambda.models import LambdaBackend

    _current = functions
    LambdaBackend.invoke = _moto_invoke


def current() -> Functions:
    if _current is None:
        raise NoSuchFunction("the lab runs without functions")
    return _current


def invoke_later(arn: str, payload: bytes) -> None:
    current().invoke_later(arn, payload)


def _moto_invoke(
    backend: Any, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
) -> bytes | None:
    """Lambda `Invoke` of moto's API, and its Step Functions tasks."""
    from moto.awslambda.exceptions import UnknownFunctionException
    from moto.core.exceptions import JsonRESTError

    function = backend.get_function(function_name, qualifier)
    payload = body if isinstance(body, bytes) else str(body or "{}").encode()
    kind = (headers or {}).get("X-Amz-Invocation-Type") or (headers or {}).get("x-amz-invocation-type")
    try:
        if kind == "DryRun":
            return b""
        if kind == "Event":
            current().invoke_later(function.function_arn, payload or b"{}")
            response_headers["Content-Length"] = "0"
            return b""
        result = current().invoke(function.function_arn, payload or b"{}")
    except NoSuchFunction as problem:
        log.warning("%s", problem)
        raise UnknownFunctionException(function.function_arn) from problem
    except ProcessLookupError as problem:
        raise JsonRESTError("ServiceException", str(problem)) from problem
    if result.error:
        # Both spellings: moto looks for the lower case one.
        response_headers["x-amz-function-error"] = "Unhandled"
    response_headers["Content-Length"] = str(len(result.payload))
    return result.payload
