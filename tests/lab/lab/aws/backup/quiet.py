"""What AWS Backup tells beside the events of its jobs: service events in CloudTrail, and notifications of vaults.

The lab runs no schedule, so a control says when a plan was run in vain. Sources:
https://docs.aws.amazon.com/aws-backup/latest/devguide/logging-using-cloudtrail.html,
https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html
"""

from __future__ import annotations

from typing import Any

from lab import resource_policy

from .. import cloudtrail
from ..errors import ApiError
from . import store

SERVICE = "backup.amazonaws.com"
# https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")


def service_event(
    account_id: str, region: str, event_name: str, details: dict[str, Any], error_code: str, error_message: str
) -> str:
    """Records an event of AWS Backup itself in the account's history, from where it goes to the default bus; its id."""
    entry = cloudtrail.record(
        account_id,
        region,
        SERVICE,
        event_name,
        {"accountId": account_id, "invokedBy": SERVICE},
        error_code=error_code,
        error_message=error_message,
        event_type="AwsServiceEvent",
        extra={"serviceEventDetails": details},
    )
    return str(entry["eventID"])


def notify(
    account_id: str, region: str, vault: str, event: str, message: str, attributes: dict[str, str]
) -> str | None:
    """Publishes to the topic of a vault, if it wants to hear of the event, and topic and key let AWS Backup; the id of the message."""
    from moto.sns.models import sns_backends

    with store.lock:
        wanted = store.of(account_id, region).vault(vault).notifications
    if wanted is None or event not in wanted["BackupVaultEvents"]:
        return None
    backend = sns_backends[account_id][region]
    topic = backend.get_topic(wanted["SNSTopicArn"])
    source = {"aws:SourceAccount": account_id}
    if not resource_policy.allows(topic.policy, ("Service", SERVICE), "sns:Publish", topic.arn, source):
        raise ApiError("AuthorizationError", f"the policy of `{topic.arn}` does not let AWS Backup publish")
    if not resource_policy.key_allows(topic.kms_master_key_id, (account_id, region), SERVICE, KEY_ACTIONS, source):
        raise ApiError("KMSAccessDenied", f"the key of `{topic.arn}` does not let AWS Backup in")
    given = {"EventType": event, "AccountId": account_id, **attributes}
    return backend.publish(
        message,
        arn=topic.arn,
        subject="Notification from AWS Backup",
        message_attributes={name: {"Type": "String", "Value": value} for name, value in given.items()},
    )
