"""Findings for others: Security Hub (ASFF) by botocore's own model, OCSF by its published schema."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import botocore.session
import jsonschema
import pytest
from botocore.validate import ParamValidator

FACTS = Path(__file__).resolve().parents[1] / "facts"
ORGANIZATIONS = ("demo", "hostile", "empty", "150")
# https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html; the model of botocore does not state them.
LONGEST = {"Title": 256, "Description": 1024, "Id": 512, "GeneratorId": 512}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def outcomes(path: Path) -> list[dict]:
    sweep = json.loads(path.read_text())
    return sweep["organization"]["outcomes"] + [row for account in sweep["accounts"] for row in account["outcomes"]]


@pytest.fixture(scope="module")
def operation():
    session = botocore.session.get_session()
    service = session.get_service_model("securityhub")
    return service.operation_model("BatchImportFindings")


def enums(shape, value, path="") -> list[str]:
    """Values outside the enumerations and limits of the model: the validator of botocore leaves those to the service."""
    if shape.type_name == "structure":
        return [
            fault for name, member in value.items() for fault in enums(shape.members[name], member, f"{path}.{name}")
        ]
    if shape.type_name == "list":
        most = shape.metadata.get("max", len(value))
        found = [] if len(value) <= most else [f"{path}: {len(value)} of at most {most}"]
        return found + [fault for at, item in enumerate(value) for fault in enums(shape.member, item, f"{path}[{at}]")]
    if shape.type_name == "string" and (known := shape.metadata.get("enum")) and value not in known:
        return [f"{path}: {value}"]
    return []


@pytest.mark.parametrize("organization", ORGANIZATIONS)
def test_security_hub_takes_every_batch(sample, operation, organization: str) -> None:
    batches = lines(sample("asff", organization))
    for batch in batches:
        report = ParamValidator().validate(batch, operation.input_shape)
        assert not report.has_errors(), report.generate_report()
        assert enums(operation.input_shape, batch) == []
    findings = [finding for batch in batches for finding in batch["Findings"]]
    assert len(findings) == len(outcomes(sample("json", organization)))
    for finding in findings:
        assert all(len(finding[name]) <= longest for name, longest in LONGEST.items()), finding
        assert len(json.dumps(finding)) < 240_000
        assert len(finding.get("Remediation", {}).get("Recommendation", {}).get("Text", "x")) <= 512
        assert len(finding["ProductFields"]) <= 50
        assert finding["AwsAccountId"] == finding["ProductArn"].split(":")[4]


def test_the_model_says_no_to_what_is_no_finding(sample, operation) -> None:
    batch = lines(sample("asff"))[0]
    del batch["Findings"][0]["Resources"]
    assert ParamValidator().validate(batch, operation.input_shape).has_errors()
    batch = lines(sample("asff"))[0]
    batch["Findings"][0]["Compliance"]["Status"] = "FINE"
    assert enums(operation.input_shape, batch) == [".Findings[0].Compliance.Status: FINE"]


@pytest.fixture(scope="module")
def ocsf() -> jsonschema.Draft202012Validator:
    schema = json.loads((FACTS / "ocsf" / "compliance_finding-1.5.0.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("organization", ORGANIZATIONS)
def test_ocsf_findings_keep_the_published_schema(sample, ocsf, organization: str) -> None:
    findings = lines(sample("ocsf", organization))
    for finding in findings:
        assert [f"{error.json_path}: {error.message}" for error in ocsf.iter_errors(finding)] == []
        assert finding["metadata"]["version"] == "1.5.0"
        assert finding["type_uid"] == finding["class_uid"] * 100 + finding["activity_id"]
    assert len(findings) == len(outcomes(sample("json", organization)))


def test_the_schema_of_ocsf_says_no_to_what_is_no_finding(sample, ocsf) -> None:
    for change in (
        {"compliance": {"status_id": "Pass"}},
        {"severity_id": 42},
        {"surprise": 1},
        {"metadata": {"version": "1.5.0"}},
    ):
        assert not ocsf.is_valid(lines(sample("ocsf"))[0] | change), change


def test_the_same_failure_is_one_in_every_form(sample) -> None:
    failed = Counter(
        (row["code"], row["subject"]["account_id"]) for row in outcomes(sample("json")) if row["status"] == "fail"
    )
    hub = [
        finding
        for batch in lines(sample("asff"))
        for finding in batch["Findings"]
        if finding["Compliance"]["Status"] == "FAILED"
    ]
    assert (
        Counter((f["GeneratorId"].split("/")[1], f["ProductFields"]["backup-guardian/account"]) for f in hub) == failed
    )
    others = [finding for finding in lines(sample("ocsf")) if finding["compliance"]["status_id"] == 3]
    assert Counter((f["compliance"]["control"], f["cloud"]["account"]["uid"]) for f in others) == failed
