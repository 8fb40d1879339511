"""BatchImportFindings as Security Hub bounds it: who may import what, how much at once, and what an update leaves alone.

Source: https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html. The texts of the failures are composed.
"""

from __future__ import annotations

import json
from typing import Any

MOST_FINDINGS, LARGEST_FINDING = 100, 240 * 1024
# Those who work on a finding own these.
_KEPT = ("Note", "UserDefinedFields", "VerificationState", "Workflow")


def install() -> None:
    from moto.securityhub.exceptions import InvalidInputException, SecurityHubClientError
    from moto.securityhub.models import SecurityHubBackend

    import_findings = SecurityHubBackend.batch_import_findings

    def batch_import_findings(
        self: SecurityHubBackend, findings: list[dict[str, Any]]
    ) -> tuple[int, int, list[dict[str, Any]]]:
        if not self.enabled:
            text = f"Account {self.account_id} is not subscribed to AWS Security Hub"
            raise SecurityHubClientError("InvalidAccessException", text)
        if not 1 <= len(findings) <= MOST_FINDINGS:
            raise InvalidInputException("BatchImportFindings", f"Between 1 and {MOST_FINDINGS} findings are expected")
        refused = [
            {"Id": one.get("Id", ""), "ErrorCode": "InvalidInput", "ErrorMessage": why}
            for one in findings
            if (why := _refusal(one, self.account_id))
        ]
        known = {one.id: one.data for one in self.findings}
        good = [
            {**one, **{name: known[one["Id"]][name] for name in _KEPT if name in known.get(one["Id"], {})}}
            for one in findings
            if not _refusal(one, self.account_id)
        ]
        failed, succeeded, failures = import_findings(self, good)
        return failed + len(refused), succeeded, [*refused, *failures]

    SecurityHubBackend.batch_import_findings = batch_import_findings  # type: ignore[method-assign]


def _refusal(finding: dict[str, Any], account_id: str) -> str:
    if len(json.dumps(finding).encode()) > LARGEST_FINDING:
        return f"A finding is larger than {LARGEST_FINDING} bytes"
    owner = finding.get("AwsAccountId")
    if owner != account_id or not str(finding.get("ProductArn")).endswith(
        f":{account_id}:product/{account_id}/default"
    ):
        return f"The finding of account {owner} cannot be imported by account {account_id}"
    return ""
