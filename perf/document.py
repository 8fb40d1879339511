"""Tables of a document that the measurements write themselves: each stands between two marks, and what is around it is left alone."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Goal:
    """What was aimed at, and what was found."""

    what: str
    measured: str
    kept: bool

    def verdict(self) -> str:
        return "kept" if self.kept else "missed"


def goals(of: Iterable[Goal]) -> str:
    return table(["goal", "measured", ""], ([goal.what, goal.measured, goal.verdict()] for goal in of))


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"

    return "\n".join([line(head), "|---" * len(head) + "|", *map(line, rows)])


def number(value: float) -> str:
    """As many digits as a machine that does other things allows."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}, as measured -->", f"<!-- end of {name} -->"


def replaced(text: str, name: str, content: str) -> str:
    """A text with other content between the marks of a name."""
    first, last = marks(name)
    if text.count(first) != 1 or text.count(last) != 1 or text.index(first) > text.index(last):
        raise ValueError(
            f"the document has no place for `{name}`: it needs the lines `{first}` and `{last}` in this order, once each"
        )
    before, rest = text.split(first)
    return f"{before}{first}\n{content}\n{last}{rest.split(last)[1]}"


def write(document: Path, contents: dict[str, str]) -> None:
    text = document.read_text(encoding="utf-8")
    for name, content in contents.items():
        text = replaced(text, name, content)
    # Whole or not at all.
    beside = document.with_name(f"{document.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(document)


def some(given: str) -> int:
    """A number of things of which there is at least one."""
    if not given.isdecimal() or int(given) == 0:
        raise ArgumentTypeError(f"{given!r} is no number from 1 on")
    return int(given)


def add_options(parser: ArgumentParser, names: Iterable[str]) -> None:
    """`--write` and `--json`. Whether that can be done is found out before anything is measured for half an hour."""

    def writable(given: str) -> Path:
        file = Path(given)
        if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
            raise ArgumentTypeError(f"{given} cannot be written")
        return file

    def document(given: str) -> Path:
        try:
            text = Path(given).read_text(encoding="utf-8")
            for name in names:
                replaced(text, name, "")
        except (OSError, ValueError) as error:
            raise ArgumentTypeError(str(error)) from error
        return writable(given)

    parser.add_argument("--json", type=writable, metavar="FILE", help="write all figures to this file")
    parser.add_argument(
        "--write", type=document, metavar="FILE", help="write the tables into this document, between their marks"
    )
