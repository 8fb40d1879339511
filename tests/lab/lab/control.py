"""The control routes `/lab/*`: JSON in, JSON out. README.md describes each."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from lab import HOME_REGION, accounts, alarms, bus, clock, queues, stacks

if TYPE_CHECKING:
    from lab.server import Lab

log = logging.getLogger(__name__)

IDLE_TIMEOUT_SECONDS = 30.0


class Refused(ValueError):
    """A control request that makes no sense; the text says what would."""


class Control:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "info"): lambda _: lab.info(),
            ("GET", "health"): lambda _: lab.health(),
            ("POST", "reset"): self._reset,
            ("GET", "clock"): lambda _: {"now": clock.now().isoformat()},
            ("POST", "clock"): self._clock,
            ("POST", "cloudtrail-delay"): self._cloudtrail_delay,
            ("GET", "faults"): lambda _: lab.proxy.faults.list(),
            ("POST", "faults"): self._add_faults,
            ("DELETE", "faults"): lambda _: lab.proxy.faults.clear() or {},
            ("GET", "idle"): self._idle,
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): lambda _: lab.proxy.requests.clear() or {},
            ("GET", "mailbox"): self._mailbox,
            ("GET", "logs"): self._logs,
            ("POST", "bus"): self._bus,
            ("POST", "schedule"): self._schedule,
            ("POST", "sqs"): self._sqs,
            ("POST", "stack"): self._stack,
            ("POST", "kill"): self._kill,
            ("POST", "alarms"): lambda _: alarms.look(accounts.GUARDIAN, HOME_REGION),
            ("POST", "metric"): self._metric,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix("/lab/").strip("/")
        route = self._routes.get((request.method, name)) or self._extension_route(request.method, name)
        if route is None:
            known = ", ".join(f"{method} /lab/{path}" for method, path in sorted(self._routes))
            return _json({"error": f"no control `{request.method} {request.path}`; there are {known}"}, 404)
        try:
            return _json(route(request))
        except ValueError as problem:
            return _json({"error": str(problem)}, 400)
        except Exception as problem:
            log.exception("control `%s` failed", request.path)
            return _json({"error": f"{type(problem).__name__}: {problem}"}, 500)

    def _extension_route(self, method: str, name: str) -> Callable[[Request], Any] | None:
        """Controls of the AWS part, by the last part of their path: from the posted JSON to the JSON answer."""
        controls = getattr(self._lab.extensions, "controls", None)
        function = controls.ROUTES.get(name) if controls and method == "POST" else None
        return (lambda request: function(_fields(request))) if function else None

    def _reset(self, request: Request) -> Any:
        given = _fields(request, "template", "parameters")
        return {"seconds": self._lab.reset(given.get("template"), given.get("parameters"))}

    def _metric(self, request: Request) -> Any:
        given = _fields(request, "namespace", "metric", "dimensions", "value")
        value = _number(given, "value")
        alarms.measured(str(given["namespace"]), str(given["metric"]), dict(given["dimensions"]), value)
        return given

    def _clock(self, request: Request) -> Any:
        now = clock.advance(_number(_fields(request, "advance_seconds"), "advance_seconds"))
        queues.wake()
        return {"now": now.isoformat()}

    def _cloudtrail_delay(self, request: Request) -> Any:
        given = _fields(request, "lookup_seconds", "event_seconds")
        if self._lab.extensions is None:
            raise Refused("this lab was started without its AWS extension, so it has no CloudTrail")
        lookup, event = _number(given, "lookup_seconds", 0.0), _number(given, "event_seconds", 0.0)
        self._lab.extensions.cloudtrail.set_delay(lookup, event)
        return {"lookup_seconds": lookup, "event_seconds": event}

    def _add_faults(self, request: Request) -> Any:
        self._lab.proxy.faults.add(_body(request))
        return self._lab.proxy.faults.list()

    def _idle(self, request: Request) -> Any:
        timeout = float(request.args.get("timeout", IDLE_TIMEOUT_SECONDS))
        idle = self._lab.wait_idle(timeout)
        return {"idle": idle} if idle else {"idle": False, "health": self._lab.health()}

    def _requests(self, request: Request) -> Any:
        return self._lab.proxy.requests.list(**request.args.to_dict())

    def _mailbox(self, request: Request) -> Any:
        if self._lab.extensions is None:
            raise Refused("this lab was started without its AWS extension, so it has no mailbox")
        return self._lab.extensions.sns.mailbox.deliveries(request.args.get("protocol"), request.args.get("endpoint"))

    def _logs(self, request: Request) -> Any:
        return self._lab.functions.log_lines(request.args.get("function"))

    def _bus(self, request: Request) -> Any:
        given = _fields(request, "duplicate", "drop", "seed")
        bus.disturb(int(given.get("duplicate", 0)), float(given.get("drop", 0.0)), int(given.get("seed", 0)))
        return given

    def _schedule(self, request: Request) -> Any:
        given = _fields(request, "rule")
        if not given.get("rule"):
            raise Refused('name the rule: {"rule": "NAME"}')
        bus.fire(accounts.GUARDIAN, HOME_REGION, given["rule"])
        return given

    def _sqs(self, request: Request) -> Any:
        given = _fields(request, "retry_seconds", "paused")
        if "retry_seconds" in given:
            self._lab.pollers.retry_after(_number(given, "retry_seconds"))
        if "paused" in given:
            self._lab.pollers.pause(bool(given["paused"]))
        return {"retry_seconds": self._lab.pollers.retry_seconds, "paused": self._lab.pollers.paused}

    def _stack(self, request: Request) -> Any:
        given = _fields(request, "account_id", "region", "name", "template", "parameters")
        place = (given["account_id"], given["region"], given["name"])
        created = stacks.create(*place, stacks.translate(given["template"]), given.get("parameters", {}))
        return {
            "outputs": created.outputs(),
            "created_by_extension": created.by_extension,
            "not_created": created.skipped,
        }

    def _kill(self, request: Request) -> Any:
        given = _fields(request, "function")
        if not given.get("function"):
            raise Refused('name the function: {"function": "NAME"}')
        return {"killed": self._lab.functions.kill(given["function"])}


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, sort_keys=True, default=str) + "\n", status, mimetype="application/json")


def _body(request: Request) -> Any:
    text = request.get_data(as_text=True)
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as problem:
        raise Refused(f"the body is not JSON: {problem}") from problem


def _fields(request: Request, *names: str) -> dict[str, Any]:
    """The members of the posted object; when names are given, only those."""
    given = _body(request)
    if not isinstance(given, dict):
        raise Refused("the body must be a JSON object")
    unknown = sorted(set(given) - set(names))
    if names and unknown:
        raise Refused(f"unknown member `{unknown[0]}`; known: {', '.join(names)}")
    return given


def _number(given: dict[str, Any], name: str, otherwise: float | None = None) -> float:
    value = given.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"`{name}` must be a number")
    return float(value)
