"""Starts the lab once for the whole suite, with the real function binaries, and gives each test an empty inbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .organization import Inbox, Lab, running_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with running_lab("suite-lab.log") as lab:
        yield lab


@pytest.fixture
def inbox(lab: Lab) -> Iterator[Inbox]:
    lab.cloudtrail_delay(0)
    box = Inbox(lab)
    box.drain()
    yield box
    lab.control("faults", method="DELETE")
    lab.control("bus", {})
