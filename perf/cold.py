"""From the start of a process to the alert: `diagnose-job` beside the same function in boto3, each as Lambda would start it for one failed copy.

    python -m perf.cold --rounds 100

The lab is asked once what it answers (`perf/record.py`); `guardian-replay` answers the same again, at once, so that what is measured is the function.
Both programs are given the same event, make the same calls and publish an alert with the same cause, key and patch, or this ends with an error.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from . import bench, document
from .document import Goal, goals, number, table
from .record import FUNCTION, Json, Recording
from .replayed import REPLAY, Certificate, Replay, memory, processor
from .runs import FUNCTIONS

# Processor time at the smallest memory, as a part of what a whole processor gives: Lambda gives one at 1,769 MB.
SMALLEST = 128 / 1769
WARM = 5
# Starts of the function that does nothing: it always holds nearly the same.
BARE = 5
HELLO = "examples/hello_world"


@dataclass(frozen=True)
class Start:
    """One process: milliseconds, and kilobytes."""

    # From the start of the process to its first request for an event, and to the accepted alert.
    init: float
    alert: float
    # From the event to the answer, first and again: by the clock, and of the processor.
    first: float
    first_processor: float
    warm: list[float]
    warm_processor: list[float]
    init_processor: float
    memory: int
    # The services of the TLS handshakes before the first event had come, and after that.
    opened: list[str]
    handshakes: list[str]
    # Of the first event, in their order, and of the last.
    calls: list[str]
    last_calls: list[str]
    told: Json


def start(
    command: list[str | Path],
    recording: Recording,
    file: Path,
    *,
    warm: int = WARM,
    apart: bool = False,
    binaries: Path = FUNCTIONS,
    tls: Certificate | None = None,
    delay: int = 0,
) -> Start:
    """One start, one alert, and some more of the same. The event waits for the process, as it does on Lambda; `apart` it comes when the process is
    ready for it, so that the processor time of both can be told apart."""
    answering = Replay(file, binaries, tls, delay)
    environment = {**recording.environment, **answering.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    if not apart:
        answering.order(1)
    began = time.time_ns()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        log, ready = [], 0.0
        if apart:
            answering.order(0)
            log += answering.log()
            ready = processor(process.pid)
            answering.order(1)
        log += answering.log()
        last = log
        at, used = times_of(command, log), processor(process.pid)
        again, again_processor = [], []
        for _ in range(warm):
            before = processor(process.pid)
            answering.order(1)
            last = answering.log()
            once = times_of(command, last)
            again.append((once["result"] - once["event"]) / 1e6)
            again_processor.append(processor(process.pid) - before)
        held = memory(process.pid)
    finally:
        process.kill()
        process.wait()
        answering.end()
    shaken = [(when, call.split(" ")[1]) for when, call in log if call.startswith("handshake ")]
    return Start(
        init=(at["next"] - began) / 1e6,
        alert=(at["sns:Publish"] - began) / 1e6,
        first=(at["result"] - at["event"]) / 1e6,
        first_processor=used - ready,
        warm=again,
        warm_processor=again_processor,
        init_processor=ready,
        memory=held,
        opened=[service for when, service in shaken if when <= at["event"]],
        handshakes=[service for when, service in shaken if when > at["event"]],
        calls=calls_of(log),
        last_calls=calls_of(last),
        told=next(alert_of(call.split(" ", 1)[1]) for _, call in log if call.startswith("sns:Publish")),
    )


def times_of(command: list[str | Path], log: list[tuple[int, str]]) -> dict[str, int]:
    """When each call was made first; an error where nobody was told of the failure, or something was asked that was never answered."""
    times: dict[str, int] = {}
    for at, call in log:
        times.setdefault(call if call.startswith("result: error") else call.split(" ")[0], at)
    unknown = [call for _, call in log if call.startswith("unknown")]
    if unknown or "sns:Publish" not in times or "result: error" in times:
        raise RuntimeError(f"{command[0]} did not tell of the failure: {unknown or log}")
    return times


def calls_of(log: list[tuple[int, str]]) -> list[str]:
    return [name for _, call in log if ":" in (name := call.split(" ")[0])]


def programs(binaries: Path = FUNCTIONS, threads: int | None = None) -> dict[str, list[str | Path]]:
    return {
        "guardian": [binaries / FUNCTION],
        "boto3": [sys.executable, "-m", "perf.twin_diagnose", *([str(threads)] if threads else [])],
    }


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
        "changed": {name: alert["changed"][name] for name in ("actor", "event_id")},
        "patch": statements,
    }


def before_the_alert(start: Start) -> list[str]:
    return start.calls[: start.calls.index("sns:Publish")]


def same(starts: dict[str, Start]) -> None:
    """An error where the programs do not do the same: then nothing can be said of their times."""
    (ours, one), *rest = starts.items()
    for theirs, other in rest:
        for mine, others in (
            (before_the_alert(one), before_the_alert(other)),
            (one.calls, other.calls),
            (one.last_calls, other.last_calls),
        ):
            more, less = Counter(mine) - Counter(others), Counter(others) - Counter(mine)
            if more or less:
                raise RuntimeError(f"{ours} asks {dict(more)} that {theirs} does not, and not {dict(less)}")
        if essence(one.told) != essence(other.told):
            raise RuntimeError(f"{ours} tells {essence(one.told)}, {theirs} {essence(other.told)}")


def middle(values: list[float]) -> float:
    return statistics.median(values)


def worst(values: list[float]) -> float:
    """99 of 100 are no worse."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def row(waiting: list[Start], apart: list[Start]) -> dict[str, float]:
    """Of starts whose event waits, and of those whose event comes apart."""

    def of(starts: list[Start], name: str) -> list[float]:
        return [getattr(one, name) for one in starts]

    first, warm = modelled(apart, "first"), modelled(apart, "warm")
    return {
        "alert_ms": middle(of(waiting, "alert")),
        "alert_p99_ms": worst(of(waiting, "alert")),
        "init_ms": middle(of(waiting, "init")),
        "first_ms": middle(of(apart, "first")),
        "warm_ms": middle([once for one in apart for once in one.warm]),
        "init_cpu_ms": middle(of(apart, "init_processor")),
        "first_cpu_ms": middle(of(apart, "first_processor")),
        "warm_cpu_ms": middle([once for one in apart for once in one.warm_processor]),
        "alert_cpu_ms": middle([one.init_processor + one.first_processor for one in apart]),
        "first_128_ms": first,
        "warm_128_ms": warm,
        "first_to_warm": first / warm,
        "memory_mib": max(of(waiting, "memory")) / 1024,
        "handshakes": max(len(one.handshakes) for one in waiting),
    }


def bare(recording: Recording, file: Path, binaries: Path = FUNCTIONS, tls: Certificate | None = None) -> int:
    """Kilobytes that a function holds that has as many clients and does nothing."""
    answering = Replay(file, binaries, tls)
    environment = {**recording.environment, **answering.environment}
    process = subprocess.Popen([binaries / HELLO], env=environment, stdin=subprocess.DEVNULL)
    try:
        answering.order(1)
        log = answering.log()
        if not any(call == 'result {"hello":"world"}' for _, call in log):
            raise RuntimeError(f"hello_world did not answer: {log}")
        return memory(process.pid)
    finally:
        process.kill()
        process.wait()
        answering.end()


def modelled(starts: list[Start], which: str) -> float:
    """What an invocation would take at 128 MB: the time that it waits, and that of the processor stretched."""
    if which == "first":
        pairs = [(one.first, one.first_processor) for one in starts]
    else:
        pairs = [pair for one in starts for pair in zip(one.warm, one.warm_processor, strict=True)]
    return middle([max(wall - used, 0) + used / SMALLEST for wall, used in pairs])


def measured(
    programs: dict[str, list[str | Path]],
    recording: Recording,
    file: Path,
    rounds: int,
    tls: Certificate | None,
    delay: int = 0,
) -> dict[str, dict[str, float]]:
    """All programs by turns, so that whatever else the machine does falls on each."""
    waiting: dict[str, list[Start]] = {name: [] for name in programs}
    apart: dict[str, list[Start]] = {name: [] for name in programs}
    for turn in range(rounds):
        for name, command in programs.items():
            waiting[name].append(start(command, recording, file, warm=0, tls=tls, delay=delay))
            apart[name].append(start(command, recording, file, apart=True, tls=tls, delay=delay))
        if sys.stderr.isatty():
            print(f"\r{turn + 1} of {rounds}", end="", file=sys.stderr, flush=True)
    for turn in range(rounds):
        for of in (waiting, apart):
            same({name: starts[turn] for name, starts in of.items()})
    return {name: row(waiting[name], apart[name]) for name in waiting}


def shown(title: str, rows: dict[str, dict[str, float]]) -> str:
    lines = [f"{title:<16} {'guardian':>10} {'boto3':>10} {'times':>7}"]
    for name, ours in rows["guardian"].items():
        theirs = rows["boto3"][name]
        times = f"{theirs / ours:>7.1f}" if ours else ""
        lines.append(f"{name:<16} {ours:>10.2f} {theirs:>10.2f} {times}")
    return "\n".join(lines)


# What the table tells of each program, and in which unit.
TOLD = {
    "alert_ms": ("start to alert", " ms"),
    "alert_p99_ms": ("99 of 100 at most", " ms"),
    "alert_cpu_ms": ("processor time of start and first event", " ms"),
    "init_ms": ("initialization", " ms"),
    "init_cpu_ms": ("its processor time", " ms"),
    "first_cpu_ms": ("first event, processor time", " ms"),
    "warm_cpu_ms": ("later event, processor time", " ms"),
    "first_128_ms": ("first event at 128 MB, modelled", " ms"),
    "warm_128_ms": ("later event at 128 MB, modelled", " ms"),
    "memory_mib": ("most memory", " MiB"),
    "handshakes": ("handshakes while an event is handled", ""),
}
TABLES = ["python -m perf.cold", "goals of python -m perf.cold"]


def figures(rounds: int, plain: dict[str, dict[str, float]], secured: dict[str, dict[str, float]]) -> str:
    def cells(name: str, unit: str, rows: dict[str, dict[str, float]]) -> list[str]:
        values = [rows[program][name] for program in ("guardian", "boto3")]
        if not unit:
            return [*(f"{value:.0f}" for value in values), ""]
        return [*(number(value) + unit for value in values), f"{values[1] / values[0]:.1f}"]

    head = ["", "guardian, HTTP", "boto3, HTTP", "times", "guardian, TLS", "boto3, TLS", "times"]
    rows = ([what, *cells(name, unit, plain), *cells(name, unit, secured)] for name, (what, unit) in TOLD.items())
    return f"{rounds} starts of each program in either way, over HTTP and over TLS.\n\n" + table(head, rows)


def kept(plain: dict[str, dict[str, float]], secured: dict[str, dict[str, float]], hello: float) -> list[Goal]:
    ours, theirs = plain["guardian"], plain["boto3"]
    faster = theirs["alert_ms"] / ours["alert_ms"]
    shakes = secured["guardian"]["handshakes"]
    held = ours["memory_mib"] / hello
    shaking = secured["guardian"]["init_cpu_ms"] - ours["init_cpu_ms"]
    return [
        Goal(
            "start to alert 40 times faster than boto3, over HTTP",
            f"{faster:.1f}; {theirs['alert_cpu_ms'] / ours['alert_cpu_ms']:.1f} in processor time",
            faster >= 40,
        ),
        Goal(
            "at most 15 ms of our own time",
            f"{number(ours['alert_ms'])} ms",
            ours["alert_ms"] <= 15,
        ),
        Goal(
            # As on Lambda: where nothing is encrypted nothing is opened beforehand.
            "first event at most 1.5 times a later one, at 128 MB over TLS",
            f"{secured['guardian']['first_to_warm']:.2f}; {ours['first_to_warm']:.2f} over HTTP",
            secured["guardian"]["first_to_warm"] <= 1.5,
        ),
        Goal(
            "TLS in the initialization, with every connection, at most 4 ms of processor time",
            f"{number(shaking)} ms",
            shaking <= 4,
        ),
        Goal(
            "no handshake while an event is handled",
            f"{shakes:.0f}; boto3 {secured['boto3']['handshakes']:.0f}",
            shakes == 0,
        ),
        Goal(
            "at most 1.1 times the memory of a function that does nothing with as many clients",
            f"{held:.2f} ({hello:.1f} MiB)",
            held <= 1.1,
        ),
        Goal(
            "at most a quarter of the memory of boto3",
            f"1/{theirs['memory_mib'] / ours['memory_mib']:.1f}",
            theirs["memory_mib"] >= 4 * ours["memory_mib"],
        ),
    ]


def main() -> None:
    parser = bench.parser(__doc__, 100, "starts of each program, by turns; over HTTP, and over TLS", TABLES)
    parser.add_argument("--threads", type=document.some, help="of the program in boto3, for a look; default 16")
    parser.add_argument(
        "--delay", type=document.some, default=0, help="milliseconds before each answer, for a look; default none"
    )
    arguments = bench.given(parser)
    if arguments.write and (arguments.threads or arguments.delay):
        parser.error("--write goes with neither --threads nor --delay: those are a look")
    both = programs(threads=arguments.threads)
    with bench.failure(*(FUNCTIONS / name for name in (FUNCTION, REPLAY, HELLO))) as failure:
        told = failure.recording, failure.file
        plain = measured(both, *told, arguments.rounds, None, arguments.delay)
        print(shown("over HTTP", plain), flush=True)
        hello = middle([bare(*told) for _ in range(BARE)]) / 1024
        print(f"{'of hello world':<16} {hello:>10.2f} MiB, with as many clients", flush=True)
        secured = measured(both, *told, arguments.rounds, failure.tls, arguments.delay)
        print(shown("over TLS", secured), flush=True)
    tables = [figures(arguments.rounds, plain, secured), goals(kept(plain, secured, hello))]
    bench.keep(
        arguments, {"http": plain, "tls": secured, "hello_world_mib": hello}, dict(zip(TABLES, tables, strict=True))
    )


if __name__ == "__main__":
    main()
