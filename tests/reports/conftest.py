"""Samples of the report, written by the example of the core, and a browser to look at them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .chromium import Browser

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = TARGET / "debug" / "examples" / "sweep_report"


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The report of an organization in a format, as a file."""
    if not PROGRAM.is_file():
        pytest.fail(f"{PROGRAM} is missing: cargo build -p guardian-core --example sweep_report", pytrace=False)
    folder = tmp_path_factory.mktemp("reports")

    def write(form: str, organization: str = "demo") -> Path:
        path = folder / f"{organization}.{form}"
        if not path.exists():
            path.write_bytes(
                subprocess.run([PROGRAM, form, organization], stdout=subprocess.PIPE, check=True, timeout=300).stdout
            )
        return path

    return write


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where the pictures of the page are left for people to look at."""
    folder = TARGET / "sweep-pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
