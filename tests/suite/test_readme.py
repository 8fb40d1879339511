"""README.md does not lie: its commands run, its paths exist, its transcript is what the demo prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from . import demo
from .command import BINARY, COULD_NOT_TELL, ENVIRONMENT, FINDING, FINE, redacted
from .organization import ROOT, Inbox, Lab, ebs_route, key_policy

README = ROOT / "README.md"
COLUMNS = 100
# What a reader of the README can do without; what was not seen in time differs from machine to machine.
LEFT_OUT = ("HOW TO CONFIRM", "SEEN", "GAPS")
TRANSCRIPT = re.compile(
    r"(?<=<!-- transcript: )(?P<head>[^\n]*-->\n```\n)(?P<text>.*?)(?=```\n<!-- end of transcript -->)", re.DOTALL
)


def readme() -> str:
    return README.read_text(encoding="utf-8")


# --- The transcript --------------------------------------------------------------------------------------------------------------------


def told(lab: Lab, capsys: pytest.CaptureFixture[str]) -> str:
    """The e-mail as the demo shows it."""
    assert demo.tell(lab) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    subject = re.search(r"^ {3}(Subject: .*)$", shown, re.MULTILINE)
    assert subject
    body = [line[5:] for line in shown.splitlines() if line.startswith("   |")]
    return "\n".join([subject[1], "", *body]) + "\n"


def sections(mail: str) -> dict[str, str]:
    """The parts of a message by heading; the first has none."""
    parts = re.split(r"\n(?=[A-Z][A-Z ]+\n)", mail)
    return {(part.split("\n")[0] if number else ""): part for number, part in enumerate(parts)}


def shortened(mail: str) -> str:
    """What the README shows of it: `[…]` stands for what is left out."""
    kept: list[str] = []
    for heading, part in sections(mail).items():
        if heading not in LEFT_OUT:
            kept.append(part)
        elif kept[-1] != "[…]\n":
            kept.append("[…]\n")
    return "".join(f"{cut(line)}\n" for line in "\n".join(kept).splitlines())


def cut(line: str) -> str:
    if len(line) > COLUMNS:
        line = line.replace("aws-service-role/backup.amazonaws.com", "[…]")
    if len(line) > COLUMNS:
        # At a blank, or within a link: an id that is cut looks like another one.
        line = re.sub(r"^( *\S{0,2} *https:\S*/)\S*$", r"\1[…]", line)
    if len(line) > COLUMNS:
        line = f"{line[: COLUMNS - 4].rsplit(' ', 1)[0]} […]"
    return line


@pytest.mark.usefixtures("watching")
def test_the_transcript_is_what_the_demo_prints(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    mail = told(lab, capsys)
    found = TRANSCRIPT.search(readme())
    assert found, "README.md has no transcript"
    if os.environ.get("BLESS") == "1" and redacted(found["text"]) != redacted(shortened(mail)):
        README.write_text(readme().replace(found[0], f"{found['head']}{shortened(mail)}", 1), encoding="utf-8")
        found = TRANSCRIPT.search(readme())
        assert found
    text = found["text"]
    assert all(len(line) <= COLUMNS for line in text.splitlines())
    written, today = sections(redacted(text)), sections(redacted(shortened(mail)))
    # A slow machine may not see in time who changed the key; the alert says so then.
    late = {heading for heading in ("WHAT CHANGED",) if heading not in today and "GAPS" in sections(mail)}
    assert list(written) == [heading for heading in written if heading in today or heading in late]
    assert {heading: written.get(heading) for heading in today} == today, "BLESS=1 shows what the alert says today"


# --- Commands and paths ----------------------------------------------------------------------------------------------------------------


def commands() -> list[str]:
    """The `guardian` commands of the page, without their remarks."""
    # Every block is taken as a whole, or the end of one of another language would count as a beginning.
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", readme(), re.DOTALL | re.MULTILINE)
    plain = [block for language, block in blocks if not language]
    lines = [line for block in plain for line in block.splitlines() if line.startswith("guardian ")]
    return [re.sub(r" {2,}#.*", "", line) for line in lines]


LIVE = re.compile(r"replay|preflight|collect|sweep|topology|incidents|JOB_ID")


def run(command: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    shell = f"PATH={shlex.quote(str(BINARY.parent))}:$PATH; {command}"
    return subprocess.run(
        ["bash", "-c", shell], cwd=cwd, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=120
    )


def test_the_page_has_commands_of_every_kind() -> None:
    kinds = {" ".join(command.split()[:3]) for command in commands()}
    assert {"guardian explain event", "guardian explain job", "guardian explain message"} <= kinds
    assert {"guardian policy eval", "guardian policy patch"} <= kinds
    assert {"guardian replay", "guardian preflight", "guardian collect", "guardian sweep", "guardian topology"} <= {
        " ".join(kind.split()[:2]) for kind in kinds
    }


@pytest.mark.parametrize("command", [each for each in commands() if not LIVE.search(each)])
def test_a_command_that_needs_no_account_runs_as_it_is_written(command: str) -> None:
    ended = run(command, ROOT, {})
    assert ended.returncode in (FINE, FINDING), ended.stderr
    assert ended.stdout and not ended.stderr


def test_the_other_commands_run_as_they_are_written_in_the_lab(lab: Lab, inbox: Inbox, tmp_path: Path) -> None:
    route = ebs_route(lab)
    route.back_up()
    route.put_key_policy(key_policy(route.source))
    job = route.copy()
    assert job["State"] == "FAILED"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for command in [each for each in commands() if LIVE.search(each)]:
        # A lab has no limits that a sweep must keep below.
        written = command.replace("JOB_ID", job["CopyJobId"]) + (
            " --pace 100" if re.search("sweep|verify|graph", command) else ""
        )
        ended = run(written, tmp_path, {"AWS_ENDPOINT_URL": lab.endpoint})
        # What other tests left in this lab may not all be decidable.
        undecided = re.search(r"preflight|collect|sweep|topology", command)
        fine = (FINE, FINDING, COULD_NOT_TELL) if undecided else (FINE, FINDING)
        assert ended.returncode in fine, f"{command}: {ended.stdout} {ended.stderr}"
        assert ended.stdout and "sts:AssumeRole" not in ended.stdout + ended.stderr, "nobody is locked out of a lab"


PAGES = [
    README,
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    ROOT / "docs" / "rules.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", text) if not path.startswith("https://")]
    missing = [path for path in linked if not (page.parent / path).exists()]
    folders = [
        each.name for each in ROOT.iterdir() if each.is_dir() and not each.name.startswith((".", "target", "dist"))
    ]
    named = re.findall(rf"(?<![\w./-])(?:{'|'.join(sorted(folders))})/[\w./-]*\w", text)
    # `aws/ebs` and the like are keys of AWS.
    missing += [path for path in named if not re.fullmatch(r"aws/[a-z]+", path) and not (ROOT / path).exists()]
    assert not missing


def test_every_verb_that_a_page_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        named |= set(re.findall(r"^ *make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= verbs, page
