"""What the labs of a run wrote down about the roles of the guardian, and which tests the run was: who judges the first must know the second."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target" / "authorizations"
RUN = FOLDER / "run.json"
# What the roles are made from.
TEMPLATES = ("template.yaml", "deploy/agent-global.yaml")


def digest() -> str:
    """Of the templates as they are now."""
    return hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in TEMPLATES)).hexdigest()


class Run:
    """Counts the tests of each file and writes the counts at the end; a run of chosen tests says so."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        options = config.option
        named = any("::" in argument for argument in config.args)
        self._chosen = bool(options.keyword or options.markexpr or options.deselect or named)
        self._folder = folder
        self._digest = digest()
        self._passed: Counter[str] = Counter()
        self._failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)
        elif report.when == "call":
            self._passed[Path(report.nodeid.split("::", 1)[0]).name] += 1

    def pytest_sessionfinish(self) -> None:
        found: dict[str, Any] = {
            "chosen": self._chosen,
            "failed": sorted(set(self._failed)),
            "files": sorted(path.name for path in self._folder.glob("test_*.py")),
            "passed": dict(sorted(self._passed.items())),
            "templates": self._digest,
        }
        RUN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
