"""The packages that `make build` makes, without compiling anything."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import build_functions
import build_twice
import check_architecture
import pytest

from .deployed import ROOT, load


def objdump(folder: Path, *versions: str) -> None:
    """An objdump that names these glibc versions."""
    lines = "".join(f"echo '    0x06969194 0x00 04 GLIBC_{version}'\n" for version in versions)
    tool = folder / "objdump"
    tool.write_text(f"#!/bin/sh\n{lines}", encoding="utf-8")
    tool.chmod(0o755)


def test_the_same_binary_gives_the_same_zip_whenever_and_however_it_lies(tmp_path: Path) -> None:
    binary = tmp_path / "diagnose-job"
    binary.write_bytes(b"\x7fELF" + bytes(1000))
    build_functions.write_zip(binary, tmp_path / "first.zip")
    os.utime(binary, (1, 1))
    binary.chmod(0o600)
    build_functions.write_zip(binary, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        (entry,) = archive.infolist()
    assert entry.filename == "bootstrap"
    assert entry.external_attr >> 16 == 0o100755, "Lambda starts it"


@pytest.mark.parametrize(
    ("versions", "newest"), [(["2.2.5", "2.34"], (2, 34)), (["2.9", "2.17"], (2, 17)), (["2.4", "2.39"], (2, 39))]
)
def test_glibc_versions_are_compared_as_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, versions: list[str], newest: tuple[int, int]
) -> None:
    objdump(tmp_path, *versions)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert build_functions.needed_glibc(tmp_path / "binary", tmp_path) == newest


def test_a_binary_that_names_no_glibc_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objdump(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(build_functions.BuildError, match="names no glibc version"):
        build_functions.needed_glibc(tmp_path / "binary", tmp_path)


def test_a_binary_that_lambda_could_not_load_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objdump(tmp_path, "2.34", "ABI_DT_RELR")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(build_functions.BuildError, match="`GLIBC_ABI_DT_RELR` of the loader"):
        build_functions.needed_glibc(tmp_path / "binary", tmp_path)
    build_functions.refuse_newer_glibc("diagnose-job", (2, 34))
    with pytest.raises(
        build_functions.BuildError, match=r"`diagnose-job` needs glibc 2\.35, provided\.al2023 has 2\.34"
    ):
        build_functions.refuse_newer_glibc("diagnose-job", (2, 35))


def test_paths_of_the_machine_are_replaced_most_specific_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tmp_path / "cargo" / "registry" / "src" / "mirror-1"
    registry.mkdir(parents=True)
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    root, target = tmp_path / "work", tmp_path / "work" / "target"
    names = build_functions.path_names(root, target)
    assert names.index((tmp_path / "cargo", "/cargo")) < names.index((registry, "/cargo/registry"))
    assert names.index((root, "/source")) < names.index((target, "/target"))
    flags = build_functions.build_environment(root, target)["CARGO_ENCODED_RUSTFLAGS"].split("\x1f")
    assert f"--remap-path-prefix={registry}=/cargo/registry" in flags


def workspace(folder: Path, word: str) -> Path:
    """A workspace with one program, which knows a word."""
    (folder / "src").mkdir(parents=True)
    shutil.copy(ROOT / "rust-toolchain.toml", folder)
    package = '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2024"\n[profile.lambda]\ninherits = "release"\nstrip = true\n'
    (folder / "Cargo.toml").write_text(package, encoding="utf-8")
    (folder / "Cargo.lock").write_text(
        'version = 4\n[[package]]\nname = "small"\nversion = "0.1.0"\n', encoding="utf-8"
    )
    # The place of an assertion in code that is generated is a path of the machine.
    made = "fn check(few: bool) { assert!(few); }"
    script = f'fn main() {{ std::fs::write(std::env::var("OUT_DIR").unwrap() + "/made.rs", "{made}").unwrap(); }}'
    (folder / "build.rs").write_text(script, encoding="utf-8")
    program = f'include!(concat!(env!("OUT_DIR"), "/made.rs"));\nfn main() {{ check(std::env::args().any(|one| one == {word})); }}\n'
    (folder / "src" / "main.rs").write_text(program, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    # Cargo would compile it, and it is none of the tracked files.
    (folder / "src" / "bin").mkdir()
    (folder / "src" / "bin" / "untracked.rs").write_text("not Rust", encoding="utf-8")
    return folder


MACHINE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def test_the_same_sources_give_the_same_package_in_another_folder(tmp_path: Path) -> None:
    hashes = build_twice.build_twice(["small"], MACHINE, workspace(tmp_path / "well", '"word"'))
    assert re.fullmatch("[0-9a-f]{64}", hashes["small"])


def test_a_package_that_tells_where_it_was_built_is_refused(tmp_path: Path) -> None:
    leaking = workspace(tmp_path / "leaking", 'env!("CARGO_MANIFEST_DIR")')
    with pytest.raises(build_functions.BuildError, match="differ in `small`"):
        build_twice.build_twice(["small"], MACHINE, leaking)


def test_a_missing_target_is_said_in_one_line() -> None:
    with pytest.raises(build_functions.BuildError, match="`sparc-none` is not installed"):
        build_functions.check_target("sparc-none", ROOT)


DEPLOYED = """
[default.deploy.parameters]
parameter_overrides = ["OrganizationId=o-exampleorgid", "Architecture=arm64"]
[text.deploy.parameters]
parameter_overrides = 'OrganizationId=o-exampleorgid Architecture="arm64"'
[pairs.deploy.parameters]
parameter_overrides = "ParameterKey=Regions,ParameterValue=eu-west-1 ParameterKey=Architecture,ParameterValue=arm64"
[everywhere.global.parameters]
parameter_overrides = "Architecture=arm64"
[silent.deploy.parameters]
parameter_overrides = ["OrganizationId=o-exampleorgid", "MyArchitecture=arm64"]
"""


@pytest.mark.parametrize(
    ("environment", "processor"),
    [
        ("default", "arm64"),
        ("text", "arm64"),
        ("pairs", "arm64"),
        ("everywhere", "arm64"),
        ("silent", "x86_64"),
        ("none", "x86_64"),
    ],
)
def test_what_is_not_built_for_the_processor_of_the_parameters_is_not_deployed(
    tmp_path: Path, environment: str, processor: str
) -> None:
    file = tmp_path / "samconfig.toml"
    file.write_text(DEPLOYED, encoding="utf-8")
    other = "x86_64" if processor == "arm64" else "arm64"
    assert check_architecture.problem(file, environment, processor) is None
    said = check_architecture.problem(file, environment, other)
    assert said and f"Architecture={processor}, and ARCH={other}" in said and f"export ARCH={processor}" in said


def test_make_deploy_looks_at_the_processor_before_it_builds(tmp_path: Path) -> None:
    assert load("guardian")["Parameters"]["Architecture"]["Default"] == check_architecture.DEFAULT
    shown = subprocess.run(["make", "--dry-run", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 0 <= shown.index("scripts/check_architecture.py") < shown.index("scripts/build_functions.py")
    for name, text, says in (
        ("absent.toml", None, "absent.toml is missing: copy samconfig.toml.example"),
        ("broken.toml", "[default", "broken.toml cannot be read as TOML"),
        ("arm64.toml", DEPLOYED, "Architecture=arm64, and ARCH=x86_64 would be built"),
    ):
        file = tmp_path / name
        if text:
            file.write_text(text, encoding="utf-8")
        stopped = subprocess.run(
            ["make", "deployable", f"CONFIG_FILE={file}", "ARCH=x86_64"], cwd=ROOT, capture_output=True, text=True
        )
        assert stopped.returncode == 2 and says in stopped.stderr, stopped.stderr


def test_the_shipped_profile_unwinds() -> None:
    profiles = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["profile"]
    shipped = profiles[profiles[build_functions.PROFILE]["inherits"]] | profiles[build_functions.PROFILE]
    assert shipped["panic"] == "unwind", "the Lambda runtime reports a panic only while panics unwind"
    assert shipped["strip"] is True


def test_continuous_integration_runs_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines == ["#!/usr/bin/env bash", "set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_make_alone_explains_every_verb() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for verb in re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE):
        assert f"make {verb}" in shown
    for verb in ("test", "check", "build", "lab", "deploy"):
        assert f"make {verb} " in shown
