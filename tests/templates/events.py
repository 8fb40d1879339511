"""Events as AWS Backup and CloudTrail put them on a default bus.

Shapes: https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html and
https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html.
"""

from __future__ import annotations

from typing import Any

Event = dict[str, Any]


def job(detail_type: str, **detail: Any) -> Event:
    """A job event; the detail is what the case is about."""
    return {
        "version": "0",
        "id": "710b0398-d48e-f3c3-afca-cfeb2fdaa656",
        "detail-type": f"{detail_type} Job State Change",
        "source": "aws.backup",
        "account": "111111111111",
        "time": "2026-11-02T05:37:34Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:ec2:eu-central-1::snapshot/snap-03886bc8d6ef3a1f9"],
        "detail": {"creationDate": "2026-11-02T05:21:13.239Z", **detail},
    }


def failed_copy() -> Event:
    return job(
        "Copy",
        copyJobId="47C8EF56-74D8-059D-1301-C5BE1D5C926E",
        state="FAILED",
        statusMessage="Given key ID is not accessible",
        destinationRecoveryPointArn={},
    )


def call(
    event_source: str = "kms",
    event_name: str = "CreateGrant",
    error_code: str | None = "AccessDenied",
    role: str = "AWSServiceRoleForBackup",
    session: str | None = None,
    invoked_by: str | None = "backup.amazonaws.com",
    source: str | None = None,
) -> Event:
    """A recorded API call of a session of `role`."""
    session = session or f"AWSBackup-{role}"
    identity: dict[str, Any] = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::222222222222:assumed-role/{role}/{session}",
        "accountId": "222222222222",
        "sessionContext": {"sessionIssuer": {"type": "Role", "accountId": "222222222222", "userName": role}},
    }
    if invoked_by:
        identity["invokedBy"] = invoked_by
    detail: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": "2026-11-02T05:21:31Z",
        "eventSource": f"{event_source}.amazonaws.com",
        "eventName": event_name,
        "awsRegion": "eu-central-1",
        "requestParameters": None,
        "readOnly": False,
        "recipientAccountId": "222222222222",
    }
    if error_code:
        detail["errorCode"] = error_code
    return {
        "version": "0",
        "id": "4660bc92-a44d-c939-4542-cda503f14855",
        "detail-type": "AWS API Call via CloudTrail",
        "source": source or f"aws.{event_source}",
        "account": "222222222222",
        "time": "2026-11-02T05:21:31Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }


def call_seen_by_the_key_owner(error_code: str | None = "DisabledException") -> Event:
    """The record in the account of the key: of a caller in another account it shows the principal id only."""
    event = call(error_code=error_code)
    event["account"] = event["detail"]["recipientAccountId"] = "111111111111"
    event["detail"]["userIdentity"] = {
        "type": "AWSAccount",
        "accountId": "222222222222",
        "principalId": "AROAEXAMPLEEXAMPLE123:AWSBackup-AWSServiceRoleForBackup",
    }
    return event


def job_role_not_assumed() -> Event:
    """AWS Backup itself is the caller."""
    event = call("sts", "AssumeRole")
    event["detail"]["userIdentity"] = {"type": "AWSService", "invokedBy": "backup.amazonaws.com"}
    return event


def service_event(name: str, **error: str) -> Event:
    """What AWS Backup records of itself: no caller but the service."""
    event = call("backup", name, None)
    event["detail-type"] = "AWS Service Event via CloudTrail"
    event["detail"] |= {
        "userIdentity": {"accountId": "222222222222", "invokedBy": "backup.amazonaws.com"},
        "eventType": "AwsServiceEvent",
        "serviceEventDetails": {"backupPlanArn": "arn:aws:backup:eu-central-1:222222222222:backup-plan:1"},
        **error,
    }
    return event
