"""Starts the lab once for the whole suite, with the real function binaries, and gives each test an empty inbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .guardian import Guardian
from .organization import RECORD, Inbox, Lab, Operations, running_lab
from .record import FOLDER, Run

# How soon a failed message comes again where a test says nothing else.
RETRY_SECONDS = 0.2


def pytest_configure(config: pytest.Config) -> None:
    """The labs write down what the roles of the guardian ask for, and the process that leads the others what was run: tests/least judges both."""
    if hasattr(config, "workerinput"):
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ[RECORD] = str(FOLDER)
    config.pluginmanager.register(Run(config, Path(__file__).parent), "authorizations")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with running_lab("suite-lab.log") as lab:
        Guardian(lab).set_watching(False)
        yield lab


@pytest.fixture
def inbox(lab: Lab) -> Iterator[Inbox]:
    lab.cloudtrail_delay(0)
    lab.control("sqs", {"retry_seconds": RETRY_SECONDS})
    guardian = Guardian(lab)
    guardian.let_a_minute_pass()
    guardian.forget_what_was_put_off()
    box = Inbox(lab)
    box.drain()
    yield box
    box.close()
    lab.control("faults", method="DELETE")
    lab.control("bus", {})
    lab.control("sqs", {"retry_seconds": RETRY_SECONDS, "paused": False})


@pytest.fixture
def guardian(lab: Lab, inbox: Inbox) -> Guardian:
    return Guardian(lab)


@pytest.fixture
def watching(lab: Lab, inbox: Inbox, guardian: Guardian) -> Iterator[Guardian]:
    """Somebody works on the queue of writes, and nobody was told of anything yet: everything in the lab is done by one administrator."""
    guardian.forget_tampering()
    guardian.set_watching(True)
    yield guardian
    lab.idle()
    guardian.set_watching(False)


@pytest.fixture
def operations(lab: Lab) -> Iterator[Operations]:
    box = Operations(lab)
    yield box
    box.close()


@pytest.fixture
def clock(lab: Lab) -> Iterator[None]:
    """The lab's clock is set right again afterwards: other tests put times of this machine into their events."""
    before = datetime.fromisoformat(lab.control("clock")["now"]) - datetime.now(UTC)
    yield
    passed = datetime.fromisoformat(lab.control("clock")["now"]) - datetime.now(UTC) - before
    lab.control("clock", {"advance_seconds": -round(passed.total_seconds())})


@pytest.fixture
def unhurried(guardian: Guardian) -> Iterator[None]:
    """Time enough for every read, however busy the machine is: nobody waits longer than the answers take."""
    with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS="5000"):
        yield


@pytest.fixture
def settled(guardian: Guardian) -> Iterator[None]:
    """Every diagnosis of a route sees the same: time enough for every read, and no search that one job gets a turn for and another not."""
    with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS="5000", GUARDIAN_LOOKUP_BUDGET="0"):
        yield
