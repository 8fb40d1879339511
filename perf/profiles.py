"""What each way of compiling `diagnose-job` gives: the size of its package, and what a cold start costs.

    python -m perf.profiles --rounds 20

Builds the package as `scripts/build_functions.py` does, once for each profile (many minutes; nothing that was built before is used). What differs from the
profile that is shipped is told to cargo in the environment; what `Cargo.toml` says of single packages stays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from . import bench, cold
from .document import Goal, goals, number, table
from .record import FUNCTION
from .replayed import REPLAY
from .runs import FUNCTIONS, ROOT

# The setting of the profile `lambda` and of what it inherits, by the name that is shown.
PROFILES = {
    '`opt-level = "z"`': {"opt-level": "z", "lto": "fat"},
    '`opt-level = "s"`': {"opt-level": "s", "lto": "fat"},
    "`opt-level = 3`": {"opt-level": 3, "lto": "fat"},
    '`opt-level = "z"`, thin LTO': {"opt-level": "z", "lto": "thin"},
}
TABLE = "python -m perf.profiles"
# Over TLS, as on Lambda.
TOLD = {
    "alert_ms": "start to alert",
    "init_cpu_ms": "processor time of the initialization",
    "first_cpu_ms": "of the first event",
    "warm_cpu_ms": "of a later one",
}


@dataclass(frozen=True)
class Package:
    """A package, and the program in it."""

    bytes: int
    program: Path


def shipped(manifest: str) -> str:
    """Which of the profiles is the one of the packages."""
    profiles = tomllib.loads(manifest)["profile"]
    whole = profiles[profiles["lambda"]["inherits"]] | profiles["lambda"]
    for name, settings in PROFILES.items():
        if settings.items() <= whole.items():
            return name
    raise RuntimeError(
        "the profile `lambda` of Cargo.toml is none of those that are compared: add it to perf/profiles.py"
    )


def build(settings: dict[str, str | int], target: Path, out: Path) -> Package:
    """The package of the function, and its program."""
    named = {f"CARGO_PROFILE_LAMBDA_{name.upper().replace('-', '_')}": str(value) for name, value in settings.items()}
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_functions.py", FUNCTION, "--out", out],
        env={**os.environ, **named, "CARGO_TARGET_DIR": str(target)},
        stdout=subprocess.PIPE,
    )
    if made.returncode:
        sys.exit(f"{FUNCTION} could not be built with {settings}: what is above says why")
    package = Path(json.loads(made.stdout)[FUNCTION]["package"])
    with zipfile.ZipFile(package) as archive:
        program = Path(archive.extract("bootstrap", out))
    program.chmod(0o755)
    return Package(package.stat().st_size, program)


def build_all(folder: Path) -> dict[str, Package]:
    """Each in a folder of its own; the many files of the builds, which share what runs on this machine alone, are gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as target:
        return {
            name: build(settings, Path(target), folder / str(number))
            for number, (name, settings) in enumerate(PROFILES.items(), start=1)
        }


def figures(rounds: int, sizes: dict[str, int], starts: dict[str, dict[str, float]], today: str) -> str:
    rows = [
        [
            f"{name}, shipped" if name == today else name,
            f"{sizes[name] / 1e6:.2f} MB",
            *(f"{number(starts[name][figure])} ms" for figure in TOLD),
        ]
        for name in sizes
    ]
    smallest = min(sizes, key=lambda name: sizes[name])
    goal = Goal("the smallest package of those that were measured", f"{smallest}", smallest == today)
    return (
        f"{rounds} starts of each by turns, over TLS.\n\n"
        + table(["profile", f"`{FUNCTION}`, zipped", *TOLD.values()], rows)
        + "\n\n"
        + goals([goal])
    )


def main() -> None:
    arguments = bench.given(bench.parser(__doc__, 20, "starts of each, by turns", [TABLE]))
    today = shipped((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    packages = build_all(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "profiles")
    sizes = {name: package.bytes for name, package in packages.items()}
    with bench.failure(FUNCTIONS / REPLAY) as failure:
        programs: dict[str, list[str | Path]] = {name: [package.program] for name, package in packages.items()}
        starts = cold.measured(programs, failure.recording, failure.file, arguments.rounds, failure.tls)
    told = figures(arguments.rounds, sizes, starts, today)
    print(told)
    bench.keep(arguments, {"bytes": sizes, "starts": starts}, {TABLE: told})


if __name__ == "__main__":
    main()
