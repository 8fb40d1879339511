"""Prints the table of what was proven."""

from __future__ import annotations

import pytest

from .proof import TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("least privilege: what was taken out of each role, and how much of it a request told")
        for line in TABLE:
            terminalreporter.write_line(line)
