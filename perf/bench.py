"""What the measurements of the function that tells of failures share: their arguments, the failure, and where the figures go."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import document
from .record import FUNCTION, Recording, record
from .replayed import Certificate, certificate
from .runs import ROOT

# What the lab runs while it is recorded.
RECORDED = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", ROOT / "target" / "debug")) / FUNCTION


@dataclass(frozen=True)
class Failure:
    """What is told of, again and again."""

    recording: Recording
    # The same, for the replay.
    file: Path
    # Who AWS is where it is spoken to over TLS.
    tls: Certificate


@contextmanager
def failure(*programs: Path) -> Iterator[Failure]:
    """Recorded, once it is certain that everything is there that is started after it."""
    for program in (RECORDED, *programs):
        if not program.is_file():
            sys.exit(
                f"{program} is missing: `make bench` builds it, or GUARDIAN_BENCH_DIR names the folder that has it"
            )
    recording = record()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.json"
        recording.write(file)
        yield Failure(recording, file, certificate(Path(folder)))


def parser(told: str | None, rounds: int, of: str, tables: list[str]) -> ArgumentParser:
    """Of a measurement whose rounds are `of` something, and which fills these places of a document."""
    arguments = ArgumentParser(description=told, formatter_class=RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=document.some, default=rounds, help=f"{of}; default {rounds}")
    document.add_options(arguments, tables)
    return arguments


def given(arguments: ArgumentParser) -> Namespace:
    """A look is no reference: it is written nowhere."""
    found = arguments.parse_args()
    if found.write and found.rounds < (least := arguments.get_default("rounds")):
        arguments.error(f"--write takes no fewer than {least} rounds: fewer are a look")
    return found


def keep(arguments: Namespace, figures: Any, tables: dict[str, str]) -> None:
    if arguments.write:
        document.write(arguments.write, tables)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
