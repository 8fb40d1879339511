"""The lab put together: moto with its extensions, control routes, function processes, pollers and the wire proxy."""

from __future__ import annotations

import logging
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from lab import (
    HOME_REGION,
    accounts,
    alarms,
    authorizations,
    bus,
    clients,
    clock,
    executions,
    functions,
    provision,
    put_events,
    queues,
    stacks,
    work,
)
from lab.proxy import Proxy

log = logging.getLogger(__name__)


class Lab:
    """One per process: moto's state is global. Started by `Lab(...)`, ended by `close()`."""

    def __init__(
        self,
        port: int = 0,
        functions_dir: Path | None = None,
        project: Path | None = None,
        parameters: dict[str, str] | None = None,
        extensions: Any | None = None,
        authorizations_dir: Path | None = None,
    ) -> None:
        """`project` holds the templates (None: no guardian); `extensions` is what adds AWS services to moto (`lab.aws`).

        `authorizations_dir` gets what the roles of the guardian ask for.
        """
        authorizations.use(authorizations_dir)
        self.extensions = extensions
        self._parameters = parameters or {}
        self._templates = provision.Templates(project) if project else None
        self._reset_lock = threading.Lock()
        self._install()
        self._server = _serve(port, self)
        self.port: int = self._server.server_port
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.proxy = Proxy(self.port)
        self.functions = functions.Functions(functions_dir, self.proxy)
        functions.use(self.functions)
        self.pollers = queues.Pollers(self.functions)
        self.deployment = provision.Deployment()
        threading.Thread(target=self._server.serve_forever, daemon=True, name="lab").start()
        self.provisioning_seconds = 0.0
        self.reset()

    def _install(self) -> None:
        import moto.iam.models
        from moto.core.config import default_user_config

        # An access key that nobody issued belongs to the management account.
        moto.iam.models.DEFAULT_ACCOUNT_ID = accounts.MANAGEMENT
        default_user_config["stepfunctions"]["execute_state_machine"] = True
        put_events.install()
        queues.install()
        stacks.install()
        executions.install()
        if self.extensions is not None:
            self.extensions.install()

    def reset(self, template: stacks.Template | None = None, parameters: dict[str, str] | None = None) -> float:
        """Back to the state right after start; returns the seconds that it took.

        `template`, its short forms written out, takes the place of the guardian's until the next reset, and `parameters` go before those of the start.
        """
        with self._reset_lock:
            started = time.monotonic()
            self.pollers.pause(True)
            work.reset()
            executions.stop_all()
            self.functions.reset()
            # What still runs would write into the new state.
            if not work.wait_idle(5.0):
                log.warning("reset while still in flight: %s", ", ".join(work.in_flight()))
            self.proxy.reset()
            bus.reset()
            clock.reset()
            alarms.reset()
            self.pollers.reset()
            provision.clear()
            if self.extensions is not None:
                self.extensions.reset()
            clients.use(self.endpoint)
            executions.use(self.endpoint)
            self.deployment = provision.provision(
                self._templates.with_hub(template) if template and self._templates else self._templates,
                {**self._parameters, **(parameters or {})},
            )
            self.functions.binaries.update(self.deployment.binaries)
            self.pollers.pause(False)
            self.provisioning_seconds = round(time.monotonic() - started, 3)
            return self.provisioning_seconds

    def wait_idle(self, timeout: float) -> bool:
        """True when nothing is in flight: no event, no message of a mapped queue, no invocation, no execution, no job."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not work.wait_idle(left):
                return False
            # The order matters: work makes messages, and handling messages makes work.
            if not self.pollers.pending() and not work.in_flight():
                return True
            time.sleep(0.005)

    def info(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "proxy_endpoint": self.proxy.main.url,
            "region": HOME_REGION,
            "regions": list(accounts.REGIONS),
            "accounts": {
                "management": accounts.MANAGEMENT,
                "guardian": accounts.GUARDIAN,
                "backup": accounts.BACKUP,
                "sources": list(accounts.SOURCES),
            },
            "organization_id": accounts.ORGANIZATION_ID,
            "admin_role_name": accounts.ADMIN_ROLE_NAME,
            "stack_name": accounts.STACK_NAME if self._templates else None,
            "alert_topic_arn": self.deployment.outputs.get("AlertTopicArn"),
            **provision.as_dict(self.deployment),
        }

    def health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "time": clock.now().isoformat(),
            "in_flight": work.in_flight(),
            "pending_messages": self.pollers.pending(),
            "bus": bus.counts(),
            "functions": dict(sorted(self.functions.counts.items())),
            "processes": self.functions.processes(),
            "provisioning_seconds": self.provisioning_seconds,
        }

    def close(self) -> None:
        """End every child process and every port."""
        work.reset()
        self.pollers.stop()
        self.functions.reset()
        self.proxy.main.close()
        self._server.shutdown()
        self._server.server_close()


def load_extensions() -> Any | None:
    """`lab.aws`, with the modules whose controls the lab serves."""
    import lab.aws
    import lab.aws.cloudtrail
    import lab.aws.controls
    import lab.aws.sns

    return lab.aws


def _serve(port: int, lab: Lab) -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    from lab.control import Control

    class Handler(MotoRequestHandler):
        disable_nagle_algorithm = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            log.debug("%s %s", self.requestline, code)

    # For every request moto reads its own folder and tries the patterns of all services, one request at a time. Neither ever changes.
    find = cache(DomainDispatcherApplication.get_backend_for_host)
    DomainDispatcherApplication.get_backend_for_host = lambda self, host: find(self, host)  # type: ignore[method-assign]
    moto = DomainDispatcherApplication(create_backend_app)
    control = Control(lab)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        # No bucket of the lab can be called `lab`.
        if environ.get("PATH_INFO", "").startswith("/lab/"):
            return control(environ, start_response)
        return moto(environ, start_response)

    return make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
