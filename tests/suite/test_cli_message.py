"""`guardian explain message`, the contract: each line is answered, in order and at once; the true cause is among the candidates."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import pytest

from .command import BINARY, ENVIRONMENT, EXAMPLES, FINE, USAGE, Ended, compare, guardian
from .organization import ROOT

FACTS = ROOT / "tests" / "facts"
CORPUS = (FACTS / "failure-messages.jsonl").read_text(encoding="utf-8")
RECORDS = [json.loads(line) for line in CORPUS.splitlines()]
DECIDABLE = {
    line for line in (FACTS / "decidable.txt").read_text(encoding="utf-8").splitlines() if line.startswith("fm-")
}

Json = dict[str, Any]


def ask(*questions: Json | str | bytes, form: str = "json") -> Ended:
    lines = [
        each if isinstance(each, bytes) else (each if isinstance(each, str) else json.dumps(each)).encode()
        for each in questions
    ]
    return guardian("explain", "message", "--format", form, stdin=b"\n".join(lines) + b"\n")


@pytest.fixture(scope="module")
def answers() -> list[Json]:
    ended = guardian("explain", "message", stdin=CORPUS)
    assert (ended.code, ended.err) == (FINE, "")
    return ended.lines()


def causes(answer: Json) -> list[str]:
    return [candidate["cause"] for candidate in answer["candidates"]]


def test_every_record_is_answered_in_its_place(answers: list[Json]) -> None:
    assert [answer["id"] for answer in answers] == [record["id"] for record in RECORDS]


def test_an_answer_has_what_the_contract_says(answers: list[Json]) -> None:
    for answer in answers:
        assert {"id", "candidates", "decidable", "needs"} <= set(answer)
        assert 1 <= len(answer["candidates"]) <= 4
        assert len(set(causes(answer))) == len(answer["candidates"])
        likelihoods = [candidate["likelihood"] for candidate in answer["candidates"]]
        assert abs(sum(likelihoods) - 1) <= 1e-9, answer
        assert all(0 < likelihood <= 1 for likelihood in likelihoods)
        assert likelihoods == sorted(likelihoods, reverse=True), "the best comes first"
        assert isinstance(answer["decidable"], bool)
        assert answer["needs"] == sorted(set(answer["needs"]))
        assert answer["decidable"] == (not answer["needs"]), answer


def test_the_true_cause_is_among_the_candidates_wherever_the_source_states_it(answers: list[Json]) -> None:
    stated = [
        (record, answer) for record, answer in zip(RECORDS, answers, strict=True) if record["label_basis"] == "stated"
    ]
    assert len(stated) > 50
    missed = [
        (record["id"], record["cause"], causes(answer))
        for record, answer in stated
        if record["cause"] not in causes(answer)
    ]
    assert not missed


def test_what_can_be_decided_has_its_cause_first(answers: list[Json]) -> None:
    decidable = [(record, answer) for record, answer in zip(RECORDS, answers, strict=True) if record["id"] in DECIDABLE]
    assert len(decidable) == len(DECIDABLE) > 50
    missed = [
        (record["id"], record["cause"], causes(answer))
        for record, answer in decidable
        if causes(answer)[0] != record["cause"]
    ]
    # The contract asks for nine of ten. All of them are right today; a miss is a step back that somebody must decide on.
    assert not missed
    assert all(answer["decidable"] for _, answer in decidable)


def test_what_cannot_be_decided_is_not_called_decided(answers: list[Json]) -> None:
    assert not [answer["id"] for answer in answers if answer["decidable"] and answer["id"] not in DECIDABLE]


def test_the_same_question_always_gets_the_same_bytes() -> None:
    first = guardian("explain", "message", stdin=CORPUS).out
    assert guardian("explain", "message", stdin=CORPUS).out == first
    backwards = "\n".join(reversed(CORPUS.splitlines()))
    assert list(reversed(guardian("explain", "message", stdin=backwards).out.splitlines())) == first.splitlines()
    file = guardian("explain", "message", FACTS / "failure-messages.jsonl").out
    assert file == guardian("explain", "message", "-", stdin=CORPUS).out == first


# --- Facts -----------------------------------------------------------------------------------------------------------------------------

AMBIGUOUS = {
    "id": 1,
    "job": "copy",
    "state": "FAILED",
    "resource_type": "EBS",
    "message": "Given key ID is not accessible",
}


def with_facts(**facts: Any) -> Json:
    (answer,) = ask({**AMBIGUOUS, "facts": facts}).lines()
    return answer


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        (
            {"crosses_accounts": True, "key_manager": "CUSTOMER", "key_state": "Enabled"},
            "kms-key-policy-missing-destination",
        ),
        ({"crosses_accounts": True, "key_manager": "AWS"}, "source-key-aws-managed"),
        ({"crosses_accounts": True, "key_state": "Disabled"}, "kms-key-unusable"),
        ({"crosses_accounts": True, "key_state": "PendingDeletion"}, "kms-key-unusable"),
        ({"crosses_accounts": False, "key_state": "Enabled"}, "kms-role-permission-missing"),
    ],
    ids=str,
)
def test_facts_of_the_job_settle_what_the_text_leaves_open(facts: Json, cause: str) -> None:
    assert not with_facts()["decidable"]
    answer = with_facts(**facts)
    assert causes(answer)[0] == cause and answer["decidable"] and answer["needs"] == []


def test_a_fact_that_is_known_is_not_asked_for() -> None:
    assert {"crosses_accounts", "fully_managed", "kms:DescribeKey"} <= set(with_facts()["needs"])
    assert "fully_managed" not in with_facts(fully_managed=False)["needs"]
    assert "crosses_accounts" not in with_facts(crosses_accounts=True)["needs"]
    assert "kms:DescribeKey" not in with_facts(key_manager="CUSTOMER", key_state="Enabled")["needs"]


def test_other_facts_are_honoured() -> None:
    region = {"job": "copy", "state": "FAILED", "resource_type": "RDS"}
    message = "Copy job from eu-west-1 to us-east-2 cannot be initiated for RDS resources. Feature is not supported for provided resource type."
    (both,) = ask({**region, "message": message, "facts": {"crosses_accounts": True, "crosses_regions": True}}).lines()
    (one,) = ask({**region, "message": message, "facts": {"crosses_accounts": True, "crosses_regions": False}}).lines()
    assert causes(both)[0] == "unsupported-cross-account-cross-region" != causes(one)[0]
    denied = {"job": "copy", "state": "FAILED", "message": "The destination vault is encrypted with a default key"}
    (aws,) = ask({**denied, "facts": {"destination_key_manager": "AWS"}}).lines()
    (customer,) = ask({**denied, "facts": {"destination_key_manager": "CUSTOMER"}}).lines()
    assert causes(aws) == ["destination-vault-key-aws-managed"] and aws["decidable"]
    assert not customer["decidable"], "a fact that contradicts the text decides nothing"
    scans = [
        {"job": "scan", "state": "COMPLETED", "facts": {"scan_result": result}}
        for result in ("THREATS_FOUND", "NO_THREATS_FOUND")
    ]
    found, clean = ask(*scans).lines()
    assert causes(found) == ["threats-found"] and found["decidable"], "a result that suffices needs no text"
    assert "threats-found" not in causes(clean)


def test_a_misspelt_fact_is_not_lost_in_silence() -> None:
    assert with_facts(cross_accounts=True, key_manager="AWS")["ignored"] == ["facts.cross_accounts"]
    assert "ignored" not in with_facts(key_manager="AWS")


# --- Lines that are no questions -------------------------------------------------------------------------------------------------------

GOOD = {"id": "good", "message": "Rate exceeded"}
BAD: list[tuple[Json | str | bytes, Any, str]] = [
    ("nonsense", None, "not JSON at column 2"),
    ('{"id": 1, "message": "cut off', None, "not JSON at column"),
    ("[1, 2]", None, "a list, not an object"),
    ('"Rate exceeded"', None, "a text, not an object"),
    ({"id": 2, "message": 5}, 2, "`message` is a number: a text is expected"),
    ({"id": "3", "job": "sync"}, "3", "`job` is `sync`: `backup`, `copy`, `restore` or `scan` is expected"),
    (
        {"id": 4, "facts": {"crosses_accounts": "yes"}},
        4,
        "`facts.crosses_accounts` is a text: true or false is expected",
    ),
    (
        {"id": 5, "facts": {"key_manager": "me\x1b[2J"}},
        5,
        "`facts.key_manager` is `me\\u{1b}[2J`: `AWS` or `CUSTOMER` is expected",
    ),
    ({"id": 6, "facts": []}, 6, "`facts` is a list: an object is expected"),
    ({"id": 7, "resource_type": {}}, 7, "`resource_type` is an object: a text is expected"),
    ("[" * 10_000, None, "not JSON at column 128"),
    ('{"id": 8, "message": "' + "x" * 5_000_000 + '"}', None, "longer than 1 MiB"),
    (b"\xff\xfe\x00", None, "not JSON at column 1"),
]


@pytest.mark.parametrize(("bad", "name", "error"), BAD, ids=[error for _, _, error in BAD])
def test_a_bad_line_is_answered_with_its_number_and_the_rest_goes_on(bad: Any, name: Any, error: str) -> None:
    ended = ask(GOOD, "", bad, GOOD)
    first, answer, last = ended.lines()
    assert first == last and first["id"] == "good" and first["candidates"]
    assert answer["line"] == 3 and error in answer["error"]
    assert answer.get("id") == name and ("id" in answer) == (name is not None)
    assert "candidates" not in answer
    assert ended.code == USAGE
    assert ended.err == "guardian: 1 of 4 lines could not be read: --help shows what a line holds\n"
    text = ask(GOOD, "", bad, GOOD, form="text")
    assert text.code == USAGE and len(text.out.splitlines()) == 3 and "\x1b" not in text.out


def test_empty_lines_empty_questions_and_odd_line_ends_are_fine() -> None:
    ended = guardian(
        "explain",
        "message",
        stdin=b'\xef\xbb\xbf{"id": 1}\r\n\r\n \t\n{"id": null, "message": null, "job": ""}\n{"id": [2]}',
    )
    assert (ended.code, ended.err) == (FINE, "")
    assert [answer.get("id") for answer in ended.lines()] == [1, None, [2]]
    assert all(causes(answer) == ["unexplained"] for answer in ended.lines())
    for nothing in (b"", b"\n\n"):
        ended = guardian("explain", "message", stdin=nothing)
        assert (ended.code, ended.out, ended.err) == (FINE, "", "")


def test_each_line_is_answered_before_the_next_is_waited_for() -> None:
    process = subprocess.Popen(
        [BINARY, "explain", "message"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True
    )
    assert process.stdin and process.stdout
    # An answer that is kept back would block for ever.
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    for number in range(3):
        process.stdin.write(json.dumps({"id": number, "message": "Rate exceeded"}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == number
    process.stdin.close()
    assert process.wait(timeout=60) == FINE
    watchdog.cancel()


def test_the_text_form_reads_as_it_was_kept() -> None:
    example = guardian("explain", "message", "messages.jsonl", "--format", "text", cwd=EXAMPLES)
    asked = ask(
        {"id": "\x1b[2J", "message": "Rate exceeded"},
        "nonsense",
        {"id": 4, "job": "sync"},
        {"facts": {"a\nb": 1}},
        form="text",
    )
    assert (example.code, asked.code) == (FINE, USAGE)
    assert "\x1b" not in asked.out and len(asked.out.splitlines()) == 4
    compare("message", example.transcript() + "\n" + asked.transcript())
