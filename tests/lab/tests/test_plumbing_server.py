"""The command line and the control routes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from plumbing_lab import FIXTURE, control, delays, fresh

LAB = Path(__file__).parents[1]
# The lab's own command, with a stand-in for the AWS part.
START = """
import sys, types
import lab.server
lab.server.load_extensions = lambda: types.SimpleNamespace(install=lambda: None, reset=lambda: None)
from lab.__main__ import main
main()
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(START), "--project", str(FIXTURE), *arguments]
    return subprocess.Popen(
        command, cwd=LAB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_when_ready_and_a_clean_end(number: int) -> None:
    process = start("--functions-dir", str(FIXTURE / "bin"))
    info = json.loads(process.stdout.readline())
    assert info["endpoint"].startswith("http://127.0.0.1:") and info["alert_topic_arn"].startswith("arn:aws:sns:")
    process.send_signal(number)
    rest, _ = process.communicate(timeout=120)
    assert rest == "" and process.returncode == 0


def test_it_ends_with_its_parent_when_asked() -> None:
    process = start("--no-guardian", "--exit-with-parent")
    assert json.loads(process.stdout.readline())["stack_name"] is None
    process.stdin.close()
    assert process.wait(120) == 0


def test_an_unknown_control_names_the_known_ones() -> None:
    fresh()
    answer = control("GET", "nothing")
    assert answer["status"] == 404 and "GET /lab/info" in answer["error"]


def test_a_misspelt_member_is_refused() -> None:
    fresh()
    assert control("POST", "bus", {"duplicates": 1})["status"] == 400


def test_the_clock_moves_and_a_reset_sets_it_back() -> None:
    fresh()
    before = control("GET", "clock")["now"]
    after = control("POST", "clock", {"advance_seconds": 86400})["now"]
    assert after[:10] > before[:10]
    fresh()
    assert control("GET", "clock")["now"] < after


def test_controls_of_the_aws_part_are_passed_on() -> None:
    fresh()
    control("POST", "cloudtrail-delay", {"lookup_seconds": 5, "event_seconds": 1})
    assert delays[-1] == (5.0, 1.0)
    assert control("GET", "mailbox") == []
    assert control("POST", "next-job", {"state": "EXPIRED"}) == {"next": {"state": "EXPIRED"}}
