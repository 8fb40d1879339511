"""What checkov finds may be excepted four times, with reasons; `make check` runs it."""

from __future__ import annotations

import lint_checkov
import pytest

from .deployed import ROOT, TEMPLATES, resources

CONFIG = (ROOT / ".checkov.yaml").read_text(encoding="utf-8")
REASON = "  # " + "because it is so for a reason that can be read and judged by others " * 2


def config(*checks: str, reason: str = REASON) -> str:
    return "framework: [cloudformation]\nskip-check:\n" + "".join(f"{reason}\n  - {check}\n" for check in checks)


def test_the_exceptions_are_few_and_have_reasons() -> None:
    found = lint_checkov.exceptions(CONFIG)
    assert found and len(found) <= 4
    lint_checkov.check_exceptions(found)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (config(*(f"CKV_AWS_{number}" for number in range(5))), "5 checks are excepted"),
        (config("CKV_AWS_1", reason="  # no"), "`CKV_AWS_1` has no reason"),
        (config("CKV_AWS_1", "CKV_AWS_1"), "excepted twice"),
        (config("CKV_AWS_1") + "  - '*'\n", "neither a check nor a reason"),
        (config("CKV_AWS_1") + "check: [CKV_AWS_2]\n", "neither a check nor a reason"),
    ],
)
def test_other_exceptions_are_refused(text: str, wrong: str) -> None:
    with pytest.raises(lint_checkov.Refused, match=wrong):
        lint_checkov.check_exceptions(lint_checkov.exceptions(text))


def test_what_is_made_under_a_condition_is_looked_at_too() -> None:
    text = TEMPLATES["guardian"].read_text(encoding="utf-8")
    shown = lint_checkov.without_conditions(text)
    conditional = [
        body for type_ in ("AWS::SNS::Topic", "AWS::IAM::Policy") for body in resources("guardian", type_).values()
    ]
    assert any("Condition" in body for body in conditional)
    assert "\n    Condition: " in text and "\n    Condition: " not in shown
    assert len(shown.splitlines()) == len(text.splitlines())


def test_make_check_runs_it_over_every_template() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = (line for line in makefile.splitlines() if "lint_checkov.py" in line)
    assert line.endswith("$(TEMPLATES)")
    assert "\nTEMPLATES := template.yaml $(wildcard deploy/*.yaml)\n" in makefile
