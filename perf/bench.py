"""What the measurements of the function that tells of failures share: their arguments, the failure, and where the figures go."""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import document
from .record import Recording, record
from .replayed import Certificate, certificate


@dataclass(frozen=True)
class Failure:
    """What is told of, again and again."""

    recording: Recording
    # The same, for the replay.
    file: Path
    # Who AWS is where it is spoken to over TLS.
    tls: Certificate


@contextmanager
def failure() -> Iterator[Failure]:
    recording = record()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.json"
        recording.write(file)
        yield Failure(recording, file, certificate(Path(folder)))


def parser(told: str | None, rounds: int, of: str, tables: list[str]) -> ArgumentParser:
    """Of a measurement whose rounds are `of` something, and which fills these places of a document."""
    arguments = ArgumentParser(description=told, formatter_class=RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=rounds, help=f"{of}; default {rounds}")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    document.add_option(arguments, tables)
    return arguments


def keep(arguments: Namespace, figures: Any, tables: dict[str, str]) -> None:
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if arguments.write:
        document.write(arguments.write, tables)
