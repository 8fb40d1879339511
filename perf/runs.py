"""Programs that are measured: each runs alone against a stub of its own, and the system tells what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .floor import BACKUP, MANAGEMENT, Estate
from .replayed import memory

ROOT = Path(__file__).resolve().parent.parent
# `make bench` builds what runs at a terminal in one folder, what is shipped to Lambda in another; the tests take what they were built with.
BINARIES = Path(os.environ.get("GUARDIAN_BENCH_DIR", ROOT / "target" / "release"))
FUNCTIONS = Path(os.environ.get("GUARDIAN_BENCH_DIR", ROOT / "target" / "lambda"))
READER = "backup-guardian-reader"
# An hour is for ever.
LONGEST = 3600.0


class Stub:
    """A stub in a process of its own."""

    def __init__(self, estate: Estate, *, latency: int = 0, limited: bool = False, binaries: Path = BINARIES) -> None:
        behaviour = [f"--latency={latency}", *(["--limited"] if limited else [])]
        self.process = subprocess.Popen(
            [binaries / "guardian-stub", *estate.arguments(), *behaviour],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.address = self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the stub ended early")
        return line.strip()

    def log(self) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@contextmanager
def stub(estate: Estate, **behaviour: Any) -> Iterator[Stub]:
    running = Stub(estate, **behaviour)
    try:
        yield running
    finally:
        running.end()


@dataclass(frozen=True)
class Run:
    """What a program took."""

    wall: float
    # Seconds of processor time, the system's for it included.
    processor: float
    # Most memory that it held, in kilobytes.
    memory: int
    # What it said.
    out: str
    # What the stub saw.
    log: dict[str, Any]
    # By resource.
    states: dict[str, str]

    @property
    def stub_processor(self) -> float:
        return (self.log.get("processor_ms") or 0) / 1000


def environment(stub: Stub) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "TMPDIR": tempfile.gettempdir(),
        "AWS_ENDPOINT_URL": stub.address,
        "AWS_ACCESS_KEY_ID": "AKIDSTUB",
        "AWS_SECRET_ACCESS_KEY": "stub",
        # With a session of one's own nobody looks whether the endpoint is a lab.
        "AWS_SESSION_TOKEN": "stub",
        "AWS_EC2_METADATA_DISABLED": "true",
        "GUARDIAN_READER_ROLE_NAME": READER,
        "GUARDIAN_ORGANIZATION_ROLE_ARN": f"arn:aws:iam::{MANAGEMENT}:role/{READER}",
        "GUARDIAN_BACKUP_ACCOUNT_IDS": BACKUP,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def measured(command: list[str | Path], stub: Stub, well: tuple[int, ...]) -> tuple[float, float, int, str]:
    """Wall, processor time and memory of a command, and what it printed; an error where it ended otherwise than `well`."""
    with tempfile.TemporaryFile("w+") as out:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, env=environment(stub), cwd=ROOT)
        ended = held = 0
        while not ended:
            # The most that it held so far: what the system tells of it when it ended counts this program, too.
            held = max(held, memory(process.pid))
            time.sleep(0.01)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in well:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}")
        out.seek(0)
        return wall, usage.ru_utime + usage.ru_stime, held, out.read()


def guardian(
    estate: Estate, *, pace: float = 1000.0, at_once: int | None = None, states: bool = True, **behaviour: Any
) -> Run:
    """`guardian sweep`: everything, the report included."""
    binaries = behaviour.get("binaries", BINARIES)
    with tempfile.TemporaryDirectory() as folder, stub(estate, **behaviour) as running:
        report = Path(folder) / "report.json"
        regions = [argument for region in estate.regions for argument in ("--region", region)]
        more = [f"--at-once={at_once}"] if at_once else []
        command = [binaries / "guardian", "sweep", *regions, f"--pace={pace}", *more, f"--json={report}"]
        # Something is always ill in the estate, and not everything could be seen.
        took = measured(command, running, (0, 1, 3))
        found = dict(coverage(report)) if states else {}
        return Run(*took, running.log(), found)


def coverage(report: Path) -> Iterator[tuple[str, str]]:
    for account in json.loads(report.read_text(encoding="utf-8"))["accounts"]:
        for resource in account["coverage"]:
            yield resource["resource_arn"], resource["protection"]


def twin(estate: Estate, threads: int = 16, **behaviour: Any) -> Run:
    """The program in boto3."""
    with tempfile.TemporaryDirectory() as folder, stub(estate, **behaviour) as running:
        states = Path(folder) / "states.json"
        command: list[str | Path] = [sys.executable, "-m", "perf.twin_sweep", f"--regions={','.join(estate.regions)}"]
        command += [f"--reader={READER}", f"--management={MANAGEMENT}", f"--backup={BACKUP}", f"--threads={threads}"]
        took = measured([*command, f"--out={states}"], running, (0,))
        return Run(*took, running.log(), json.loads(states.read_text(encoding="utf-8")))


def per_point(estate: Estate, count: int) -> float:
    """Processor seconds that boto3 takes for one more call per recovery point, measured on so many."""
    with stub(estate) as running:
        took = measured([sys.executable, "-m", "perf.per_point", str(count)], running, (0,))
        return float(took[3])
