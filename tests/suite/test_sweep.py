"""The sweep from the terminal over a whole organization: nothing is wrong where nothing is, and what is broken is found, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .command import COULD_NOT_TELL, FINDING, FINE, USAGE
from .estate import BASELINE, Estate, demo_estate
from .organization import Json, running_lab
from .terminal import Result, Terminal

# Severities from medium up.
GRAVE = {"critical", "high", "medium"}


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with running_lab("sweep-lab.log") as lab:
        yield demo_estate(lab)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "baseline.json").write_text(json.dumps(BASELINE), encoding="utf-8")
    return folder


def sweep(estate: Estate, folder: Path, *arguments: str | Path, **environment: str) -> Result:
    """The command, at a pace that a lab stands: it has no limits."""
    lab = estate.lab
    given = {"GUARDIAN_REGIONS": ",".join(lab.info["regions"]), "GUARDIAN_BACKUP_ACCOUNT_IDS": lab.backup}
    pace = () if "--pace" in arguments else ("--pace", "100")
    shown = ("sweep", "--baseline", folder / "baseline.json", *pace, *arguments)
    return Terminal(lab).run(*map(str, shown), **given | environment)


def grave(report: Json) -> list[tuple[str, str, str]]:
    """Failures from medium up: the check, the account and the thing."""
    found = [
        *report["organization"]["outcomes"],
        *(one for account in report["accounts"] for one in account["outcomes"]),
    ]
    return sorted(
        (one["check"], one["subject"]["account_id"], one["subject"].get("resource_arn", ""))
        for one in found
        if one["status"] == "fail" and one["severity"] in GRAVE
    )


def protection(report: Json) -> dict[str, str]:
    return {row["resource_arn"]: row["protection"] for account in report["accounts"] for row in account["coverage"]}


def test_nothing_is_wrong_where_nothing_is(estate: Estate, folder: Path) -> None:
    ended = sweep(estate, folder, "--json", folder / "well.json", "--html", folder / "well.html")
    report = json.loads((folder / "well.json").read_text(encoding="utf-8"))
    assert grave(report) == []
    resources = {resource for source in estate.sources for resource in source.resources}
    assert protection(report) == dict.fromkeys(resources, "protected")
    assert [account["not_evaluated"] for account in report["accounts"]] == [[]] * len(report["accounts"])
    assert ended.code in (FINE, FINDING), ended.errors
    assert "PROTECTED: 100 % (9 of 9)" in ended.out


def test_what_is_broken_is_found_and_nothing_else(estate: Estate, folder: Path) -> None:
    if not (folder / "well.json").exists():
        sweep(estate, folder, "--json", folder / "well.json")
    broken = estate.break_everything()
    reports = {name: folder / f"ill.{name}" for name in ("html", "csv", "checks.csv", "ocsf")}
    ended = sweep(
        estate, folder, "--format", "json", "--since", folder / "well.json", "--html", reports["html"],
        "--coverage-csv", reports["csv"], "--checks-csv", reports["checks.csv"], "--ocsf", reports["ocsf"],
    )  # fmt: skip
    assert ended.code == FINDING, ended.errors
    report: dict[str, Any] = json.loads(ended.out)
    states = protection(report)
    assert states.pop(broken["stale"]) == "stale" and states.pop(broken["unprotected"]) == "unprotected"
    third = estate.sources[2]
    seen = {resource for source in estate.sources[:2] for resource in source.resources}
    assert states == dict.fromkeys(seen, "protected"), "nothing is said of the account that could not be read"
    unread = [part for account in report["accounts"] for part in account["not_evaluated"]]
    assert [(part["account_id"], [gap["action"] for gap in part["gaps"]]) for part in unread] == [
        (third.account, ["sts:AssumeRole"])
    ]
    # The one broken statement is told where it is broken; the two resources by the checks that are about resources.
    found = grave(report)
    assert {thing for _, _, thing in found} <= {broken["key"], broken["stale"], broken["unprotected"], ""}, found
    assert ("ebs-key-lets-backup-account-grant", estate.sources[0].account, broken["key"]) in found
    assert all(account in (estate.sources[0].account, estate.sources[1].account) for _, account, _ in found), found
    page = reports["html"].read_text(encoding="utf-8")
    for thing in (broken["key"], broken["unreachable"]):
        assert thing in page
    rows = list(csv.DictReader(io.StringIO(reports["csv"].read_text(encoding="utf-8"))))
    assert [row["account_id"] for row in rows if row["protection"] == "not-evaluated"] == [third.account]
    assert len(rows) == len(seen) + 3
    assert all(
        json.loads(line)["class_uid"] == 2003 for line in reports["ocsf"].read_text(encoding="utf-8").splitlines()
    )


def test_a_folder_of_evidence_gives_the_same_report(estate: Estate, folder: Path) -> None:
    lab = estate.lab
    account = estate.sources[1].account
    given = {"GUARDIAN_REGIONS": ",".join(lab.info["regions"]), "GUARDIAN_BACKUP_ACCOUNT_IDS": lab.backup}
    named = ("--account", account, "--account", lab.backup)
    collected = Terminal(lab).run("collect", *named, "--out", str(folder / "evidence"), **given)
    assert collected.code in (FINE, COULD_NOT_TELL), collected.errors
    live = json.loads(sweep(estate, folder, *named, "--format", "json").out)
    evidence = folder / "evidence"
    recorded = json.loads(sweep(estate, folder, *named, "--evidence", evidence, "--format", "json").out)
    assert protection(recorded) == protection(live) and protection(live)
    assert grave(recorded) == grave(live)

    # Who collected named two accounts, and without that note nobody knows of it: members that are listed and not there were not looked at.
    assert protection(json.loads(sweep(estate, folder, "--evidence", evidence, "--format", "json").out)) == protection(
        live
    )
    (evidence / "manifest.json").unlink()
    others = {source.account for source in estate.sources} - {account}
    whole = json.loads(sweep(estate, folder, "--evidence", evidence, "--format", "json").out)
    assert {part["account_id"] for one in whole["accounts"] for part in one["not_evaluated"]} >= others
    # Nor is an account out of sight because one answer is missing.
    for region in lab.info["regions"]:
        shutil.rmtree(evidence / lab.backup / region / "backup" / "ListBackupPlans")
    less = json.loads(sweep(estate, folder, *named, "--evidence", evidence, "--format", "json").out)
    gone = [gap for one in less["accounts"] for part in one["not_evaluated"] for gap in part["gaps"]]
    assert (lab.backup, "backup:ListBackupPlans") in {(gap["account_id"], gap["action"]) for gap in gone}, gone


def test_a_sweep_is_taken_up_where_it_was_left(estate: Estate, folder: Path) -> None:
    work = folder / "work"
    named = ("--account", estate.sources[1].account, "--work", work, "--format", "json")
    first = sweep(estate, folder, *named).out
    lab = estate.lab
    lab.control("faults", [{"match": {"service": "backup"}, "fault": "denied"}])
    try:
        again = sweep(estate, folder, *named)
        assert again.out == first, "nothing is read again"
        assert "holds the sweep of " in again.errors and "name another folder" in again.errors
        other = sweep(estate, folder, "--work", work)
        assert other.code == USAGE and "holds a sweep of other accounts" in other.errors
    finally:
        lab.control("faults", method="DELETE")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--html", "/nonexistent/report.html"), "there is no folder"),
        (("--html", "/proc/report.html"), "cannot be written"),
        (("--html", "-"), "`-` is none"),
        (("--html", "same", "--json", "same"), "cannot be the same file `same`"),
        (("--asff", "findings.json"), "--product"),
        (("--product", "arn:aws:s3:::bucket", "--asff", "x"), "is not the ARN of a product"),
        (("--since", "/nonexistent/old.json"), "old.json"),
        (("--pace", "0"), "between 0.1 and 1000"),
        (("--backup-account", "22"), "12 digits"),
    ],
)
def test_a_wrong_word_is_told_before_anything_is_read(
    estate: Estate, folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    ended = sweep(estate, folder, *arguments)
    assert ended.code == USAGE and says in ended.errors and ended.out == "", (ended.out, ended.errors)
