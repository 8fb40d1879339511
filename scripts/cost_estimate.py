"""What a deployed guardian costs a month, from what template.yaml makes and a few stated assumptions: for the page docs/permissions.md.

Prices are the list prices of us-east-1 without free tiers, which an account may have used up; the pages say what another Region costs. Nothing here is
measured but what says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NOTED = "2026-11-28"
SIZES = (10, 200, 1000)
DAYS = 30


@dataclass(frozen=True)
class Price:
    """US dollars for so many units, and the page that says so."""

    dollars: float
    per: float
    unit: str
    page: str

    def of(self, units: float) -> float:
        return units * self.dollars / self.per


PRICES = {
    "key": Price(
        1.00,
        1,
        "customer managed key and month; the first two rotations add one each",
        "https://aws.amazon.com/kms/pricing/",
    ),
    "key-use": Price(0.03, 1e4, "10,000 requests", "https://aws.amazon.com/kms/pricing/"),
    "alarm": Price(0.10, 1, "alarm of standard resolution and month", "https://aws.amazon.com/cloudwatch/pricing/"),
    "metric": Price(0.30, 1, "custom metric and month", "https://aws.amazon.com/cloudwatch/pricing/"),
    "log": Price(0.50, 1, "GB taken in", "https://aws.amazon.com/cloudwatch/pricing/"),
    "queue": Price(0.40, 1e6, "1,000,000 requests", "https://aws.amazon.com/sqs/pricing/"),
    "event": Price(
        1.00, 1e6, "1,000,000 events to a bus of another account", "https://aws.amazon.com/eventbridge/pricing/"
    ),
    "invocation": Price(0.20, 1e6, "1,000,000 invocations", "https://aws.amazon.com/lambda/pricing/"),
    "memory": Price(0.0000166667, 1, "GB-second on x86", "https://aws.amazon.com/lambda/pricing/"),
    "write": Price(0.625, 1e6, "1,000,000 write units on demand", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "read": Price(0.125, 1e6, "1,000,000 read units on demand", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "put": Price(0.005, 1e3, "1,000 PUT requests", "https://aws.amazon.com/s3/pricing/"),
    "get": Price(0.0004, 1e3, "1,000 GET requests", "https://aws.amazon.com/s3/pricing/"),
    "storage": Price(0.023, 1, "GB and month", "https://aws.amazon.com/s3/pricing/"),
    "transition": Price(0.025, 1e3, "1,000 state transitions", "https://aws.amazon.com/step-functions/pricing/"),
}


@dataclass(frozen=True)
class Assumed:
    """An organization, and how the guardian works in it."""

    regions: int = 2
    completed: int = 40  # backups and copies of an account and a day
    failed: float = 0.4  # one in a hundred of them
    refused: float = 0.4  # calls, one for each failure
    writes: int = 5  # calls of an account and a day that change what backups rest on
    plans: int = 3  # of an account and Region
    vaults: int = 2  # that copies go to
    call: float = 0.05  # seconds of a call to AWS
    at_once: int = 8  # parts of the alarm path that are looked at at a time
    sweep_calls: int = 60  # of an account
    polls: float = 5 / 20  # a second, of a queue in which nothing lies: five long polls of 20 seconds
    metrics: int = 25  # series that are counted in a usual month
    log: float = 2e-6  # GB for each invocation and each event
    part: float = 2e-4  # GB that a sweep keeps of an account


ASSUMED = Assumed()


def counted(template: dict[str, Any]) -> dict[str, int]:
    """What the template makes that costs while nothing happens, with the defaults of its parameters."""
    resources = template["Resources"].values()
    always = [body for body in resources if "Condition" not in body]
    sources = [
        event
        for body in always
        if body["Type"] == "AWS::Serverless::Function"
        for event in body["Properties"].get("Events", {}).values()
        if event["Type"] == "SQS"
    ]
    return {
        "keys": sum(body["Type"] == "AWS::KMS::Key" for body in always),
        "alarms": sum(body["Type"] == "AWS::CloudWatch::Alarm" for body in always),
        "polled queues": len(sources),
    }


def memory(template: dict[str, Any], function: str) -> float:
    """GB of a function."""
    return template["Resources"][function]["Properties"]["MemorySize"] / 1024


def lines(template: dict[str, Any], accounts: int, of: Assumed = ASSUMED) -> list[tuple[str, float]]:
    """What is paid for, with its dollars a month."""
    made = counted(template)
    completed, failed, refused, writes = (
        accounts * each * DAYS for each in (of.completed, of.failed, of.refused, of.writes)
    )
    events = completed + failed + refused + writes
    looks = 24 * DAYS
    batches = accounts / 10
    # (function, invocations, seconds of each)
    runs = [
        ("DiagnoseJobFunction", failed, 10 * of.call + 1),
        ("FollowUpFunction", failed * 6, 10 * of.call),
        ("RecordSuccessFunction", completed / 10, 10 * 2 * of.call),
        ("CollectDenialsFunction", refused, of.call),
        ("WatchTamperFunction", writes, 2 * of.call),
        ("ReconcileJobsFunction", looks, (of.regions * 11 + accounts * of.regions * (1 + of.plans)) * of.call),
        ("CheckAlarmPathFunction", looks, accounts * (1 + 8 * of.regions) * of.call / of.at_once + 2),
        ("PlanSweepFunction", 2 * DAYS, 10.0),
        ("SweepAccountFunction", DAYS * (batches + of.vaults), 10 * of.sweep_calls * of.call),
        ("ReportSweepFunction", DAYS, 10 + accounts * 0.05),
    ]
    invocations = sum(number for _, number, _ in runs)
    seconds = sum(number * each * memory(template, function) for function, number, each in runs)
    polls = made["polled queues"] * of.polls * 86400 * DAYS
    objects = DAYS * (2 * accounts + of.vaults * 2 + 9)
    requests_of_key = events * 2 + looks * 20 + objects
    return [
        ("key of the guardian", PRICES["key"].of(made["keys"]) + PRICES["key-use"].of(requests_of_key)),
        ("alarms", PRICES["alarm"].of(made["alarms"])),
        ("custom metrics", PRICES["metric"].of(of.metrics)),
        ("logs", PRICES["log"].of((invocations + events) * of.log)),
        ("queues, polled while empty", PRICES["queue"].of(polls)),
        ("queues, messages", PRICES["queue"].of(3 * events + 6 * looks)),
        ("functions", PRICES["invocation"].of(invocations) + PRICES["memory"].of(seconds)),
        (
            "tables",
            PRICES["write"].of(2 * completed + 30 * failed + refused + 2 * writes)
            + PRICES["read"].of(2 * completed + 30 * failed + writes),
        ),
        (
            "reports",
            PRICES["put"].of(objects) + PRICES["get"].of(2 * objects) + PRICES["storage"].of(accounts * of.part * 8),
        ),
        ("state machine", PRICES["transition"].of(DAYS * (10 + 3 * (batches + of.vaults)))),
        ("events, paid by the accounts that forward them", PRICES["event"].of(events)),
    ]


def money(dollars: float) -> str:
    return f"{dollars:,.2f}"


def section(template: dict[str, Any]) -> list[str]:
    """The part of the page."""
    of, made = ASSUMED, counted(template)
    by_size = [dict(lines(template, size)) for size in SIZES]
    page = [
        "## Cost",
        "",
        f"US dollars a month, worked out by `scripts/cost_estimate.py` from what `template.yaml` makes ({made['alarms']} alarms, {made['keys']} key, "
        f"{made['polled queues']} queues that Lambda polls) and from the assumptions below; not from a bill. List prices of us-east-1, without free tiers.",
        "",
        "| | " + " | ".join(f"{size:,} accounts" for size in SIZES) + " |",
        "|---|" + "---:|" * len(SIZES),
        *(f"| {name} | " + " | ".join(money(column[name]) for column in by_size) + " |" for name in by_size[0]),
        "| **all** | " + " | ".join(f"**{money(sum(column.values()))}**" for column in by_size) + " |",
        "",
        f"Assumed: {of.regions} Regions; {of.completed} backups and copies of each account a day, {of.failed / of.completed:.0%} of them failed, each with one "
        f"refused call; {of.writes} calls that change what backups rest on; {of.plans} plans in each account and Region; {of.vaults} vaults that copies go to; {of.call * 1000:.0f} ms for a call to AWS; "
        f"{of.sweep_calls} calls of a sweep for each account; {of.metrics} custom metrics; five long polls of 20 seconds on each queue in which nothing "
        f"lies, also at the least concurrency; {of.log * 1e6:.0f} kB of log for each invocation and event; schedules as they are by default.",
        "",
        "Not in it: what you choose besides (`OperationsKeyArn`, `AccessLogBucket`, `ChatTopic`, `VaultNotificationsKey`, SMS), the trail, and what the topology",
        "itself costs (vaults, copies, a key for each vault). Reads of AWS Backup, IAM, Organizations and CloudTrail lookups are not charged; those of a key by a",
        "sweep (three a day) are requests of AWS KMS in the account that is read.",
        "",
        f"| Price, noted {NOTED} | for | source |",
        "|---:|---|---|",
        *(
            f"| {price.dollars:.10f}".rstrip("0").rstrip(".") + f" | {price.unit} | {price.page} |"
            for price in PRICES.values()
        ),
        "",
    ]
    return page
