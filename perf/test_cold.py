"""The program that `make bench` holds `diagnose-job` against makes the same calls and tells the same, and what an alert may cost is not exceeded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from . import cold, record, replayed, throughput
from .runs import BINARIES

# A claim, what is known of the failure, the job and everything on its way, who changed any of it, the incident, the pace.
MOST_CALLS_BEFORE_THE_ALERT = 30


class Told(NamedTuple):
    """A failure that the function told of."""

    recording: record.Recording
    file: Path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    told = Told(record.record(), tmp_path_factory.mktemp("cold") / "recording.json")
    told.recording.write(told.file)
    return told


@pytest.fixture(scope="module")
def starts(told: Told) -> dict[str, cold.Start]:
    programs = cold.programs(BINARIES)
    return {name: cold.start(command, *told, warm=1, binaries=BINARIES) for name, command in programs.items()}


def test_both_make_the_same_calls_and_tell_the_same(starts: dict[str, cold.Start]) -> None:
    cold.same(starts)
    told = cold.essence(starts["guardian"].told)
    assert (told["cause"], told["certainty"]) == ("kms-key-policy-missing-destination", "proven")
    assert [one["Action"] for one in told["patch"]] == [["kms:CreateGrant"]]
    assert told["changed"]["actor"].endswith("/suite")


def test_what_is_not_the_same_is_told(starts: dict[str, cold.Start]) -> None:
    twin = starts["boto3"]
    with pytest.raises(RuntimeError, match="kms:ListGrants"):
        cold.same({**starts, "boto3": replace(twin, calls=[call for call in twin.calls if call != "kms:ListGrants"])})
    with pytest.raises(RuntimeError, match="backup:ListTags"):
        cold.same({**starts, "boto3": replace(twin, last_calls=[*twin.last_calls, "backup:ListTags"])})
    with pytest.raises(RuntimeError, match="guessed"):
        cold.same({**starts, "boto3": replace(twin, told={**twin.told, "cause": "guessed"})})


def test_no_more_is_asked_before_the_alert_than_it_may_cost(starts: dict[str, cold.Start]) -> None:
    calls = starts["guardian"].calls
    before = calls[: calls.index("sns:Publish")]
    assert len(before) <= MOST_CALLS_BEFORE_THE_ALERT, before
    # One session in each account; two roles that may have been refused and five objects that may have been changed are looked up where both are kept.
    asked = [before.count(call) for call in ("sts:AssumeRole", "dynamodb:Query", "cloudtrail:LookupEvents")]
    assert asked == [2, 7, 0]


def test_one_failure_after_the_other_costs_both_programs_time_that_is_counted(told: Told) -> None:
    found = throughput.measured(*told, rounds=1, failures=3, binaries=BINARIES)
    assert all(per_second > 0 for [per_second] in found.values())
    table = throughput.shown("over HTTP", {"guardian": [30.0, 40.0, 60.0], "boto3": [10.0, 20.0, 15.0]})
    assert table.splitlines()[-1].split() == ["times", "3.0", "2.0", "4.0"]


def test_a_function_that_does_nothing_is_measured_by_its_answer(told: Told) -> None:
    assert cold.bare(*told, binaries=BINARIES) > 0


def test_no_connection_is_opened_once_the_event_is_there(told: Told) -> None:
    tls = replayed.certificate(told.file.parent)
    starts = {
        name: cold.start(command, *told, warm=0, binaries=BINARIES, tls=tls)
        for name, command in cold.programs(BINARIES).items()
    }
    assert starts["guardian"].handshakes == []
    services = {call.split(":")[0] for call in starts["guardian"].calls}
    assert set(starts["guardian"].opened) == services, "they were opened before"
    # It would be seen: boto3 opens a connection when there is something to ask.
    asked = {call.split(":")[0] for call in starts["boto3"].calls}
    assert set(starts["boto3"].handshakes) == asked, "each service has an address of its own"


def test_the_random_numbers_of_tls_cost_no_measurement_of_the_processor() -> None:
    # Names of the library that measures it, which `.cargo/config.toml` leaves out. What is shipped has no names and is built with the same settings.
    measures = b"jent_" in (BINARIES / record.FUNCTION).read_bytes()
    assert not measures, "what was compiled before the setting came is used again: `cargo clean -p aws-lc-sys`"
