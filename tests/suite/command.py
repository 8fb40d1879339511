"""The guardian command as a user starts it: the built binary, an environment of its own, and transcripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .organization import ROOT

BINARY = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", str(ROOT / "target" / "debug"))) / "guardian"
TRANSCRIPTS = Path(__file__).with_name("transcripts")
EXAMPLES = ROOT / "examples"

# Nobody's home, no profile, no metadata service: what a test finds out does not depend on the machine.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
    "RUST_BACKTRACE": "1",
}

# Exit codes of the contract.
FINE, FINDING, USAGE, COULD_NOT_TELL = 0, 1, 2, 3


@dataclass
class Ended:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """The answers of a JSON Lines command."""
        return [json.loads(line) for line in self.out.splitlines()]

    def transcript(self) -> str:
        """What a person sees: the command, both streams, the exit code."""
        shown = " ".join(f"'{each}'" if re.search(r"[\s<>|]", each) else each for each in self.arguments)
        errors = "".join(f"[stderr] {line}\n" for line in self.err.splitlines())
        return f"$ guardian {shown}\n{self.out}{errors}[exit {self.code}]\n"


def guardian(
    *arguments: str | Path,
    stdin: str | bytes | None = None,
    environment: dict[str, str] | None = None,
    cwd: Path = EXAMPLES,
) -> Ended:
    """Runs the command to its end."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    ended = subprocess.run(
        [BINARY, *arguments],
        input=given if given is not None else b"",
        capture_output=True,
        env=ENVIRONMENT | (environment or {}),
        cwd=cwd,
        timeout=120,
    )
    return Ended(tuple(map(str, arguments)), ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def compare(name: str, text: str) -> None:
    """Compares with the kept transcript; `BLESS=1` keeps what came instead."""
    file = TRANSCRIPTS / f"{name}.txt"
    if os.environ.get("BLESS") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    kept = file.read_text(encoding="utf-8") if file.exists() else ""
    assert text == kept, f"{file.relative_to(ROOT)} says something else: read the difference, then BLESS=1 keeps it"


def redacted(text: str) -> str:
    """A text of a run in the lab without what differs from run to run: times, ids, names with numbers.

    Such names have different lengths and break lines in different places, so each piece is brought on one line first.
    """
    text = re.sub(r"\n {4,}(?=[^ $-])", " ", text)
    for pattern, instead in [
        (r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?(\.\d+)?( UTC|Z)", "<time>"),
        (r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", "<uuid>"),
        (r"\b(vol|snap)-[0-9a-f]{17}\b", r"\1-<id>"),
        (r"\b(local|central)-vault-\d+\b", r"\1-vault-<n>"),
        (r"\bbg-[0-9a-f]{23}\b", "bg-<id>"),
        (r"\b\d+ records?\b", "<n> records"),
    ]:
        text = re.sub(pattern, instead, text)
    return text
