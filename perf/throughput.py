"""How many failures a warm `diagnose-job` tells of in a second of processor time, beside the same function in boto3.

    python -m perf.throughput --rounds 5 --failures 200

Each is given one failed copy after the other, as Lambda would give them to one process. What is counted is the processor time of that process between
the start and the end of them all: nothing of its start, and nothing of waiting.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from . import bench, cold, document
from .document import number, table
from .record import FUNCTION, Recording
from .replayed import REPLAY, Certificate
from .runs import FUNCTIONS

# The first of a process are slower.
WARMING_UP = 10


def per_second(start: cold.Start) -> float:
    """Failures in a second of processor time."""
    counted = start.warm_processor[WARMING_UP:]
    return 1000 * len(counted) / sum(counted)


def measured(
    recording: Recording,
    file: Path,
    rounds: int,
    failures: int,
    binaries: Path = FUNCTIONS,
    tls: Certificate | None = None,
) -> dict[str, list[float]]:
    """Both programs by turns, so that whatever else the machine does falls on both."""
    found: dict[str, list[float]] = {name: [] for name in cold.programs()}
    for _ in range(rounds):
        starts = {
            name: cold.start(command, recording, file, warm=WARMING_UP + failures, binaries=binaries, tls=tls)
            for name, command in cold.programs(binaries).items()
        }
        cold.same(starts)
        for name, start in starts.items():
            found[name].append(per_second(start))
    return found


def times(found: dict[str, list[float]]) -> list[float]:
    """How many times the one is the other, round by round."""
    return [ours / theirs for ours, theirs in zip(found["guardian"], found["boto3"], strict=True)]


def shown(title: str, found: dict[str, list[float]]) -> str:
    """Of each program the middle and the range, and of how many times the one is the other."""
    lines = [f"{title:<16} {'middle':>8} {'least':>8} {'most':>8}"]
    for name, values in (*found.items(), ("times", times(found))):
        lines.append(f"{name:<16} {statistics.median(values):>8.1f} {min(values):>8.1f} {max(values):>8.1f}")
    return "\n".join(lines)


TABLE = "python -m perf.throughput"


def figures(rounds: int, failures: int, found: dict[str, dict[str, list[float]]]) -> str:
    rows = []
    for title, programs in found.items():
        ours, theirs = programs["guardian"], programs["boto3"]
        cells = [number(statistics.median(values)) for values in (ours, theirs)]
        rows.append([title, *cells, f"{statistics.median(times(programs)):.1f}"])
    return f"{rounds} warm processes of each, {failures} failures in each.\n\n" + table(
        ["failures in a second of processor time", "guardian", "boto3", "times"], rows
    )


def main() -> None:
    parser = bench.parser(__doc__, 5, "processes of each program, by turns; over HTTP, and over TLS", [TABLE])
    parser.add_argument(
        "--failures", type=document.some, default=200, help="that each process tells of after the first ones"
    )
    arguments = bench.given(parser)
    found = {}
    with bench.failure(FUNCTIONS / FUNCTION, FUNCTIONS / REPLAY) as failure:
        for title, tls in (("over HTTP", None), ("over TLS", failure.tls)):
            found[title] = measured(failure.recording, failure.file, arguments.rounds, arguments.failures, tls=tls)
            print(shown(title, found[title]), flush=True)
    bench.keep(arguments, found, {TABLE: figures(arguments.rounds, arguments.failures, found)})


if __name__ == "__main__":
    main()
