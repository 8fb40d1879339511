"""Starts the lab once for the whole suite, with the real function binaries, and gives each test an empty inbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .organization import Inbox, Lab

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    functions = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", ROOT / "target" / "debug"))
    for binary in ("diagnose-job", "collect-denials"):
        assert (functions / binary).exists(), f"{functions / binary} is missing: build it with `cargo build --workspace`"
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "--functions-dir", str(functions)],
        cwd=ROOT / "tests" / "lab",
        stdout=subprocess.PIPE,
        stderr=open(ROOT / "target" / "suite-lab.log", "w"),
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, f"the lab did not start; see {ROOT / 'target' / 'suite-lab.log'}"
        yield Lab(json.loads(line))
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def inbox(lab: Lab) -> Iterator[Inbox]:
    lab.control("cloudtrail-delay", {"seconds": 0})
    lab.control("faults", method="DELETE")
    box = Inbox(lab)
    box.drain()
    yield box
    lab.control("faults", method="DELETE")
    lab.control("cloudtrail-delay", {"seconds": 0})
