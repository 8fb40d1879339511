"""What the measurements write into a document: their own tables and nothing else."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from . import bench, cold, document, profiles, sweep, throughput
from .runs import ROOT

TEXT = """Before.

<!-- one, as measured -->
old
<!-- end of one -->

Between.

<!-- goals of one, as measured -->
<!-- end of goals of one -->
After.
"""


def test_a_table_is_written_between_its_marks_and_nothing_else_is_touched(tmp_path: Path) -> None:
    file = tmp_path / "document.md"
    file.write_text(TEXT)
    document.write(file, {"goals of one": "new goals", "one": "| new |"})
    written = file.read_text()
    assert written == TEXT.replace("old", "| new |").replace("<!-- end of goals", "new goals\n<!-- end of goals")
    document.write(file, {"goals of one": "new goals", "one": "| new |"})
    assert file.read_text() == written, "again the same"


@pytest.mark.parametrize(
    "broken",
    [
        TEXT.replace("<!-- one, as measured -->", ""),
        TEXT.replace("<!-- end of one -->", ""),
        TEXT + "<!-- end of one -->",
        TEXT.replace(
            "<!-- one, as measured -->\nold\n<!-- end of one -->", "<!-- end of one -->\n<!-- one, as measured -->"
        ),
    ],
)
def test_a_document_without_the_place_is_refused_before_anything_is_measured(
    broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "document.md"
    file.write_text(broken)
    parser = ArgumentParser()
    document.add_options(parser, ["one"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--write", str(file)])
    assert "no place for `one`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--rounds", "0"], ["--rounds", "-1"], ["--rounds", "9", "--write", "PAGE"], ["--json", "/nowhere/x"]]
)
def test_what_cannot_be_or_would_be_lost_is_refused_before_anything_is_measured(
    wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "document.md"
    page.write_text(TEXT)
    monkeypatch.setattr("sys.argv", ["x", *(str(page) if word == "PAGE" else word for word in wrong)])
    with pytest.raises(SystemExit) as ended:
        bench.given(bench.parser("x", 10, "starts", ["one"]))
    assert ended.value.code == 2 and page.read_text() == TEXT
    assert wrong[0] in capsys.readouterr().err or "--write" in wrong


def test_a_program_that_is_missing_is_named_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="missing: `make bench` builds it"), bench.failure(tmp_path / "diagnose-job"):
        pass


def test_the_page_has_a_place_for_every_table() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in [*cold.TABLES, throughput.TABLE, profiles.TABLE, *sweep.TABLES]:
        document.replaced(page, name, "")


def test_goals_are_judged_by_the_figures() -> None:
    ours = {
        "alert_ms": 15.0,
        "alert_cpu_ms": 12.0,
        "first_to_warm": 1.5,
        "memory_mib": 11.0,
        "handshakes": 0,
        "init_cpu_ms": 4.0,
    }
    theirs = {"alert_ms": 600.0, "alert_cpu_ms": 360.0, "first_to_warm": 2.0, "memory_mib": 44.0, "handshakes": 7}

    def verdicts(**changed: float) -> list[bool]:
        both = {"guardian": ours | changed, "boto3": theirs}
        return [goal.kept for goal in cold.kept(both, both, 10.0)]

    assert verdicts() == [True] * 7
    assert verdicts(alert_ms=15.1) == [False, False, True, True, True, True, True]
    assert verdicts(first_to_warm=1.51, handshakes=1) == [True, True, False, True, False, True, True]
    assert verdicts(memory_mib=11.1) == [True, True, True, True, True, False, False]
    slower = {"guardian": ours | {"init_cpu_ms": 8.1}, "boto3": theirs}
    plain = {"guardian": ours, "boto3": theirs}
    assert [goal.kept for goal in cold.kept(plain, slower, 10.0)].index(False) == 3, "TLS takes what it takes more"
    assert "| at most a quarter of the memory of boto3 | 1/4.0 | kept |" in document.goals(
        cold.kept(*[{"guardian": ours, "boto3": theirs}] * 2, 10.0)
    )


def test_the_profile_of_the_packages_is_among_those_that_are_compared() -> None:
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    today = profiles.shipped(manifest)
    sizes = {name: 5_000_000 + number for number, name in enumerate(profiles.PROFILES)}
    starts = {name: dict.fromkeys(profiles.TOLD, 10.0) for name in profiles.PROFILES}
    assert f"| {today}, shipped |" in profiles.figures(20, sizes, starts, today)
    assert f"| {today} | kept |" in profiles.figures(20, sizes | {today: 1}, starts, today)
    assert "| missed |" in profiles.figures(20, sizes | {today: 9_000_000}, starts, today)
    with pytest.raises(RuntimeError, match="add it to"):
        profiles.shipped(manifest.replace('opt-level = "z"', "opt-level = 1"))


def test_a_sweep_tells_its_goals_apart_from_what_explains_them() -> None:
    table = sweep.Table("P8: few accounts", [sweep.goal("wall", 15.6, 12, " s"), sweep.fact("calls", 1234, "", 0)])
    assert sweep.markdown(table).splitlines() == [
        "Few accounts.",
        "",
        "| | |",
        "|---|---|",
        "| calls | 1,234 |",
        "",
        "| goal | measured | |",
        "|---|---|---|",
        "| wall ≤ 12 s | 15.6 s | missed |",
    ]
