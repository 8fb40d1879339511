"""The command line without AWS: what a person types, sees and gets as exit code, through the real binary."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from .command import BINARY, COULD_NOT_TELL, ENVIRONMENT, EXAMPLES, FINDING, FINE, USAGE, compare, guardian
from .organization import ROOT

EVENTS = ROOT / "tests" / "events"
RULES = ROOT / "shared" / "src" / "diagnosis" / "rules"
CHECKS = ROOT / "shared" / "src" / "compliance" / "checks"
EVENT = EXAMPLES / "failed-copy.json"
EVIDENCE = EXAMPLES / "evidence"
JOB = ["111111111111", "eu-central-1", "47C8EF56-74D8-059D-1301-C5BE1D5C926E"]
LEVELS = [
    [],
    ["explain"],
    ["explain", "event"],
    ["explain", "job"],
    ["explain", "message"],
    ["incidents"],
    ["incidents", "ack"],
    ["incidents", "backfill"],
    ["incidents", "before"],
    ["policy"],
    ["policy", "eval"],
    ["policy", "patch"],
    ["preflight"],
    ["drill"],
    ["drill", "copy"],
    ["drill", "copy-back"],
    ["drill", "restore"],
    ["drill", "list"],
    ["collect"],
    ["replay"],
    ["sweep"],
    ["topology"],
    ["topology", "plan"],
    ["topology", "verify"],
    ["topology", "graph"],
]
ESCAPE = "\x1b"


# --- Help ------------------------------------------------------------------------------------------------------------------------------


def test_help_of_every_level_is_what_was_read_before_it_was_kept() -> None:
    helps = [guardian(*level, "--help") for level in LEVELS]
    assert {each.code for each in helps} == {FINE}
    compare("help", "\n".join(each.transcript() for each in helps))


def test_an_error_that_quotes_somebody_moves_no_cursor_and_turns_no_line_around(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(
        json.dumps({"schema": "backup-guardian/baseline/v1", f"{ESCAPE}[2J\u202eevil": 1}), encoding="utf-8"
    )
    ended = guardian("sweep", "--account", JOB[0], "--region", JOB[1], "--baseline", str(file))
    assert ended.code == USAGE and "evil" in ended.err
    assert not {ESCAPE, "\u202e"} & set(ended.err), ended.err


@pytest.mark.parametrize("level", LEVELS, ids=" ".join)
def test_help_teaches_by_examples_that_can_be_copied(level: list[str]) -> None:
    text = guardian(*level, "--help").out
    commands = [line.strip() for line in text.splitlines() if re.match(r"  (guardian|echo|cat|export) ", line)]
    assert commands, "no example"
    assert all(len(line) <= 80 for line in commands), "an example that a terminal breaks cannot be copied"
    # What asks AWS or a lab is tested there; `jq` is not on every machine.
    live = r"replay|export|drill|collect|preflight|sweep|topology|incidents|jq|JOB_ID(?!.*--evidence)"
    for line in [line for line in commands if not re.search(live, line)]:
        line = line.replace("JOB_ID", JOB[2])
        shell = f"PATH={shlex.quote(str(BINARY.parent))}:$PATH; set -o pipefail; {line}"
        ended = subprocess.run(
            ["bash", "-c", shell], cwd=EXAMPLES, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
        )
        assert ended.returncode in (FINE, FINDING), f"{line}: {ended.stderr}"
        assert ended.stdout, line


def test_without_a_command_the_help_comes_and_the_exit_code_says_usage() -> None:
    for arguments in ([], ["explain"], ["policy"]):
        ended = guardian(*arguments)
        assert (ended.code, ended.out) == (USAGE, "")
        assert "Examples:" in ended.err


# --- Input that is none ----------------------------------------------------------------------------------------------------------------


BAD_FILES = {
    "text.txt": b"the copy failed\n",
    "empty.json": b"",
    "blank.json": b" \n",
    "binary.json": bytes(range(256)) * 64,
    "object.json": b"{}",
    "list.json": b"[]",
    "deep.json": b"[" * 100_000,
    "zeros.json": bytes(50_000_000),
    "huge.json": b'{"pad": "' + b"x" * 50_000_000 + b'"}',
}
BAD_INPUT = [
    ("no-such-file.json", "`no-such-file.json` does not exist"),
    (".", "`.` is a folder, not a file"),
    ("text.txt", "`text.txt` is not JSON at line 1 column 2; expected is one event"),
    ("empty.json", "`empty.json` is empty"),
    ("blank.json", "`blank.json` is empty"),
    ("binary.json", "`binary.json` is not JSON at line 1"),
    ("object.json", "`object.json` is not an event (`detail-type`: missing"),
    ("list.json", "`list.json` is not an event (a list, not an object)"),
    ("deep.json", "`deep.json` is not JSON at line 1 column 128"),
    ("zeros.json", "`zeros.json` is larger than 8 MiB"),
    ("huge.json", "`huge.json` is larger than 8 MiB"),
    ("/dev/zero", "`/dev/zero` is larger than 8 MiB"),
    ("-", "standard input is empty"),
]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, content in BAD_FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(("file", "complaint"), BAD_INPUT, ids=[file for file, _ in BAD_INPUT])
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_event_that_is_none_is_named_with_what_was_expected(bad: Path, file: str, complaint: str, form: str) -> None:
    ended = guardian("explain", "event", file, "--format", form, cwd=bad)
    assert (ended.code, ended.out) == (USAGE, "")
    assert ended.err.startswith(f"guardian: {complaint}")
    assert ended.err.count("\n") == 1 and "os error" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["explain", "event"], "<FILE>"),
        (["explain", "event", "a", "b"], "unexpected argument 'b'"),
        (["explain", "event", EVENT, "--format", "yaml"], "[possible values: text, json]"),
        (["explain", "event", EVENT, "--evidence", "nowhere"], "the evidence folder `nowhere` does not exist"),
        (["explain", "event", EVENT, "--evidence", EVENT], "is a file, not a folder"),
        (["explain", "job", "1111", *JOB[1:]], "`1111` is not an AWS account id: 12 digits are expected"),
        (["explain", "job", JOB[0], "Frankfurt", JOB[2]], "`Frankfurt` is not a Region code such as `eu-central-1`"),
        (["explain", "job", JOB[0], JOB[1], ""], "the id of a job has letters, digits and dashes"),
        (["explain", "job", JOB[0], JOB[1], "a job"], "the id of a job has letters, digits and dashes"),
        (["explain", "job", *JOB[:2]], "<JOB_ID>"),
        (["explain", "job", "--type", "sync", *JOB], "[possible values: backup, copy, restore, scan]"),
        (["explain", "message", "nowhere.jsonl"], "`nowhere.jsonl` does not exist"),
        (["explain", "message", "."], "`.` is a folder, not a file"),
        (["replay"], "<EVENT>"),
        (["replay", EVENT], "AWS_ENDPOINT_URL is not set: start a lab with `make lab`"),
        (["replay", EVENT, "--times", "0"], "0 is not in 1..=1000"),
        (["replay", EVENT, "--queue-url", "queue"], "is no URL of a queue"),
        (["repaly", EVENT], "replay"),
    ],
    ids=lambda each: " ".join(str(part).rsplit("/", 1)[-1] for part in each) if isinstance(each, list) else "",
)
def test_wrong_usage_says_what_is_right(arguments: list[str | Path], complaint: str) -> None:
    ended = guardian(*arguments)
    assert (ended.code, ended.out) == (USAGE, "")
    assert complaint in ended.err


@pytest.mark.parametrize("command", ["eval", "patch"])
def test_a_line_without_a_case_is_named_once_and_counted(command: str, tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"id": 7}\n{}\n', encoding="utf-8")
    ended = guardian("policy", command, cases, "--format", "text")
    wrong = "`request` is missing or not an object"
    assert (ended.code, ended.out) == (USAGE, f"7 (line 1): {wrong}\nline 2: {wrong}\n")
    assert "2 of 2 lines could not be read" in ended.err
    folder = guardian("policy", command, tmp_path)
    assert (folder.code, folder.out) == (USAGE, "")
    assert folder.err == f"guardian: `{tmp_path}` is a folder, not a file\n"


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "evidence"
    file.touch()
    ended = guardian("collect", "--out", file, "--account", JOB[0], "--region", JOB[1])
    assert (ended.code, ended.out) == (USAGE, "")
    assert f"`{file}` is a file, not a folder" in ended.err


def test_a_lab_that_does_not_answer_is_named_before_credentials_are_missed() -> None:
    ended = guardian("explain", "event", EVENT, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert ended.err.startswith("guardian: no lab answers at `127.0.0.1:9`: start one with `make lab`")


def test_a_setting_that_is_wrong_is_named() -> None:
    ended = guardian("explain", "event", EVENT, environment={"GUARDIAN_LOOKUP_BUDGET": "99"})
    assert (ended.code, ended.out) == (USAGE, "")
    assert "`GUARDIAN_LOOKUP_BUDGET` is `99`: a number of calls up to 20 is expected" in ended.err


def test_a_file_name_cannot_play_with_the_terminal() -> None:
    for arguments in (
        ["explain", "event", "\x1b[2Jx"],
        ["explain", "\x1b[2Jx"],
        ["explain", "event", EVENT, "--evidence", "\x1b[2Jx"],
    ):
        assert ESCAPE not in guardian(*arguments).err


# --- Pages -----------------------------------------------------------------------------------------------------------------------------


def listed() -> list[dict[str, Any]]:
    return guardian("explain", "--list", "--format", "json").json()


def corpus_causes() -> set[str]:
    records = (ROOT / "tests" / "facts" / "failure-messages.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(record)["cause"] for record in records}


def test_the_list_is_the_rules_and_the_checks_of_the_project() -> None:
    rules = listed()
    assert sorted(rule["name"] for rule in rules) == sorted(
        page.stem for folder in (RULES, CHECKS) for page in folder.glob("*.md")
    )
    codes = [rule["code"] for rule in rules]
    diagnoses = sorted({code for code in codes if code.startswith("BKD-")})
    assert codes == diagnoses + sorted({code for code in codes if code.startswith("BKC-")})
    text = guardian("explain", "--list").out.splitlines()
    assert [line.split()[:2] for line in text] == [[rule["code"], rule["name"]] for rule in rules]


def test_every_code_every_name_and_every_cause_has_a_page() -> None:
    rules = listed()
    names = {
        name for rule in rules for name in (rule["code"], rule["code"].lower(), rule["name"], *rule.get("causes", []))
    }
    for name in sorted(names | corpus_causes() | {"unexplained"}):
        text = guardian("explain", name)
        assert text.code == FINE and not text.err, name
        for heading in ("What it means", "Why it (happens|matters)", "How to fix", "When it is wrong"):
            assert re.search(f"\n{heading}\n", text.out), name
        assert "```" not in text.out and ESCAPE not in text.out
        pages = guardian("explain", name, "--format", "json").json()
        assert pages and all(page["page"].startswith("# ") for page in pages), name
        assert any(
            name.lower() in (page.get("code", "").lower(), page["name"], *page.get("causes", [])) for page in pages
        ), name


def test_a_page_reads_as_it_was_kept() -> None:
    compare("page", "\n".join(guardian("explain", name).transcript() for name in ("BKD-001", "unexplained")))


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("BKD-01", "did you mean `BKD-001`"),
        ("BKD-0001", "did you mean `BKD-001`"),
        ("kms-key-policy-missing-destinatoin", "did you mean `kms-key-policy-missing-destination`?"),
        ("kms-key", "`kms-key-unusable`"),
        ("mesage", "did you mean `message`?"),
        ("something-else", "`guardian explain --list` shows all"),
        ("", "`guardian explain --list` shows all"),
        ("Given key ID is not accessible", "goes to `guardian explain message`"),
        ("failed-copy.json", "`guardian explain event failed-copy.json`"),
    ],
)
def test_an_unknown_name_is_answered_with_what_was_meant(asked: str, advice: str) -> None:
    ended = guardian("explain", asked)
    assert (ended.code, ended.out) == (USAGE, "")
    assert advice in ended.err and ended.err.startswith(f"guardian: no rule, cause or check is called `{asked}`")


# --- Events ----------------------------------------------------------------------------------------------------------------------------


def fixtures() -> list[tuple[str, str]]:
    index = json.loads((EVENTS / "index.json").read_text(encoding="utf-8"))
    # Who reads a file of his own need not ask through which queue it came: there it is an event like any other.
    return [(each["file"], each["expect"]) for each in index if each["file"] != "vault-notification/odd-raw-event.json"]


@pytest.mark.parametrize(("file", "expect"), fixtures(), ids=[file for file, _ in fixtures()])
def test_every_recorded_event_ends_as_the_contract_says(
    file: str, expect: str, tmp_path: Path, schema: dict[str, Any]
) -> None:
    # An empty folder: from the event alone.
    text = guardian("explain", "event", EVENTS / file, "--evidence", tmp_path)
    answer = guardian("explain", "event", EVENTS / file, "--evidence", tmp_path, "--format", "json")
    assert text.code == answer.code
    if expect in ("problem", "degraded"):
        alert = answer.json()
        jsonschema.validate(alert, schema)
        assert text.code == (COULD_NOT_TELL if alert["certainty"] == "unexplained" else FINDING)
        # What could not be seen is told, and nothing is sure but what AWS itself states.
        stated = file.startswith(("not-started/", "vault-notification/"))
        assert stated or alert["gaps"] or alert["certainty"] in ("suspected", "unexplained", "proven")
        assert "WHAT HAPPENED" in text.out and "\nCAUSE\n" in text.out
    elif expect == "quarantine":
        assert (text.code, text.out, answer.out) == (USAGE, "", "")
    else:
        assert text.code == FINE
        assert text.out.startswith("Nothing to explain: ") and answer.json()["finding"] is None


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    file = ROOT / "shared" / "src" / "report" / "alert-v1.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_example_is_explained_offline_as_it_was_kept() -> None:
    ended = guardian("explain", "event", "failed-copy.json", "--evidence", "evidence")
    assert (ended.code, ended.err) == (FINDING, "")
    compare("event", ended.transcript())


def test_an_event_and_its_job_get_the_same_answer_from_the_same_folder(schema: dict[str, Any]) -> None:
    for form in ("text", "json"):
        event = guardian("explain", "event", EVENT, "--evidence", EVIDENCE, "--format", form)
        job = guardian("explain", "job", *JOB, "--evidence", EVIDENCE, "--format", form)
        piped = guardian("explain", "event", "-", "--evidence", EVIDENCE, "--format", form, stdin=EVENT.read_bytes())
        assert (event.code, job.code, piped.code) == (FINDING,) * 3
        assert event.out == job.out == piped.out
    alert = event.json()
    jsonschema.validate(alert, schema)
    assert (alert["cause"], alert["certainty"]) == ("kms-key-policy-missing-destination", "proven")
    assert alert["act_in"]["account_id"] == "111111111111"
    assert alert["denied"]["action"] == "kms:CreateGrant" and alert["denied"]["recorded_in"] == "222222222222"
    assert alert["changed"]["actor"] == "arn:aws:sts::111111111111:assumed-role/Admin/anna"


CERTAINTY = ["unexplained", "suspected", "supported", "proven"]


def copied_evidence(to: Path) -> list[Path]:
    files = []
    for file in sorted(EVIDENCE.rglob("*.json")):
        copy = to / file.relative_to(EVIDENCE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
        files.append(copy)
    return files


@pytest.mark.parametrize("damage", ["gone", "binary", "not an answer"])
def test_a_recording_that_is_gone_or_damaged_is_a_gap_and_never_makes_the_verdict_surer(
    damage: str, tmp_path: Path
) -> None:
    whole = guardian("explain", "event", EVENT, "--evidence", EVIDENCE, "--format", "json").json()
    for file in copied_evidence(tmp_path):
        kept = file.read_bytes()
        file.unlink() if damage == "gone" else file.write_bytes(
            b"\xff\x00" if damage == "binary" else b'{"request": {}}'
        )
        ended = guardian("explain", "event", EVENT, "--evidence", tmp_path, "--format", "json")
        assert ended.code in (FINDING, COULD_NOT_TELL), file
        alert = ended.json()
        assert CERTAINTY.index(alert["certainty"]) <= CERTAINTY.index(whole["certainty"]), file
        account, region, service, operation = file.relative_to(tmp_path).parts[:4]
        reason = "unavailable" if damage == "gone" else "unreadable"
        gap = {"action": f"{service}:{operation}", "account_id": account, "region": region, "reason": reason}
        assert [each for each in alert["gaps"] if gap.items() <= each.items()], (file, alert["gaps"])
        if damage == "gone":
            assert ended.err == ""
        else:
            assert f"the recording `{file}` cannot be read and is left out" in ended.err
        file.write_bytes(kept)


def test_a_folder_without_recordings_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    ended = guardian("explain", "event", EVENT, "--evidence", tmp_path)
    assert ended.code == FINDING
    assert ended.err == (
        f"guardian: the evidence folder `{tmp_path}` has no recorded answers: expected are "
        "`<account>/<region|global>/<service>/<Operation>/<name>.json`\n"
    )


def test_the_store_of_the_guardian_is_not_claimed_to_be_read() -> None:
    ended = guardian("explain", "event", EVENT, "--evidence", EVIDENCE)
    assert "that the guardian collected" not in ended.out, "the terminal has no store of denials"
    assert "event history of CloudTrail" in ended.out
    seen = " ".join(ended.out.split())
    assert "until 2026-11-02 05:40 UTC: read completely" in seen, (
        "the recording ends at 05:40; what came after was not seen"
    )


def test_a_job_that_the_folder_does_not_know_could_not_be_told(tmp_path: Path) -> None:
    for evidence in (EVIDENCE, tmp_path):
        ended = guardian("explain", "job", *JOB[:2], "00000000-0000-0000-0000-000000000000", "--evidence", evidence)
        assert (ended.code, ended.out) == (COULD_NOT_TELL, "")
        assert "not in the evidence folder" in ended.err


def test_without_credentials_the_event_alone_is_explained_and_the_remedy_is_named() -> None:
    ended = guardian("explain", "event", EVENT)
    assert ended.code == FINDING
    assert "certainty: suspected" in ended.out and "sts:AssumeRole" in ended.out
    assert (
        "no usable AWS credentials were found: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give --evidence DIR"
        in ended.err
    )
    ended = guardian("explain", "job", *JOB)
    assert (ended.code, ended.out) == (COULD_NOT_TELL, "")
    assert "no usable AWS credentials were found" in ended.err
