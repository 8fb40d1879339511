"""`make demo`: tonight's copy fails, one alert says why. No AWS account: everything runs on this machine.

The story of nearly every broken cross-account backup: the key of a volume lets the backup account use it, but not create grants.
AWS says "Given key ID is not accessible" and nothing else.
"""

from __future__ import annotations

import json
import sys
import time

from .organization import SLR, Inbox, Lab, ebs_route, key_policy, running_lab, use_statement

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def say(text: str = "") -> None:
    print(text, flush=True)


def step(number: int, text: str) -> None:
    say(f"\n{BOLD}{number}. {text}{PLAIN}")


def email_of(lab: Lab, address: str) -> dict[str, str]:
    """The newest message in the mailbox of an e-mail subscriber."""
    messages = [message for message in lab.control("mailbox") if message["endpoint"] == address]
    return messages[-1]


def tell(lab: Lab) -> int:
    address = "on-call@example.com"
    lab.cloudtrail_delay(0)
    lab.client(lab.guardian, "sns").subscribe(TopicArn=lab.info["alert_topic_arn"], Protocol="email", Endpoint=address)
    inbox = Inbox(lab)

    step(1, "An organization: source account, backup account, management account, guardian account")
    say(f"   source {lab.source}   backup {lab.backup}   management {lab.management}   guardian {lab.guardian}")
    route = ebs_route(lab)
    route.back_up()
    say(f"   {route.resource_arn}")
    say(f"   is backed up into {route.vault}, to be copied into {route.destination_vault} of the backup account")

    step(2, "Somebody tidies up the key policy: the statement for grants is gone")
    slr = SLR.format(account=route.destination)
    route.put_key_policy(key_policy(route.source, use_statement(slr)))
    say(f"   {route.key_arn}")

    step(3, "The nightly copy runs")
    lab.control("bus", {"duplicate": 4})
    started = time.monotonic()
    job = route.copy()
    say(f"   copy job {job['CopyJobId']}: {job['State']}")
    say(f'   what AWS says: "{job["StatusMessage"]}"')
    say(f"   {DIM}EventBridge delivers every event five times tonight; it is allowed to{PLAIN}")

    step(4, "What the on-call engineer reads")
    alerts = inbox.drain()
    elapsed = time.monotonic() - started
    lab.control("bus", {})
    if len(alerts) != 1:
        say(f"   expected one alert, got {len(alerts)}")
        return 1
    mail = email_of(lab, address)
    say(f"   Subject: {mail['subject']}\n")
    for line in mail["body"].splitlines():
        say(f"   | {line}".rstrip())
    say(
        f"\n   {DIM}one message, {elapsed:.1f} s after the copy was started on this machine, queues and deliveries included{PLAIN}"
    )

    alert = alerts[0]
    step(5, "The patch of the alert is applied in the account that must act, and the copy is run again")
    patch = alert.get("patch")
    if patch is None:
        say("   the alert carries no patch")
        return 1
    lab.client(patch["account_id"], "kms").put_key_policy(
        KeyId=patch["target_arn"], PolicyName="default", Policy=json.dumps(patch["document"])
    )
    say(f"   {patch['operation']} on {patch['target_arn']}")
    again = route.copy()
    say(f"   copy job {again['CopyJobId']}: {again['State']}")
    more = inbox.drain()
    say(f"   further messages: {len(more)}")

    denied = alert.get("denied", {})
    truths = {
        "the cause is kms-key-policy-missing-destination": alert["cause"] == "kms-key-policy-missing-destination",
        "the verdict is proven: refused call and evaluated policies agree": alert["certainty"] == "proven",
        "the backup account's service-linked role was refused": denied.get("principal") == slr,
        "the refused action is kms:CreateGrant": denied.get("action") == "kms:CreateGrant",
        "on the key of the volume": denied.get("resource") == route.key_arn,
        "the refusal is recorded in the backup account": denied.get("recorded_in") == route.destination,
        "the source account must act": alert["act_in"]["account_id"] == route.source,
        "there are next steps": bool(alert["next_steps"]),
        "every claim about the patch was shown": all(patch["proof"].values()),
        "with the patch the copy works": again["State"] == "COMPLETED" and not more,
    }
    say()
    for truth, holds in truths.items():
        say(f"   {'yes' if holds else 'NO '}  {truth}")
    return 0 if all(truths.values()) else 1


def main() -> int:
    with running_lab("demo-lab.log") as lab:
        return tell(lab)


if __name__ == "__main__":
    sys.exit(main())
