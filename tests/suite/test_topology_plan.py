"""`guardian topology plan` without AWS: what it writes fits the templates and the AWS CLI, runs in its order, and bad answers are told by their field."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from samtranslator.yaml_helper import yaml_parse

from .cli_arguments import request
from .command import BINARY, ENVIRONMENT, FINE, USAGE, Ended, guardian
from .organization import ROOT, Json

ACKNOWLEDGED = {"mode": "compliance", "acknowledgement": "nobody can undo this lock"}
UNIT = "ou-ab12-11111111"


def example() -> Json:
    return guardian("topology", "plan", "--example").json()


def merged(answers: Json, changes: Json) -> Json:
    """A JSON merge patch."""
    for name, value in changes.items():
        if value is None:
            answers.pop(name, None)
        elif isinstance(value, dict):
            answers[name] = merged(answers.get(name) or {}, value)
        else:
            answers[name] = value
    return answers


def plan(answers: Json, folder: Path, *arguments: str) -> Ended:
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
    return guardian("topology", "plan", "answers.json", *arguments, cwd=folder)


def template(path: str) -> Json:
    return yaml_parse((ROOT / path).read_text(encoding="utf-8"))


# Every answer is somewhere given and somewhere left out.
ANSWERS: dict[str, Json] = {
    "the example": {},
    "what must be said and no more": {
        "backup": {"region": None, "lock": None},
        "policies": [{}],
        "guardian": {"region": None, "alert_email": None, "operations_email": None},
        "delegated_administrator": None,
    },
    "everything": {
        "sources": {
            "vault": "Nightly_1",
            "role": "a+b=c,d.e@f-g_h",
            "volume_key_alias": "team/volumes_1-a",
            "make_role": False,
            "volumes_use_the_key": False,
        },
        "backup": {
            "vault": "v" * 50,
            "admit": ["o-exampleorgid/r-ab12/ou-ab12-11111111/*", "o-exampleorgid/r-ab12/ou-ab12-22222222/"],
            "lock": ACKNOWLEDGED | {"min_days": 1, "max_days": 36500, "grace_days": 3},
            "lock_": None,
            "break_glass_role": "glass",
            "copy_back_role": "back",
            "notification_email": "on.call+backup@example.co.uk",
        },
        "policies": [
            {
                "name": "gold",
                "targets": [UNIT, "111111111111"],
                "tag": {"key": "backup:class", "values": ["gold", "gold plus"]},
                "daily": {"schedule": "cron(15 1,13 ? * MON-FRI *)", "keep_days": 1, "keep_copies_days": 36500},
                "weekly": {},
                "monthly": {"keep_copies_days": 2555},
                "start_within_minutes": 480,
                "complete_within_minutes": 10080,
            },
            {"name": "silver", "targets": ["ou-ab12-22222222"]},
        ],
        "protect": {"sources": False, "backup_account": False},
        "resource_types": ["EBS", "Storage Gateway"],
    },
    "an air-gapped vault": {"backup": {"air_gapped_vault": "air-gap", "lock": {"acknowledgement": ACKNOWLEDGED["acknowledgement"]}}},
    "the whole organization": {"sources": {"targets": ["r-ab12"]}, "backup": {"region": None}},
    "guardian and copies in one account": {"guardian": {"account": "222222222222"}},
}  # fmt: skip


@pytest.fixture(params=ANSWERS, ids=lambda name: name.replace(" ", "-"))
def planned(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Json, Path]:
    ended = plan(
        merged(example(), copy.deepcopy(ANSWERS[request.param])), tmp_path, "--out", "setup", "--format", "json"
    )
    assert ended.code == FINE, ended.err
    return ended.json(), tmp_path / "setup"


# --- Parameters ------------------------------------------------------------------------------------------------------


def refused(parameters: Json, value: str, name: str) -> str | None:
    """Why CloudFormation would not take a value."""
    declared = parameters.get(name)
    if declared is None:
        return "no parameter of this name"
    values = value.split(",") if declared["Type"] == "CommaDelimitedList" else [value]
    if "AllowedPattern" in declared and not all(
        re.fullmatch(declared["AllowedPattern"], one, re.ASCII) for one in values
    ):
        return f"`{value}` does not match {declared['AllowedPattern']}"
    if "AllowedValues" in declared and not set(values) <= {str(one) for one in declared["AllowedValues"]}:
        return f"`{value}` is none of {declared['AllowedValues']}"
    if declared["Type"] == "Number":
        low, high = float(declared.get("MinValue", "-inf")), float(declared.get("MaxValue", "inf"))
        return None if low <= float(value) <= high else f"{value} is not from {low} to {high}"
    return None


def test_every_parameter_is_one_of_its_template_and_none_is_missing(planned: tuple[Json, Path]) -> None:
    machine, folder = planned
    assert {stack["template"] for stack in machine["stacks"]} == {
        "template.yaml", *(f"deploy/{one.name}" for one in (ROOT / "deploy").glob("*.yaml"))
    }  # fmt: skip
    for stack in machine["stacks"]:
        listed = json.loads((folder / stack["file"]).read_text(encoding="utf-8"))
        pairs = [
            (one["ParameterKey"], one["ParameterValue"]) if isinstance(one, dict) else one.split("=", 1)
            for one in listed
        ]
        given = dict(pairs)
        assert given == stack["parameters"] and len(given) == len(listed)
        declared = template(stack["template"])["Parameters"]
        wrong = {name: why for name, value in given.items() if (why := refused(declared, value, name))}
        assert not wrong, stack["name"]
        assert {name for name, one in declared.items() if "Default" not in one} <= set(given), stack["name"]


def test_the_file_for_make_deploy_says_the_same(planned: tuple[Json, Path]) -> None:
    import tomllib

    machine, folder = planned
    deploy = tomllib.loads((folder / "samconfig.toml").read_text(encoding="utf-8"))["default"]["deploy"]["parameters"]
    sample = tomllib.loads((ROOT / "samconfig.toml.example").read_text(encoding="utf-8"))["default"]["deploy"][
        "parameters"
    ]
    (stack,) = [stack for stack in machine["stacks"] if stack["template"] == "template.yaml"]
    assert dict(one.split("=", 1) for one in deploy["parameter_overrides"]) == stack["parameters"]
    decided = {"parameter_overrides", "region"}
    assert {name: value for name, value in deploy.items() if name not in decided} == {
        name: value for name, value in sample.items() if name not in decided
    }


EDGES = [
    # field, what the template and the plan both take, what neither takes
    ("sources.vault", "source-backup", "VaultName", ["ab", "a" * 50, "A_b-9"], ["a", "a" * 51, "a b", "ä-vault"]),
    ("sources.role", "source-backup", "RoleName", ["r", "r" * 64, "_+=,.@-"], ["", "r" * 65, "a/b", "ü"]),
    ("sources.volume_key_alias", "source-backup", "VolumeKeyAlias", ["a", "a/b_c-d", "k" * 200], ["", "k" * 201, "a.b"]),
    ("backup.vault", "backup-account", "VaultName", ["ab", "a" * 50], ["a", "a" * 51, "a.b"]),
    ("backup.break_glass_role", "backup-account", "BreakGlassRoleName", ["r", "r" * 64], ["r" * 65, "a b"]),
    ("backup.notification_email", "backup-account", "NotificationEmail", ["a@b.c", "o'brien+x@b.c"], ["a@b", "a b@c.d", "@b.c", '"a"@b.c', "a\\b@c.d", "a@b.c\\"]),
    ("organization.id", "backup-account", "OrganizationId", ["o-0123456789", "o-" + "a" * 32], ["o-012345678", "O-0123456789"]),
    ("backup.account", "source-backup", "BackupAccountId", ["222222222222"], ["22222222222", "2222222222222", "a22222222222"]),
    ("guardian.region", "agent-global", "HubRegion", ["eu-central-1", "ap-southeast-7"], ["eu-central-10", "eucentral1", "eu-1"]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "name", "parameter", "good", "bad"), EDGES, ids=[edge[0] for edge in EDGES])
def test_answers_and_templates_draw_the_line_at_the_same_place(
    tmp_path: Path, field: str, name: str, parameter: str, good: list[str], bad: list[str]
) -> None:
    declared = template(f"deploy/{name}.yaml")["Parameters"]
    outer, inner = field.split(".")
    for value in [*good, *bad]:
        ended = plan(merged(example(), {outer: {inner: value}}), tmp_path, "--format", "json")
        fits = refused(declared, value, parameter) is None
        # Two empty texts mean "none" to a template; an answer is left out then.
        assert (ended.code == FINE) == (value in good), (value, ended.err)
        assert fits == (value in good), (value, declared[parameter])
        assert ended.code == FINE or f"`{field}` is `" in ended.err


# Where a text of the answers stands in what is written: in the file of a stack, or in a command.
TEXTS: dict[str, tuple[str, tuple[str, str] | None]] = {
    "organization.id": ("o-exampleorgid", ("backup-account", "OrganizationId")),
    "organization.root_id": ("r-ab12", None),
    "sources.vault": ("local-backups", ("source-backup", "VaultName")),
    "sources.role": ("backup-jobs", ("source-backup", "RoleName")),
    "sources.volume_key_alias": ("volumes", ("source-backup", "VolumeKeyAlias")),
    "backup.vault": ("central-backups", ("backup-account", "VaultName")),
    "backup.break_glass_role": ("break-glass", ("backup-account", "BreakGlassRoleName")),
    "backup.copy_back_role": ("copy-back", ("backup-account", "CopyBackRoleName")),
    "backup.break_glass_principal": (
        "arn:aws:iam::222222222222:user/people/two",
        ("backup-account", "BreakGlassPrincipalArn"),
    ),
    "backup.air_gapped_vault": ("air-gap", ("backup-account", "AirGappedVaultName")),
    "backup.notification_email": ("copies@example.com", ("backup-account", "NotificationEmail")),
    "backup.admit[0]": ("o-exampleorgid/r-ab12/ou-ab12-11111111/*", ("backup-account", "OrganizationPaths")),
    "guardian.alert_email": ("on-call@example.com", ("backup-guardian", "AlertEmail")),
    "guardian.operations_email": ("platform@example.com", ("backup-guardian", "OperationsEmail")),
    "policies[0].name": ("nightly", None),
    "policies[0].targets[0]": ("ou-ab12-11111111", None),
    "policies[0].tag.key": ("backup", ("backup-policy-*", "TagKey")),
    "policies[0].tag.values[0]": ("daily", ("backup-policy-*", "TagValues")),
    "policies[0].daily.schedule": ("cron(0 5 ? * * *)", ("backup-policy-*", "DailySchedule")),
    "resource_types[0]": ("EBS", None),
}
# What means something to a shell, to TOML, to JSON, to the CLI's short forms, to a template or to a terminal.
STRANGE = [*"\"'\\$`;&|<>(){}[]#%!*?~^,=:@ /._+-", "\t", "\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u202e", "\u2028", "é", "${AWS::Region}"]  # fmt: skip


def answered(texts: dict[str, str]) -> Json:
    """The example with these texts, each at its field."""
    answers = merged(example(), {"backup": {"lock": {"acknowledgement": ACKNOWLEDGED["acknowledgement"]}}})
    for field, text in texts.items():
        at: Any = answers
        *way, last = re.sub(r"\[0\]", ".0", field).split(".")
        for step, then in zip(way, [*way[1:], last], strict=True):
            inside: Any = [""] if then == "0" else {}
            at = at[0] if step == "0" else at.setdefault(step, inside)
        at[0 if last == "0" else last] = text
    return answers


def check_written(folder: Path, texts: dict[str, str]) -> None:
    """Every file parses, all say the same, and each text is there as it was answered."""
    import tomllib

    machine = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    stacks = {stack["name"]: stack["parameters"] for stack in machine["stacks"]}
    for stack in machine["stacks"]:
        listed = json.loads((folder / stack["file"]).read_text(encoding="utf-8"))
        pairs = [
            (one["ParameterKey"], one["ParameterValue"]) if isinstance(one, dict) else one.split("=", 1)
            for one in listed
        ]
        assert dict(pairs) == stack["parameters"]
    deploy = tomllib.loads((folder / "samconfig.toml").read_text(encoding="utf-8"))["default"]["deploy"]["parameters"]
    assert dict(one.split("=", 1) for one in deploy["parameter_overrides"]) == stacks["backup-guardian"]
    for field, text in texts.items():
        if (at := TEXTS[field][1]) is not None:
            names = [name for name in stacks if fnmatchcase(name, at[0])]
            assert names and {stacks[name][at[1]] for name in names} == {text}, (field, text)
        else:
            words = [word for step in machine["steps"] for one in step["commands"] for word in one["command"]]
            parts = [stacks[name][key] for name in stacks for key in ("PolicyName", "TargetIds") if key in stacks[name]]
            assert any(text in word for word in [*words, *parts]), (field, text)
    script, page = ((folder / name).read_text(encoding="utf-8") for name in ("commands.sh", "plan.md"))
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    for shell, given in (("sh", script), ("bash", script), ("bash", blocks)):
        checked = subprocess.run([shell, "-n"], input=given, capture_output=True, text=True, env=os.environ)
        assert (checked.returncode, checked.stderr) == (0, ""), texts
    typed = [shlex.split(line) for line in script.splitlines() if line.startswith("  ") and " aws " in f" {line}"]
    for one in (one for step in machine["steps"] for one in step["commands"] if one["command"][0] == "aws"):
        here = [word.replace(f"file://{folder.name}/", "file://$plan/") for word in one["command"]]
        assert any(words[-len(here) :] == here for words in typed), one


def test_whatever_is_accepted_is_written_unchanged_into_files_that_can_be_read(tmp_path: Path) -> None:
    accepted: set[tuple[str, str]] = set()
    for number, strange in enumerate(STRANGE):
        for where in ("inside", "at the end"):
            texts = {
                field: text + strange if where == "at the end" else text[:-2] + strange + text[-2:]
                for field, (text, _) in TEXTS.items()
            }
            ended = plan(answered(texts), tmp_path, "--format", "json")
            refused = {field for field in TEXTS if f"`{field}` " in ended.err}
            assert (ended.code == FINE) == (not refused) and "\x1b" not in ended.err, ended.err
            fine = {field: text for field, text in texts.items() if field not in refused}
            accepted |= {(field, strange) for field in fine}
            folder = f"{number}-{len(where)}"
            given = {field: text for field, (text, _) in TEXTS.items()} | fine
            ended = plan(answered(given), tmp_path, "--out", folder)
            assert ended.code == FINE, (strange, where, ended.err)
            check_written(tmp_path / folder, given)
    for field in ("backup.notification_email", "guardian.alert_email", "guardian.operations_email"):
        taken = {strange for one, strange in accepted if one == field}
        assert not taken & {'"', "\\", "\n", "\r", "\x00", "\x1b", "\x7f", "\x85"} and {"'", "+", "$"} <= taken, field
    # The others have letters, digits and what is between the parts of an id, and nothing else.
    ids = {"organization.id", "organization.root_id", "policies[0].targets[0]", "backup.admit[0]"}
    assert {field for field, _ in accepted} >= set(TEXTS) - ids


# --- Commands --------------------------------------------------------------------------------------------------------


def test_every_command_is_one_of_the_aws_cli(planned: tuple[Json, Path]) -> None:
    machine, folder = planned
    for step in machine["steps"]:
        for one in step["commands"]:
            words = one["command"]
            if words[0] == "aws":
                request(words[1:], folder.parent)
        regions = {
            words[words.index("--region") + 1]
            for words in (one["command"] for one in step["commands"])
            if "--region" in words
        }
        assert len(regions) <= 1 and (not regions or "region" in step)


def test_the_page_and_the_script_have_every_command(planned: tuple[Json, Path]) -> None:
    machine, folder = planned
    page, script = ((folder / name).read_text(encoding="utf-8") for name in ("plan.md", "commands.sh"))
    blocks = re.findall(r"^```sh\n(export AWS_PROFILE=.*?)^```$", page, re.DOTALL | re.MULTILINE)
    profiles = {"333333333333": "MANAGEMENT_PROFILE", "222222222222": "BACKUP_PROFILE"}
    assert len(blocks) == len(machine["steps"])
    for step, block in zip(machine["steps"], blocks, strict=True):
        lines = [shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines()]
        # A block that is copied alone goes into its account.
        profile = profiles.get(step["account_id"], "GUARDIAN_PROFILE")
        assert lines[0] == ["export", f"AWS_PROFILE=${profile}"]
        assert [one["command"] for one in step["commands"]] == lines[1 : 1 + len(step["commands"])]
        assert f"Account {step['account_id']} ({step['account']}), {step.get('region', 'any Region')}. Why: " in page
    written = [shlex.split(line) for line in script.splitlines() if line.startswith("  ") and " aws " in f" {line}"]
    for one in (one for step in machine["steps"] for one in step["commands"] if one["command"][0] == "aws"):
        here = [word.replace("file://setup/", "file://$plan/") for word in one["command"]]
        assert any(words[-len(here) :] == here for words in written), one
    answers = json.loads((folder.parent / "answers.json").read_text(encoding="utf-8"))
    whole = (
        "GUARDIAN_ORGANIZATION_ROLE_ARN=arn:aws:iam::333333333333:role/backup-guardian-reader guardian topology verify"
    )
    for text in (page, script):
        (verify,) = re.findall(rf"{whole}(.*?)'?$", text, re.MULTILINE)
        for given in [f"--region {region}" for region in answers["regions"]] + ["--backup-account 222222222222"]:
            assert given in verify


FAKE = """#!/bin/sh
printf '%s|%s\\n' "$AWS_PROFILE" "$*" >> "$LOG"
case "$*" in
  *get-caller-identity*) cat "$ACCOUNTS/$AWS_PROFILE" ;;
  *create-stack-instances*) echo operation-1 ;;
  *describe-stack-set-operation*) echo SUCCEEDED ;;
  *list-stack-set-operation-results*"$LEFT_OUT "*) printf '111111111111\teu-west-1\tFAILED\tit is there\n' ;;
  *create-stack-set*"$THERE "*) echo "An error occurred (NameAlreadyExistsException)" >&2; exit 254 ;;
  *enable-policy-type*) echo "An error occurred (PolicyTypeAlreadyEnabledException)" >&2; exit 254 ;;
  *"$FAILS"*) echo "An error occurred (AccessDenied)" >&2; exit 254 ;;
esac
"""


class Shell:
    """A shell in which `aws` and `make` are written down, and nothing else happens."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        (folder / "bin").mkdir()
        (folder / "accounts").mkdir()
        for program in ("aws", "make"):
            (folder / "bin" / program).write_text(FAKE, encoding="utf-8")
            (folder / "bin" / program).chmod(0o755)
        for name, account in {"m": "333333333333", "b": "222222222222", "g": "444444444444"}.items():
            (folder / "accounts" / name).write_text(account, encoding="utf-8")
        for name in ("deploy", "template.yaml"):
            (folder / name).symlink_to(ROOT / name)

    def run(
        self,
        *arguments: str,
        fails: str = "nothing",
        there: str = "nothing",
        left_out: str = "nothing",
        plan: str = "setup",
        **profiles: str,
    ) -> subprocess.CompletedProcess[str]:
        self.log.write_text("", encoding="utf-8")
        given = {"MANAGEMENT_PROFILE": "m", "BACKUP_PROFILE": "b", "GUARDIAN_PROFILE": "g"} | profiles
        environment = (
            ENVIRONMENT
            | given
            | {"LOG": str(self.log), "ACCOUNTS": str(self.folder / "accounts"), "FAILS": fails}
            | {"THERE": f"--stack-set-name {there}", "LEFT_OUT": f"--stack-set-name {left_out}"}
        )
        environment["PATH"] = f"{self.folder / 'bin'}:{environment['PATH']}"
        return subprocess.run(
            ["sh", f"{plan}/commands.sh", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def called(self) -> list[tuple[str, str]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        calls = [tuple(line.split("|", 1)) for line in lines]
        return [(profile, words) for profile, words in calls if "get-caller-identity" not in words]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    assert plan(example(), tmp_path, "--out", "setup").code == FINE
    return Shell(tmp_path)


def test_the_script_does_every_step_in_its_order_with_the_right_profile(shell: Shell) -> None:
    machine = json.loads((shell.folder / "setup" / "plan.json").read_text(encoding="utf-8"))
    ended = shell.run()
    assert ended.returncode == 0, ended.stderr
    profile = {"333333333333": "m", "222222222222": "b", "444444444444": "g"}
    expected = [
        (profile[step["account_id"]], " ".join(one["command"][1:]))
        for step in machine["steps"] for one in step["commands"]
    ]  # fmt: skip
    waits = [words for _, words in shell.called() if "-stack-set-operation" in words]
    done = [(one, re.sub(r" --query OperationId --output text$", "", words)) for one, words in shell.called()]
    assert [call for call in done if "-stack-set-operation" not in call[1]] == expected
    assert len(waits) == 6 and all("--operation-id operation-1" in words for words in waits)
    assert ended.stdout.count("It was done before.") == 2
    assert ended.stdout.splitlines()[-1].endswith("--backup-account 222222222222")


def test_a_stack_set_that_is_there_is_told_at_the_end_and_an_account_that_it_left_out_is_an_error(shell: Shell) -> None:
    ended = shell.run(there="source-backup")
    assert ended.returncode == 1 and "All steps are done" not in ended.stdout
    # By the last step, although that one was none of the StackSet.
    assert shell.called()[-1][1].startswith("cloudformation deploy")
    (renew,) = re.findall(r"this makes it so: AWS_PROFILE=m (aws cloudformation update-stack-set .*)", ended.stderr)
    request(shlex.split(renew)[1:], shell.folder)
    assert "is not done" not in ended.stderr and "was not done" not in ended.stderr
    ended = shell.run(left_out="source-backup")
    assert ended.returncode != 0 and "111111111111\teu-west-1\tFAILED\tit is there" in ended.stderr
    (again, further) = re.findall(r'sh "setup/commands.sh" (\d+)', ended.stderr)[::-1]
    assert int(further) == int(again) + 1
    assert shell.run(further).returncode == 0


def test_a_plan_runs_from_wherever_it_was_made(tmp_path: Path) -> None:
    for name, where in (("elsewhere", "my set-up"), ("f", "f")):
        (tmp_path / name).mkdir()
        assert plan(example(), tmp_path / name, "--out", where).code == FINE
    here = tmp_path / "here"
    here.mkdir()
    shell = Shell(here)
    for made in ("../elsewhere/my set-up", "../f/f"):
        ended = shell.run(plan=made)
        assert ended.returncode == 0, ended.stderr
        words = [words for _, words in shell.called()]
        named = [
            file for each in words for file in re.findall(r"(?:file://|CONFIG_FILE=)(.*?\.(?:json|toml|yaml))", each)
        ]
        named = [file for file in named if not file.startswith("deploy/")]
        assert len(named) >= 9 and all(file.startswith(made) and (here / file).exists() for file in named), named
    (tmp_path / "f" / "f" / "parameters" / "source-backup.json").unlink()
    ended = shell.run(plan="../f/f")
    assert ended.returncode == USAGE and shell.called() == [] and "source-backup.json is missing" in ended.stderr


def test_the_script_does_nothing_in_a_wrong_account(shell: Shell) -> None:
    for variable, name, is_of, belongs in (
        ("MANAGEMENT_PROFILE", "b", "222222222222", "333333333333"),
        # One that is needed last.
        ("GUARDIAN_PROFILE", "m", "333333333333", "444444444444"),
    ):
        ended = shell.run(**{variable: name})
        assert ended.returncode != 0 and shell.called() == []
        assert f"the account of the profile {name} is {is_of}, and this belongs into {belongs}" in ended.stderr
    unset = subprocess.run(
        ["sh", "setup/commands.sh"], cwd=shell.folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert unset.returncode != 0 and "for account 222222222222, the backup account" in unset.stderr


def test_the_script_stops_at_the_first_error_and_goes_on_from_there(shell: Shell) -> None:
    ended = shell.run(fails="update-global-settings")
    assert (
        ended.returncode != 0 and 'step 5 was not done; when that is mended: sh "setup/commands.sh" 5' in ended.stderr
    )
    assert "update-global-settings" in shell.called()[-1][1]
    ended = shell.run("5")
    assert ended.returncode == 0 and "update-global-settings" in shell.called()[0][1]
    for wrong in ("first", "-1", "0", "99", "9" * 30):
        ended = shell.run(wrong)
        assert ended.returncode == USAGE and "a number from 1 to" in ended.stderr and shell.called() == []
    elsewhere = subprocess.run(
        ["sh", str(shell.folder / "setup" / "commands.sh")], cwd="/", env=ENVIRONMENT | dict.fromkeys(("MANAGEMENT_PROFILE", "BACKUP_PROFILE", "GUARDIAN_PROFILE"), "x"), capture_output=True, text=True
    )  # fmt: skip
    assert elsewhere.returncode == USAGE and "in the folder of Backup Guardian's repository" in elsewhere.stderr


def test_the_examples_of_the_help_run_as_they_are_written(tmp_path: Path) -> None:
    text = guardian("topology", "plan", "--help").out
    commands = [line.strip() for line in text.splitlines() if line.startswith("  guardian topology plan")]
    assert len(commands) >= 5
    for command in [one for one in commands if "--evidence" not in one]:
        shell = f"PATH={shlex.quote(str(BINARY.parent))}:$PATH; {command}"
        ended = subprocess.run(["bash", "-c", shell], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        assert ended.returncode == FINE, f"{command}: {ended.stderr}"
    assert (tmp_path / "setup" / "plan.md").exists()


def test_who_did_the_steps_of_the_readme_has_the_stacks_of_a_plan(tmp_path: Path) -> None:
    stacks = plan(example(), tmp_path, "--format", "json").json()["stacks"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--stack(?:-set)?-name (backup-guardian-[\w-]+)", text))
    assert named == {one["name"] for one in stacks if "/agent-" in one["template"]}


def test_every_region_of_aws_is_known(tmp_path: Path) -> None:
    """A typing error is told only because every other name is known."""
    endpoints = botocore.session.get_session().get_data("endpoints")
    # The answers want two letters in front, as in every Region that has this guardian's services.
    regions = [one for part in endpoints["partitions"] if part["partition"] == "aws" for one in part["regions"]]
    ended = plan(merged(example(), {"regions": regions}), tmp_path, "--format", "json")
    assert ended.code == FINE and not [one for one in ended.json()["notes"] if "is no Region" in one]


# --- What a person does wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backup": {"lock": {"mode": "compliance"}}}, "`backup.lock.acknowledgement` is missing"),
        ({"backup": {"acount": "x"}}, "`backup.acount` is not known"),
        ({"regions": None}, "`regions` is missing"),
        (
            {"policies": [{"daily": {"keep_days": 0}}]},
            "`policies[0].daily.keep_days` is `0`: expected is a number of days from 1 to 36500",
        ),
        ({"organization": {"id": "\x1b[2J"}}, "`organization.id` is `"),
    ],
)
def test_bad_answers_are_told_by_their_field_and_nothing_is_written(tmp_path: Path, changes: Json, says: str) -> None:
    ended = plan(merged(example(), changes), tmp_path, "--out", "setup")
    assert (ended.code, ended.out) == (USAGE, "") and says in ended.err and "\x1b" not in ended.err
    assert not (tmp_path / "setup").exists()


def test_what_is_no_file_of_answers_is_told(tmp_path: Path) -> None:
    for name, content in {"text": "hello", "list": "[]", "empty": ""}.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        ended = guardian("topology", "plan", name, cwd=tmp_path)
        assert ended.code == USAGE and name in ended.err, ended.err
    missing = guardian("topology", "plan", "nowhere.json", cwd=tmp_path)
    assert missing.code == USAGE and "`nowhere.json` does not exist" in missing.err
    nothing = guardian("topology", "plan", cwd=tmp_path)
    assert nothing.code == USAGE and "--example" in nothing.err


def test_a_plan_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    answers = example()
    assert plan(answers, tmp_path, "--out", "setup/").code == FINE
    assert "setup//" not in (tmp_path / "setup" / "plan.md").read_text(encoding="utf-8")
    before = {file: file.read_bytes() for file in (tmp_path / "setup").rglob("*") if file.is_file()}
    again = plan(answers, tmp_path, "--out", "setup")
    assert again.code == USAGE and "--force" in again.err
    (tmp_path / "setup" / "notes.txt").write_text("mine", encoding="utf-8")
    assert plan(answers, tmp_path, "--out", "setup", "--force").code == FINE
    assert {file: file.read_bytes() for file in before} == before and (tmp_path / "setup" / "notes.txt").exists()
    assert not (tmp_path / "setup" / ".unfinished").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder in ("file", "file/below", "/proc/setup"):
        ended = plan(answers, tmp_path, "--out", folder)
        assert ended.code == USAGE and ended.out == "" and f"`{folder}`" in ended.err, ended.err
    # Something stands where a file belongs: nothing of the rest is there either.
    (tmp_path / "half" / "plan.md").mkdir(parents=True)
    ended = plan(answers, tmp_path, "--out", "half", "--force")
    assert ended.code == USAGE and "nothing was changed" in ended.err
    assert [file.name for file in (tmp_path / "half").rglob("*") if file.is_file()] == []


def test_of_two_plans_that_are_written_at_once_one_is_whole_and_the_other_says_so(tmp_path: Path) -> None:
    names = {number: f"kept-{number}" for number in range(8)}
    for number, vault in names.items():
        answers = merged(example(), {"backup": {"vault": vault}})
        (tmp_path / f"{number}.json").write_text(json.dumps(answers), encoding="utf-8")
    for attempt in range(10):
        began = [
            subprocess.Popen(
                [BINARY, "topology", "plan", f"{number}.json", "--out", "setup", "--force"],
                cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for number in names
        ]  # fmt: skip
        ended = [(one.communicate(timeout=60)[1], one.returncode) for one in began]
        assert any(code == FINE for _, code in ended), ended
        for errors, code in ended:
            assert code == FINE or (
                code == USAGE and "has an unfinished plan" in errors and "setup/.unfinished" in errors
            )
        texts = [file.read_text(encoding="utf-8") for file in sorted((tmp_path / "setup").rglob("*")) if file.is_file()]
        assert len({found for text in texts for found in re.findall(r"kept-\d", text)}) == 1, attempt
        assert not (tmp_path / "setup" / ".unfinished").exists()


def test_what_a_plan_that_was_ended_left_behind_is_told_and_stays(tmp_path: Path) -> None:
    (tmp_path / "setup" / ".unfinished" / "parameters").mkdir(parents=True)
    (tmp_path / "setup" / ".unfinished" / "plan.md").write_text("half", encoding="utf-8")
    for arguments in ((), ("--force",)):
        ended = plan(example(), tmp_path, "--out", "setup", *arguments)
        assert (ended.code, ended.out) == (USAGE, ""), ended.err
    assert "has an unfinished plan" in ended.err and "remove `setup/.unfinished`" in ended.err
    assert [file.name for file in (tmp_path / "setup").rglob("*") if file.is_file()] == ["plan.md"]
    (tmp_path / "setup" / ".unfinished" / "plan.md").unlink()
    (tmp_path / "setup" / ".unfinished" / "parameters").rmdir()
    (tmp_path / "setup" / ".unfinished").rmdir()
    assert plan(example(), tmp_path, "--out", "setup").code == FINE


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    plans: list[dict[str, Any]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert plan(example(), tmp_path / name, "--out", "setup").code == FINE
        plans.append(
            {
                str(file.relative_to(tmp_path / name)): file.read_bytes()
                for file in (tmp_path / name).rglob("*")
                if file.is_file()
            }
        )
    assert plans[0] == plans[1]


def test_a_folder_with_a_strange_name_is_one_word_of_a_shell(tmp_path: Path) -> None:
    name = "my set-up"
    assert plan(example(), tmp_path, "--out", name).code == FINE
    script = tmp_path / name / "commands.sh"
    checked = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, env=os.environ)
    assert checked.returncode == 0, checked.stderr
    words = [
        word
        for line in script.read_text(encoding="utf-8").splitlines()
        if "cloudformation deploy" in line
        for word in shlex.split(line)
    ]
    assert "file://$plan/parameters/backup-account.json" in words
    page = (tmp_path / name / "plan.md").read_text(encoding="utf-8")
    assert f"'file://{name}/parameters/backup-account.json'" in page
    for other in ("a\nb", "$(touch x)", "it's"):
        ended = plan(example(), tmp_path, "--out", other)
        assert ended.code == USAGE and "cannot be named in a script" in ended.err and not (tmp_path / other).exists()
