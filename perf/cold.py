"""From the start of a process to the alert: `diagnose-job` beside the same function in boto3, each as Lambda would start it for one failed copy.

    python -m perf.cold --rounds 100

The lab is asked once what it answers (`perf/record.py`); `guardian-replay` answers the same again, at once, so that what is measured is the function.
Both programs are given the same event, make the same calls and publish an alert with the same cause, key and patch, or this ends with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .record import FUNCTION, Json, Recording, record
from .runs import BINARIES

# Processor time at the smallest memory, as a part of what a whole processor gives: Lambda gives one at 1,769 MB.
SMALLEST = 128 / 1769
WARM = 5
# The function asks for event histories at most twice a second.
PAUSE_SECONDS = 0.6


@dataclass
class Start:
    """One process: milliseconds, and kilobytes."""

    # From the start of the process to the end of its initialization, to the accepted alert, and to the answer.
    init: float
    alert: float
    done: float
    # From the event to the answer, first and again.
    first: float
    warm: list[float]
    # Processor time, all of it.
    processor: float
    memory: int
    # Of the first event, in their order.
    calls: list[str]
    told: Json


class Replay:
    """A process that answers one function."""

    def __init__(self, recording: Path, binaries: Path) -> None:
        self.process = subprocess.Popen(
            [binaries / "guardian-replay", recording], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the replay ended early")
        return line.strip()

    def order(self, events: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{events}\n")
        self.process.stdin.flush()

    def log(self) -> list[tuple[int, str]]:
        return [(at, call) for at, call in json.loads(self._line())]

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@contextmanager
def replay(recording: Path, binaries: Path = BINARIES) -> Iterator[Replay]:
    running = Replay(recording, binaries)
    try:
        yield running
    finally:
        running.end()


def start(
    command: list[str | Path], recording: Recording, file: Path, warm: int = WARM, binaries: Path = BINARIES
) -> Start:
    """One start, one alert, and some more of the same."""
    with replay(file, binaries) as answering:
        environment = {
            **recording.environment,
            "AWS_ENDPOINT_URL": f"http://{answering.address}",
            "AWS_LAMBDA_RUNTIME_API": answering.address,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        # Before the process, as Lambda has the event before it has the environment.
        answering.order(1)
        began = time.time_ns()
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            log = answering.log()
            at = first_of(log)
            again = []
            for _ in range(warm):
                time.sleep(PAUSE_SECONDS)
                answering.order(1)
                once = first_of(answering.log())
                again.append((once["result"] - once["event"]) / 1e6)
        finally:
            process.kill()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
    unknown = [call for _, call in log if call.startswith("unknown")]
    if unknown or "sns:Publish" not in at or "result: error" in at:
        raise RuntimeError(f"{command[0]} did not tell of the failure: {unknown or log}")
    return Start(
        init=(at["next"] - began) / 1e6,
        alert=(at["sns:Publish"] - began) / 1e6,
        done=(at["result"] - began) / 1e6,
        first=(at["result"] - at["event"]) / 1e6,
        warm=again,
        processor=(usage.ru_utime + usage.ru_stime) * 1000,
        memory=usage.ru_maxrss,
        calls=[name for _, call in log if ":" in (name := call.split(" ")[0])],
        told=next(alert_of(call.split(" ", 1)[1]) for _, call in log if call.startswith("sns:Publish")),
    )


def first_of(log: list[tuple[int, str]]) -> dict[str, int]:
    times: dict[str, int] = {}
    for at, call in log:
        times.setdefault(call if call.startswith("result: error") else call.split(" ")[0], at)
    return times


def programs(binaries: Path = BINARIES) -> dict[str, list[str | Path]]:
    return {"guardian": [binaries / FUNCTION], "boto3": [sys.executable, "-m", "perf.twin_diagnose"]}


def alert_of(message: str) -> Json:
    return json.loads(json.loads(message)["default"])


def essence(alert: Json) -> Json:
    """What both have to find."""
    denied = {name: alert["denied"][name] for name in ("action", "principal", "resource")}
    statements = [
        {name: one.get(name) for name in ("Action", "Principal", "Condition")} for one in alert["patch"]["statements"]
    ]
    act_in = alert["act_in"]["account_id"]
    return {
        "cause": alert["cause"],
        "certainty": alert["certainty"],
        "act_in": act_in,
        "denied": denied,
        "patch": statements,
    }


def same(starts: dict[str, Start]) -> None:
    """An error where the programs do not do the same: then nothing can be said of their times."""
    (ours, one), (theirs, other) = starts.items()
    if Counter(one.calls) != Counter(other.calls):
        more, less = Counter(one.calls) - Counter(other.calls), Counter(other.calls) - Counter(one.calls)
        raise RuntimeError(f"{ours} asks {dict(more)} that {theirs} does not, and not {dict(less)}")
    if essence(one.told) != essence(other.told):
        raise RuntimeError(f"{ours} tells {essence(one.told)}, {theirs} {essence(other.told)}")


def middle(values: list[float]) -> float:
    return statistics.median(values)


def worst(values: list[float]) -> float:
    """99 of 100 are no worse."""
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))]


def row(starts: list[Start]) -> dict[str, float]:
    of: Callable[[str], list[float]] = lambda name: [getattr(one, name) for one in starts]  # noqa: E731
    return {
        "alert_ms": middle(of("alert")),
        "alert_p99_ms": worst(of("alert")),
        "init_ms": middle(of("init")),
        "first_ms": middle(of("first")),
        "warm_ms": middle([once for one in starts for once in one.warm]),
        "processor_ms": middle(of("processor")),
        "memory_mib": max(of("memory")) / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100, help="starts of each program, by turns")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    recording = record()
    starts: dict[str, list[Start]] = {name: [] for name in programs()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.json"
        recording.write(file)
        for number in range(arguments.rounds):
            for name, command in programs().items():
                starts[name].append(start(command, recording, file))
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {arguments.rounds}", end="", file=sys.stderr, flush=True)
    same({name: all_of[0] for name, all_of in starts.items()})
    rows = {name: row(all_of) for name, all_of in starts.items()}
    print(f"\n{'':>14} {'guardian':>10} {'boto3':>10} {'times':>7}")
    for name in rows["guardian"]:
        ours, theirs = rows["guardian"][name], rows["boto3"][name]
        print(f"{name:>14} {ours:>10.2f} {theirs:>10.2f} {theirs / ours:>7.1f}")
    if arguments.json:
        told = {"rows": rows, "starts": {name: [asdict(one) for one in all_of] for name, all_of in starts.items()}}
        arguments.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
