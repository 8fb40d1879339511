"""Builds the Lambda packages twice and compares them: what is deployed can be built again, and compared, by anybody who has the sources.

Each build has a copy of the tracked files in a folder of its own, another time zone and nothing of the other's. One is removed before the next is made,
so that there is never more than one on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import build_functions
from build_functions import BuildError, run

# Folders of different length and depth, zones on either side of Greenwich.
PLACES = (("first", "Pacific/Auckland"), ("the/other/one", "America/Los_Angeles"))


def copy_sources(root: Path, folder: Path) -> None:
    """The tracked files, as they are now."""
    for name in filter(None, run(["git", "ls-files", "-z"], cwd=root).split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, folder / name, follow_symlinks=False)


def build_in(folder: Path, zone: str, functions: list[str], architecture: str) -> dict[str, str]:
    """Hashes of the packages by function, built in a folder by a process of its own."""
    env = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    script = str(Path(build_functions.__file__).resolve())
    command = [
        sys.executable,
        script,
        "--architecture",
        architecture,
        "--root",
        str(folder),
        "--out",
        str(folder / "dist"),
    ]
    report = json.loads(run([*command, *functions], env={**env, "TZ": zone}, cwd=folder))
    return {name: facts["sha256"] for name, facts in report.items()}


def differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """The functions whose packages are not the same."""
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def build_twice(functions: list[str], architecture: str, root: Path) -> dict[str, str]:
    """Hashes of the packages by function; an error where a second build gives others."""
    found = []
    for place, zone in PLACES:
        with tempfile.TemporaryDirectory(prefix="build-twice-") as folder:
            copy = Path(folder).resolve() / place
            copy.mkdir(parents=True)
            copy_sources(root, copy)
            found.append(build_in(copy, zone, functions, architecture))
    if different := differences(*found):
        raise BuildError(
            f"two builds of the same sources differ in {', '.join(f'`{name}`' for name in different)}: something of the folder or the time of the "
            "build is in the binary; build both by hand and compare them, for example with `strings` or diffoscope"
        )
    return found[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="+", help="packages to build; the binary has the same name")
    parser.add_argument("--architecture", choices=sorted(build_functions.TARGETS), default="x86_64")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the cargo workspace")
    arguments = parser.parse_args()
    try:
        hashes = build_twice(arguments.functions, arguments.architecture, arguments.root.resolve())
    except BuildError as error:
        print(f"build_twice: {error}", file=sys.stderr)
        return 1
    print(json.dumps(hashes, indent=2, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
