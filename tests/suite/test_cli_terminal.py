"""The command line at a terminal and in a pipe: colours, widths, readers that go away, disks that are full."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from . import pseudo_terminal
from .command import BINARY, ENVIRONMENT, EXAMPLES, FINDING, FINE, USAGE, guardian

EVENT = EXAMPLES / "failed-copy.json"
EVIDENCE = EXAMPLES / "evidence"
ESCAPE = "\x1b"

COMMANDS = {
    "help": (["--help"], FINE),
    "list": (["explain", "--list"], FINE),
    "page": (["explain", "BKD-001"], FINE),
    "page in JSON": (["explain", "BKD-001", "--format", "json"], FINE),
    "event": (["explain", "event", str(EVENT), "--evidence", str(EVIDENCE)], FINDING),
    "event in JSON": (["explain", "event", str(EVENT), "--evidence", str(EVIDENCE), "--format", "json"], FINDING),
    "message": (["explain", "message", str(EXAMPLES / "messages.jsonl")], FINE),
}


@pytest.mark.parametrize(("arguments", "code"), COMMANDS.values(), ids=COMMANDS)
def test_a_reader_that_goes_away_is_no_error(arguments: list[str], code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([BINARY, *arguments], stdout=writer, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=60)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (code, b"")


def test_an_endless_stream_ends_when_its_reader_goes_away() -> None:
    line = '{"message": "Given key ID is not accessible"}'
    shell = (
        f"set -o pipefail; yes '{line}' | {shlex.quote(str(BINARY))} explain message | head -1; echo ${{PIPESTATUS[1]}}"
    )
    ended = subprocess.run(["bash", "-c", shell], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    answer, code = ended.stdout.splitlines()
    assert json.loads(answer)["candidates"] and code == str(FINE)
    assert ended.stderr == ""


def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    def full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with open(tmp_path / "page", "wb") as page:
        ended = subprocess.run(
            [BINARY, "explain", "BKD-001"], stdout=page, stderr=subprocess.PIPE, env=ENVIRONMENT, preexec_fn=full_disk
        )
    assert ended.returncode == USAGE
    assert ended.stderr.decode().startswith("guardian: the result could not be written: ")


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
    ids=str,
)
def test_colour_is_for_terminals_that_want_it(environment: dict[str, str], colored: bool) -> None:
    for name in ("page", "event"):
        arguments, code = COMMANDS[name]
        shown = pseudo_terminal.run([str(BINARY), *arguments], ENVIRONMENT | environment, columns=100)
        assert shown.code == code
        assert (ESCAPE in shown.text) == colored
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.text)
        assert plain == guardian(*arguments).out, "a terminal shows the same words"


@pytest.mark.parametrize("columns", [1, 40, 60, 300])
def test_a_narrow_terminal_gets_narrow_prose_and_whole_commands(columns: int) -> None:
    for name in ("page", "event"):
        arguments, _ = COMMANDS[name]
        text = pseudo_terminal.run([str(BINARY), *arguments], ENVIRONMENT | {"TERM": "dumb"}, columns=columns).text
        width = min(max(columns, 40), 78)
        for line in text.splitlines():
            whole = line.startswith("      $ ") or len(line.split()) <= 3
            assert len(line) <= width or whole, f"{len(line)}: {line}"
        wide = guardian(*arguments).out
        assert text.split() == wide.split(), "the width changes no word"
        commands = [line for line in wide.splitlines() if line.startswith("      $ ")]
        assert commands == [line for line in text.splitlines() if line.startswith("      $ ")]


def test_json_has_no_colour_on_a_terminal() -> None:
    arguments, _ = COMMANDS["event in JSON"]
    shown = pseudo_terminal.run([str(BINARY), *arguments], ENVIRONMENT | {"TERM": "xterm"}, columns=60)
    assert json.loads(shown.text) == guardian(*arguments).json()
