"""Builds the Lambda packages: `dist/<function>.zip` with one file, `bootstrap`.

The same sources give the same bytes, wherever the folder, the cargo home and the target folder lie: the paths that end up in a binary
(panic locations, C assertions, generated code) are replaced, and the zip has fixed times, order and permissions.

A package is refused when its binary needs a newer glibc than the Lambda runtime provided.al2023 has.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
# Of the root manifest.
PROFILE = "lambda"
# https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html: Amazon Linux 2023 has glibc 2.34.
NEWEST_GLIBC = (2, 34)
# The limit of Lambda for a package that is uploaded as it is, in bytes.
LARGEST_ZIP = 50 * 1024 * 1024


class BuildError(Exception):
    """The package cannot be made; the text says why and what helps."""


def run(command: list[str], *, env: dict[str, str] | None = None, cwd: Path) -> str:
    """Runs a command and returns its standard output; its errors go to the terminal."""
    try:
        done = subprocess.run(command, env=env, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
    except FileNotFoundError as missing:
        raise BuildError(f"`{command[0]}` is not installed") from missing
    except subprocess.CalledProcessError as failed:
        raise BuildError(f"`{' '.join(command[:3])} …` ended with {failed.returncode}") from failed
    return done.stdout


def check_target(target: str, root: Path) -> None:
    """Says beforehand, in one line, what the compiler would say in a hundred."""
    sysroot = Path(run(["rustc", "--print", "sysroot"], cwd=root).strip())
    if not (sysroot / "lib" / "rustlib" / target).is_dir():
        raise BuildError(
            f"the Rust target `{target}` is not installed on this machine (`rustup target add {target}`, and a C compiler for it), "
            "or build on a machine of that processor"
        )


def path_names(root: Path, target_dir: Path) -> list[tuple[Path, str]]:
    """Paths of this machine and what the binary shall say instead; the compiler takes the last that fits."""
    cargo_home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")).resolve()
    names = [(cargo_home, "/cargo"), (root, "/source"), (target_dir, "/target")]
    # The name of a registry folder tells which mirror was used.
    registries = cargo_home / "registry" / "src"
    names += [(folder, "/cargo/registry") for folder in sorted(registries.glob("*"))]
    return names


def build_environment(root: Path, target_dir: Path) -> dict[str, str]:
    """Environment of cargo in which paths of this machine leave no trace."""
    names = path_names(root, target_dir)
    env = dict(os.environ)
    env["CARGO_TARGET_DIR"] = str(target_dir)
    env["CARGO_INCREMENTAL"] = "0"
    env["SOURCE_DATE_EPOCH"] = "315532800"
    env.pop("RUSTFLAGS", None)
    env["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(f"--remap-path-prefix={path}={name}" for path, name in names)
    # For C code; the last fitting one wins here, too.
    env["CFLAGS"] = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in names)
    return env


def needed_glibc(binary: Path, root: Path) -> tuple[int, int]:
    """The newest glibc version that the binary asks for."""
    references = run(["objdump", "-p", str(binary)], cwd=root)
    # What a loader must be able to do has no number, and no symbol either: packed relocations came with 2.36.
    if needs := re.findall(r"\bGLIBC_ABI_\w+", references):
        raise BuildError(
            f"`{binary}` needs `{needs[0]}` of the loader, which glibc {NEWEST_GLIBC[0]}.{NEWEST_GLIBC[1]} of Lambda does not know"
        )
    versions = re.findall(r"\bGLIBC_(\d+)\.(\d+)", references)
    if not versions:
        raise BuildError(f"`{binary}` names no glibc version: is it the dynamically linked binary of the function?")
    return max((int(major), int(minor)) for major, minor in versions)


def refuse_newer_glibc(name: str, glibc: tuple[int, int]) -> None:
    """Refuses what would start here and die in Lambda."""
    if glibc > NEWEST_GLIBC:
        raise BuildError(
            f"`{name}` needs glibc {glibc[0]}.{glibc[1]}, provided.al2023 has {NEWEST_GLIBC[0]}.{NEWEST_GLIBC[1]}: "
            "build on an older system (Debian 12, Ubuntu 22.04, Amazon Linux 2023)"
        )


def write_zip(binary: Path, package: Path) -> None:
    """One entry, executable, with the earliest time that a zip can hold."""
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, so that the permissions count
    entry.external_attr = (0o100755) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(entry, binary.read_bytes(), compresslevel=9)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(functions: list[str], architecture: str, root: Path, out: Path) -> dict[str, dict[str, object]]:
    """Builds the packages and tells what they are."""
    target = TARGETS[architecture]
    check_target(target, root)
    target_dir = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")).resolve()
    # The registry folders must exist before their names can be replaced.
    run(["cargo", "fetch", "--locked", "--target", target], cwd=root)
    packages = [flag for name in functions for flag in ("--package", name)]
    # Always with a named target: the flags then do not reach build scripts, and native and cross builds look alike.
    run(
        ["cargo", "build", "--profile", PROFILE, "--locked", "--target", target, "--bins", *packages],
        env=build_environment(root, target_dir),
        cwd=root,
    )

    out.mkdir(parents=True, exist_ok=True)
    report: dict[str, dict[str, object]] = {}
    for name in functions:
        binary = target_dir / target / PROFILE / name
        glibc = needed_glibc(binary, root)
        refuse_newer_glibc(name, glibc)
        package = out / f"{name}.zip"
        write_zip(binary, package)
        if package.stat().st_size > LARGEST_ZIP:
            raise BuildError(f"`{package}` is larger than the {LARGEST_ZIP} bytes that Lambda takes")
        report[name] = {
            "package": str(package),
            "bytes": package.stat().st_size,
            "sha256": sha256(package),
            "bootstrap_bytes": binary.stat().st_size,
            "bootstrap_sha256": sha256(binary),
            "glibc": f"{glibc[0]}.{glibc[1]}",
        }
    sums = "".join(f"{facts['sha256']}  {name}.zip\n" for name, facts in sorted(report.items()))
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="+", help="packages to build; the binary has the same name")
    parser.add_argument("--architecture", choices=sorted(TARGETS), default="x86_64")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the cargo workspace")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="where the packages go")
    arguments = parser.parse_args()
    if platform.system() != "Linux":
        print("build_functions: Lambda runs Linux binaries: build on Linux or in a container", file=sys.stderr)
        return 2
    try:
        report = build(arguments.functions, arguments.architecture, arguments.root.resolve(), arguments.out)
    except BuildError as error:
        print(f"build_functions: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
