"""Runs checkov over the templates, what is made under a condition included, and holds its exceptions to their bounds.

    .venv-checkov/bin/python scripts/lint_checkov.py template.yaml deploy/*.yaml

checkov leaves out what the defaults of the parameters do not make, so it is shown copies of the templates without those conditions. The exceptions
are in .checkov.yaml, each under the comment that gives its reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / ".checkov.yaml"
MOST_EXCEPTIONS = 4
# Shorter is no reason.
LEAST_REASON = 60


class Refused(Exception):
    """What is wrong, in a sentence."""


def exceptions(text: str) -> dict[str, str]:
    """The excepted checks, each with the reason that the comment above it gives."""
    _, begin, listed = text.partition("\nskip-check:\n")
    found: dict[str, str] = {}
    reason: list[str] = []
    for line in listed.splitlines() if begin else []:
        if comment := re.fullmatch(r"\s*# (.*)", line):
            reason.append(comment[1])
        elif entry := re.fullmatch(r"\s*- (CKV2?_\w+)", line):
            if entry[1] in found:
                raise Refused(f"`{entry[1]}` is excepted twice: leave one of them out")
            found[entry[1]], reason = " ".join(reason), []
        else:
            raise Refused(
                f"`{line}` of {CONFIG.name} is neither a check nor a reason: after skip-check there is nothing else"
            )
    return found


def check_exceptions(found: dict[str, str]) -> None:
    if len(found) > MOST_EXCEPTIONS:
        raise Refused(f"{len(found)} checks are excepted, {MOST_EXCEPTIONS} may be: mend the templates instead")
    for check, reason in found.items():
        if len(reason) < LEAST_REASON:
            raise Refused(f"the exception `{check}` has no reason: write it as a comment above it")


def without_conditions(template: str) -> str:
    """A template that makes everything; the lines keep their numbers."""
    return re.sub(r"(?m)^    Condition: \w+$", "    # made in any case", template)


def findings(templates: list[Path]) -> dict[str, list[str]]:
    """Every failed check of checkov's default set, with the resources."""
    with tempfile.TemporaryDirectory() as folder:
        shown = []
        for path in templates:
            copy = Path(folder) / path.resolve().relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(without_conditions(path.read_text(encoding="utf-8")), encoding="utf-8")
            shown.append(str(copy.relative_to(folder)))
        checkov = Path(sys.executable).with_name("checkov")
        # Not with the config of the project, which would leave the exceptions out: they are counted here.
        options = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact", "--output", "json"]
        command = [sys.executable, str(checkov), *options, "--soft-fail", "--file", *shown]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
        summary = report["summary"]
    except (ValueError, KeyError, TypeError):
        raise Refused(f"checkov gave no report:\n{done.stdout[-2000:]}{done.stderr[-2000:]}") from None
    if summary["parsing_errors"]:
        raise Refused(f"checkov could not read {summary['parsing_errors']} of the templates")
    if summary["skipped"]:
        raise Refused(f"a template skips {summary['skipped']} checks by itself: exceptions stand in {CONFIG.name} only")
    if not summary["passed"]:
        raise Refused("checkov looked at nothing")
    found = defaultdict(list)
    for failed in report["results"]["failed_checks"]:
        where = f"{failed['file_path'].lstrip('/')}:{failed['file_line_range'][0]} {failed['resource']}"
        found[failed["check_id"]].append(f"{where}: {failed['check_name']}")
    return dict(sorted(found.items()))


def main(arguments: list[str]) -> int:
    try:
        excepted = exceptions(CONFIG.read_text(encoding="utf-8"))
        check_exceptions(excepted)
        found = findings([Path(each) for each in arguments])
        if unneeded := sorted(excepted.keys() - found.keys()):
            raise Refused(f"the exception `{unneeded[0]}` is needed by nothing any more: take it out of {CONFIG.name}")
    except Refused as problem:
        print(problem, file=sys.stderr)
        return 2
    wrong = {check: where for check, where in found.items() if check not in excepted}
    for check, places in wrong.items():
        print(*(f"{check} {place}" for place in sorted(places)), sep="\n")
    covered = ", ".join(f"{check} ({len(found[check])})" for check in sorted(excepted))
    print(f"checkov: {sum(map(len, wrong.values()))} findings; excepted with a reason: {covered}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
