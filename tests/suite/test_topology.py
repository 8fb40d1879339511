"""An organization set up by the commands of `guardian topology plan`, in their order: nothing is wrong with it, `topology verify` says so and says what
breaks, `topology graph` draws it, and a plan made over it has nothing left to set up."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import COULD_NOT_TELL, FINDING, FINE, USAGE
from .estate import BASELINE, Estate
from .organization import Json, running_lab
from .planned import Doing, planned_estate
from .terminal import Result, Terminal
from .test_sweep import GRAVE, grave, protection, sweep


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("topology")
    (folder / "baseline.json").write_text(json.dumps(BASELINE), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[tuple[Estate, Doing]]:
    with running_lab("topology-lab.log") as lab:
        yield planned_estate(lab, folder)


@pytest.fixture(scope="module")
def estate(made: tuple[Estate, Doing]) -> Estate:
    return made[0]


def topology(estate: Estate, verb: str, *arguments: str | Path) -> Result:
    lab = estate.lab
    given = {"GUARDIAN_REGIONS": ",".join(lab.info["regions"]), "GUARDIAN_BACKUP_ACCOUNT_IDS": lab.backup}
    return Terminal(lab).run("topology", verb, *map(str, arguments), **given)


def live(folder: Path) -> tuple[str | Path, ...]:
    """A lab has no limits that one must keep below."""
    return ("--pace", "100", "--baseline", folder / "baseline.json")


def test_nothing_is_wrong_with_what_a_plan_sets_up_and_every_resource_is_protected(
    made: tuple[Estate, Doing], folder: Path
) -> None:
    estate, doing = made
    assert doing.done.count("cloudformation create-stack-set") == 3
    ended = sweep(estate, folder, "--json", folder / "well.json", "--html", folder / "well.html")
    report = json.loads((folder / "well.json").read_text(encoding="utf-8"))
    assert grave(report) == [], ended.out
    resources = {resource for source in estate.sources for resource in source.resources}
    assert protection(report) == dict.fromkeys(resources, "protected")


def test_verify_gives_one_verdict_over_routes_and_checks(estate: Estate, folder: Path) -> None:
    ended = topology(estate, "verify", *live(folder), "--format", "json")
    verdict = ended.json
    assert verdict["routes"]["summary"]["will_fail"] == 0 and verdict["routes"]["summary"]["works"] > 0, verdict[
        "routes"
    ]
    assert {one["severity"] for one in verdict["checks"]["findings"]} & GRAVE == set(), verdict["checks"]["findings"]
    assert verdict["checks"]["failed"] == len(verdict["checks"]["findings"]) and verdict["not_evaluated"] == []
    # The same as the other commands: whatever fails is a finding, be it small, but for what is told for information.
    broken = [one for one in verdict["checks"]["findings"] if one["severity"] != "info"]
    # The topology sets no defaults of EBS in these two, and they have the key that AWS manages.
    outside = {(one["check"], one["account_id"]) for one in broken}
    assert outside == {
        ("ebs-default-key-usable-through-ec2", id) for id in (estate.lab.management, estate.lab.guardian)
    }
    assert (ended.code, verdict["verdict"]) == (FINDING, "broken")
    # Whoever names one account still hears of the vault that all copies lie in.
    one = ("--account", estate.sources[0].account, *live(folder), "--format", "json")
    sound = topology(estate, "verify", *one)
    assert (sound.code, sound.json["verdict"]) == (COULD_NOT_TELL, "not-known"), sound.out
    # The only reason: in one of its Regions nothing was backed up yet.
    (unknown,) = sound.json["routes"]["not_known"]
    assert unknown["region"] != estate.lab.region and unknown["why"].startswith("there is no recovery point yet")
    assert sound.json["checks"]["unknown"] == 0 and sound.json["not_evaluated"] == []
    assert {found["severity"] for found in sound.json["checks"]["findings"]} == {"info"}
    vault = estate.central_vault_arn
    backup = estate.lab.client(estate.lab.backup, "backup")
    policy = backup.get_backup_vault_access_policy(BackupVaultName=vault.rpartition(":")[2])["Policy"]
    bare = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*"}],
    }
    backup.put_backup_vault_access_policy(BackupVaultName=vault.rpartition(":")[2], Policy=json.dumps(bare))
    try:
        ended = topology(estate, "verify", *one)
        assert ended.code == FINDING and vault in {
            found.get("resource_arn") for found in ended.json["checks"]["findings"]
        }
    finally:
        backup.put_backup_vault_access_policy(BackupVaultName=vault.rpartition(":")[2], Policy=policy)


def test_what_was_read_gives_the_same_verdict(estate: Estate, folder: Path) -> None:
    lab = estate.lab
    given = {"GUARDIAN_REGIONS": ",".join(lab.info["regions"]), "GUARDIAN_BACKUP_ACCOUNT_IDS": lab.backup}
    collected = Terminal(lab).run("collect", "--out", str(folder / "evidence"), **given)
    assert collected.code in (FINE, COULD_NOT_TELL), collected.errors
    there = topology(estate, "verify", *live(folder), "--format", "json").json
    read = topology(
        estate, "verify", "--evidence", folder / "evidence", "--baseline", folder / "baseline.json", "--format", "json"
    ).json

    def short(verdict: Json) -> list[tuple[str, str]]:
        return sorted(
            (one["code"], one.get("resource_arn", one["account_id"])) for one in verdict["checks"]["findings"]
        )

    assert read["verdict"] == there["verdict"] and short(read) == short(there)
    assert read["routes"]["summary"]["works"] == there["routes"]["summary"]["works"]


def test_a_plan_over_what_is_there_has_nothing_left_but_the_guardian(estate: Estate, folder: Path) -> None:
    every_account = ["the vault `local-backups`", "the role `backup-jobs`", "a customer managed key for new volumes"]
    seen_by_checks = [
        "Let AWS Backup see",
        "Switch backup policies on",
        "service-linked role",
        "the central vault",
    ]
    others = [
        "service control policies on",
        "delegated administrator",
        "Switch AWS Backup on in",
        "StackSet of the roles",
        *every_account,
    ]
    for evidence, there in (
        ("evidence", [*seen_by_checks, *others, "Make the backup policy"]),
        ("well.json", seen_by_checks),
    ):
        ended = topology(estate, "plan", folder / "answers.json", "--evidence", folder / evidence, "--format", "json")
        assert ended.code == FINE, ended.errors
        again = ended.json
        left_out = [one["what"] for one in again["omitted"]]
        assert all(any(what in one for one in left_out) for what in there), left_out
        assert all(any(what in one for what in there) for one in left_out), left_out
        made = {word for step in again["steps"] for one in step["commands"] for word in one["command"]}
        assert "deploy/backup-account.yaml" not in made
        # The report of a sweep does not tell which accounts lie in the targets, so somebody must decide.
        asks = [one for one in again["notes"] if "whether further accounts lie in the targets was not seen" in one]
        assert (
            ("file://deploy/source-backup.yaml" in made)
            == (evidence == "well.json")
            == (len(asks) == len(every_account))
        )
        assert ("deploy/management-account.yaml" in made) == (evidence == "well.json")
    # What the evidence knows need not be said.
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    del answers["organization"], answers["regions"]
    (folder / "short.json").write_text(json.dumps(answers), encoding="utf-8")
    assert topology(estate, "plan", folder / "short.json").code == USAGE
    assert topology(estate, "plan", folder / "short.json", "--evidence", folder / "evidence").code == FINE
    filled = topology(estate, "plan", "--example", "--evidence", folder / "evidence").json
    assert (
        filled["organization"]["id"] == estate.lab.organization_id and filled["backup"]["account"] == estate.lab.backup
    )
    other = answers | {"organization": {"id": "o-anotherorganization"}}
    (folder / "other.json").write_text(json.dumps(other), encoding="utf-8")
    ended = topology(estate, "plan", folder / "other.json", "--evidence", folder / "evidence")
    assert ended.code == USAGE and "`organization.id`" in ended.errors and "of another organization" in ended.errors
    alone = topology(estate, "plan", "--evidence", folder / "evidence")
    assert (
        alone.code == USAGE
        and "`backup.break_glass_principal` is missing" in alone.errors
        and "--example" in alone.errors
    )


def test_the_graph_is_the_picture_of_the_page(estate: Estate, folder: Path) -> None:
    drawn = topology(estate, "graph", "--evidence", folder / "well.json", "--svg", folder / "well.svg")
    assert drawn.code == FINE, drawn.errors
    assert drawn.out.count("----------->") == len(estate.sources) + 1 and "[X]" not in drawn.out
    svg = (folder / "well.svg").read_text(encoding="utf-8")
    ET.fromstring(svg)
    page = (folder / "well.html").read_text(encoding="utf-8")
    inside = re.search(r"<text class=\"column\".*?(?=<g class=\"legend\")", svg, re.DOTALL)
    assert inside and inside[0] in page
    again = topology(estate, "graph", "--evidence", folder / "well.json", "--svg", "-")
    assert again.out == svg


def test_what_breaks_is_told_and_drawn(estate: Estate, folder: Path) -> None:
    key = estate.break_key_policy()
    broken = topology(estate, "verify", *live(folder))
    assert broken.code == FINDING and broken.out.startswith(
        "The topology does not hold: routes do not hold, checks do not hold."
    )
    assert "kms:CreateGrant" in broken.out and key in broken.out and "BKC-037" in broken.out
    drawn = topology(estate, "graph", *live(folder), "--svg", folder / "ill.svg")
    assert drawn.code == FINDING and "----[-]---->" in drawn.out and "stopped by BKC-0" in drawn.out
    assert 'class="edge stopped"' in (folder / "ill.svg").read_text(encoding="utf-8")
    value = topology(estate, "graph", *live(folder), "--format", "json")
    states = {one["source_account"]: one["state"] for one in value.json["routes"]}
    assert states == {source.account: "well" for source in estate.sources} | {
        estate.sources[0].account: "to-be-stopped"
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("verify", "--evidence", "well.json"), "`guardian topology graph` draws a report"),
        (("verify", "--evidence", "nowhere"), "nowhere"),
        (("graph", "--evidence", "baseline.json"), "is no sweep"),
        (("graph", "--evidence", "well.json", "--svg", "no/folder/x.svg"), "there is no folder"),
        (("graph", "--evidence", "well.json", "--svg", "."), "cannot be written"),
    ],
)
def test_a_wrong_word_is_told(estate: Estate, folder: Path, arguments: tuple[str, ...], says: str) -> None:
    here = [str(folder / word) if word.endswith(".json") or word == "nowhere" else word for word in arguments]
    ended = topology(estate, here[0], *here[1:])
    assert ended.code == USAGE and says in ended.errors and ended.out == "", (ended.out, ended.errors)
