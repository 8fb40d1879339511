"""What no formatter checks: every tracked text file is clean, whole and finished."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# About 400 lines is what one can hold in the head, and the aim; twice that is a fault. Data and templates are read by searching.
LONGEST_SOURCE = 800
LARGEST_FILE = 1024 * 1024
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\b(todo|unimplemented)!\(")
CONFLICT = re.compile(r"^(<{7}|>{7}|={7})( |$)", re.MULTILINE)
FOCUS_OR_SKIP = re.compile(r"#\[ignore|@pytest\.mark\.(skip|xfail)|pytest\.skip\(")
# These speak about the words above.
EXEMPT = {"scripts/tidy.py", "Cargo.toml", "clippy.toml"}
DATA = {".jsonl", ".json", ".lock", ".snap"}


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode()
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def faults(name: str, content: bytes) -> list[str]:
    """What is wrong with a file, as `file:line: text`."""
    if len(content) > LARGEST_FILE:
        return [f"{name}: {len(content)} bytes; nothing of that size belongs here"]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return []
    suffix = Path(name).suffix
    # What the fuzzer kept is bytes, also where it happens to be text.
    if not text or suffix in DATA or name.startswith("fuzz/corpus/"):
        return []
    found = []
    if "\r" in text:
        found.append(f"{name}: carriage returns")
    if not text.endswith("\n") or text.endswith("\n\n"):
        found.append(f"{name}: must end with exactly one newline")
    lines = text.splitlines()
    if suffix in {".rs", ".py"} and len(lines) > LONGEST_SOURCE:
        found.append(f"{name}: {len(lines)} lines (at most {LONGEST_SOURCE}): split it by meaning")
    if CONFLICT.search(text) and suffix != ".md":
        found.append(f"{name}: conflict marker")
    for number, line in enumerate(lines, start=1):
        # A transcript is what a program printed, white space included.
        if line != line.rstrip() and suffix != ".md" and "/transcripts/" not in name:
            found.append(f"{name}:{number}: trailing white space")
        if "\t" in line and not (Path(name).name == "Makefile" or suffix == ".md"):
            found.append(f"{name}:{number}: tab")
        if name in EXEMPT:
            continue
        if UNFINISHED.search(line):
            found.append(f"{name}:{number}: unfinished: `{line.strip()[:60]}`")
        if FOCUS_OR_SKIP.search(line):
            found.append(f"{name}:{number}: a test that does not run: `{line.strip()[:60]}`")
    return found


def main() -> int:
    files = tracked_files()
    found = [fault for name in files for fault in faults(name, (ROOT / name).read_bytes())]
    for fault in found:
        print(fault, file=sys.stderr)
    print(f"tidy: {len(files)} files, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
