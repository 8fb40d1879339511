"""How many failures a warm `diagnose-job` tells of in a second of processor time, beside the same function in boto3.

    python -m perf.throughput --rounds 5 --failures 200

Each is given one failed copy after the other, as Lambda would give them to one process. What is counted is the processor time of that process between
the start and the end of them all: nothing of its start, and nothing of waiting.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from . import cold
from .record import Recording, record
from .replayed import Certificate, certificate
from .runs import BINARIES

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
    binaries: Path = BINARIES,
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


def shown(title: str, found: dict[str, list[float]]) -> str:
    """Of each program the middle and the range, and how many times the one is the other, round by round."""
    lines = [f"{title:<16} {'middle':>8} {'least':>8} {'most':>8}"]
    times = [ours / theirs for ours, theirs in zip(found["guardian"], found["boto3"], strict=True)]
    for name, values in (*found.items(), ("times", times)):
        lines.append(f"{name:<16} {statistics.median(values):>8.1f} {min(values):>8.1f} {max(values):>8.1f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=5, help="processes of each program, by turns; over HTTP, and over TLS"
    )
    parser.add_argument("--failures", type=int, default=200, help="that each process tells of after the first ones")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    recording = record()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.json"
        recording.write(file)
        found = {}
        for title, tls in (("over HTTP", None), ("over TLS", certificate(Path(folder)))):
            found[title] = measured(recording, file, arguments.rounds, arguments.failures, tls=tls)
            print(shown(title, found[title]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
