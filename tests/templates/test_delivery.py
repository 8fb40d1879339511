"""Nothing is lost on the way, and what is stuck is heard of."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from .deployed import ROOT, as_list, load, logical_id, properties, resources, role_statements, statements, text

SIDES = ["guardian", "agent-regional"]
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html and the like.
METRICS = {
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/Lambda": {"Errors", "Throttles"},
    "AWS/SNS": {"NumberOfNotificationsFailed"},
    "AWS/States": {"ExecutionsFailed", "ExecutionsTimedOut"},
    # Our own, in the logs of the functions.
    "BackupGuardian": {"heartbeat"},
}
# Functions that run by themselves: nobody misses them, so each must be heard, and the alarm on its silence must outlast its schedule (hours).
BY_THEMSELVES = {"check-alarm-path": 3, "reconcile-jobs": 24, "report-sweep": 52}
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
LONGEST_LOOK_BACK = 7 * 86400
TELLING = {
    "GUARDIAN_TABLE",
    "GUARDIAN_FOLLOW_UP_QUEUE_URL",
    "GUARDIAN_ALERT_TOPIC_ARN",
    "GUARDIAN_CHAT_TOPIC_ARN",
    "GUARDIAN_READER_ROLE_NAME",
    "GUARDIAN_EXTERNAL_ID",
}
WATCHING = {
    "GUARDIAN_TABLE",
    "GUARDIAN_DENIALS_TABLE",
    "GUARDIAN_FOLLOW_UP_QUEUE_URL",
    "GUARDIAN_ALERT_TOPIC_ARN",
    "GUARDIAN_CHAT_TOPIC_ARN",
    "GUARDIAN_ORGANIZATION_ID",
    "GUARDIAN_BACKUP_ACCOUNT_IDS",
    "GUARDIAN_READER_ROLE_NAME",
    "GUARDIAN_EXTERNAL_ID",
    "GUARDIAN_ORGANIZATION_ROLE_ARN",
}
DIAGNOSING = {
    *TELLING,
    "GUARDIAN_DENIALS_TABLE",
    "GUARDIAN_ORGANIZATION_ID",
    "GUARDIAN_ORGANIZATION_ROLE_ARN",
    "GUARDIAN_BACKUP_ACCOUNT_IDS",
    "GUARDIAN_REGIONS",
    "GUARDIAN_EVIDENCE_WINDOW_MS",
}
SWEEPING = {
    "GUARDIAN_REPORT_BUCKET",
    "GUARDIAN_READER_ROLE_NAME",
    "GUARDIAN_EXTERNAL_ID",
    "GUARDIAN_ORGANIZATION_ROLE_ARN",
    "GUARDIAN_BACKUP_ACCOUNT_IDS",
    "GUARDIAN_REGIONS",
}
ENVIRONMENT = {
    "diagnose-job": DIAGNOSING,
    "follow-up": {*DIAGNOSING, "GUARDIAN_REPORT_BUCKET"},
    "record-success": TELLING,
    "collect-denials": {"GUARDIAN_DENIALS_TABLE"},
    "watch-tamper": WATCHING,
    "reconcile-jobs": {
        "GUARDIAN_TABLE",
        "GUARDIAN_PROBLEM_QUEUE_URL",
        "GUARDIAN_RECONCILE_QUEUE_URL",
        "GUARDIAN_OPERATIONS_TOPIC_ARN",
        "GUARDIAN_READER_ROLE_NAME",
        "GUARDIAN_EXTERNAL_ID",
        "GUARDIAN_ORGANIZATION_ROLE_ARN",
        "GUARDIAN_BACKUP_ACCOUNT_IDS",
        "GUARDIAN_REGIONS",
        "GUARDIAN_STUCK_AFTER_MINUTES",
    },
    "check-alarm-path": {
        "GUARDIAN_TABLE",
        "GUARDIAN_CHECK_QUEUE_URL",
        "GUARDIAN_ALERT_TOPIC_ARN",
        "GUARDIAN_CHAT_TOPIC_ARN",
        "GUARDIAN_OPERATIONS_TOPIC_ARN",
        "GUARDIAN_ALERTING_ROLE_ARN",
        "GUARDIAN_OPERATING_ROLE_ARN",
        "GUARDIAN_HUB_RULES",
        "GUARDIAN_UNDELIVERED_QUEUE_ARN",
        "GUARDIAN_DEAD_LETTER_QUEUE_ARNS",
        "GUARDIAN_HUB_BUS_ARN",
        "GUARDIAN_FORWARDER_ROLE_NAME",
        "GUARDIAN_RECONCILE_EVERY",
        "GUARDIAN_SWEEP_SCHEDULE",
        "GUARDIAN_READER_ROLE_NAME",
        "GUARDIAN_EXTERNAL_ID",
        "GUARDIAN_ORGANIZATION_ROLE_ARN",
        "GUARDIAN_BACKUP_ACCOUNT_IDS",
        "GUARDIAN_REGIONS",
    },
    "run-drill": {
        "GUARDIAN_TABLE",
        "GUARDIAN_DRILL_QUEUE_URL",
        "GUARDIAN_OPERATIONS_TOPIC_ARN",
        "GUARDIAN_READER_ROLE_NAME",
        "GUARDIAN_EXTERNAL_ID",
        "GUARDIAN_DRILL_ROLE_NAME",
        "GUARDIAN_DRILL_VAULTS",
    },
    "plan-sweep": SWEEPING,
    "sweep-account": SWEEPING,
    "report-sweep": {
        *SWEEPING,
        "GUARDIAN_TABLE",
        "GUARDIAN_ALERT_TOPIC_ARN",
        "GUARDIAN_CHAT_TOPIC_ARN",
        "GUARDIAN_BASELINE",
        "GUARDIAN_SECURITY_HUB_PRODUCT_ARN",
        "GUARDIAN_SWEEP_DIGEST",
    },
}


def functions() -> dict[str, dict[str, Any]]:
    return {key: body["Properties"] for key, body in resources("guardian", "AWS::Serverless::Function").items()}


def code(function: dict[str, Any]) -> str:
    """Base name of the package of a function."""
    return function["CodeUri"].removeprefix("dist/").removesuffix(".zip")


def reserved(function: dict[str, Any]) -> Any:
    """The concurrent executions that a function reserves, where an account has some to reserve."""
    condition, number, otherwise = function["ReservedConcurrentExecutions"]["Fn::If"]
    assert condition == "ReservesConcurrency" and otherwise == {"Ref": "AWS::NoValue"}
    return number


def sources(function: dict[str, Any]) -> list[dict[str, Any]]:
    return [event["Properties"] for event in function.get("Events", {}).values() if event["Type"] == "SQS"]


def tasks(states: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every task of a state machine by its name, those inside maps too."""
    found = {}
    for name, state in states.items():
        if state["Type"] == "Task":
            found[name] = state
        elif state["Type"] == "Map":
            found |= tasks(state["ItemProcessor"]["States"])
    return found


def sweep() -> dict[str, Any]:
    """The definition of the one state machine."""
    (machine,) = resources("guardian", "AWS::Serverless::StateMachine").values()
    return machine["Properties"]["Definition"]


def of_the_sweep() -> dict[str, dict[str, Any]]:
    """The functions that the state machine invokes, by logical id."""
    invoked = {logical_id(task["Parameters"]["FunctionName"]) for task in tasks(sweep()["States"]).values()}
    return {key: settings for key, settings in functions().items() if key in invoked}


def rules_that_may_send(side: str, queue: str) -> set[str]:
    """Rules that the policies of a queue let EventBridge send for."""
    allowed = set()
    for body in resources(side, "AWS::SQS::QueuePolicy").values():
        if queue not in [logical_id(each) for each in body["Properties"]["Queues"]]:
            continue
        for statement in statements(body["Properties"]["PolicyDocument"]):
            if statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "events.amazonaws.com"}:
                assert logical_id(statement["Resource"]) == queue
                assert as_list(statement["Action"]) == ["sqs:SendMessage"]
                allowed |= {logical_id(each) for each in as_list(statement["Condition"]["ArnEquals"]["aws:SourceArn"])}
    return allowed


@pytest.mark.parametrize("side", SIDES)
def test_every_rule_may_deliver_and_keeps_what_it_could_not_deliver(side: str) -> None:
    rules = resources(side, "AWS::Events::Rule")
    queues = resources(side, "AWS::SQS::Queue")
    for rule, body in rules.items():
        for target in body["Properties"]["Targets"]:
            if "Fn::GetAtt" in target["Arn"]:
                queue = logical_id(target["Arn"])
                assert queue in queues
                assert rule in rules_that_may_send(side, queue), queue
                assert "RoleArn" not in target, "EventBridge uses the queue policy"
            elif "Ref" in target["Arn"]:
                assert logical_id(target["Arn"]) in resources(side, "AWS::Serverless::StateMachine")
                assert logical_id(target["RoleArn"]) in resources(side, "AWS::IAM::Role")
                # A whole event would become the input.
                assert target["Input"] == "{}"
            else:
                assert "${ForwarderRoleName}" in target["RoleArn"]["Fn::Sub"], rule
            dead_letters = logical_id(target["DeadLetterConfig"]["Arn"])
            assert rule in rules_that_may_send(side, dead_letters), dead_letters
            assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
            # When the guardian's key is the reason, the queue of the undelivered must still take the event.
            assert "KmsMasterKeyId" not in queues[dead_letters]["Properties"]
            assert queues[dead_letters]["Properties"]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("side", SIDES)
def test_queues_refuse_plain_http(side: str) -> None:
    guarded = {
        logical_id(queue)
        for body in resources(side, "AWS::SQS::QueuePolicy").values()
        for statement in statements(body["Properties"]["PolicyDocument"])
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for queue in body["Properties"]["Queues"]
    }
    dead_letters = {
        logical_id(body["Properties"]["RedrivePolicy"]["deadLetterTargetArn"])
        for body in resources(side, "AWS::SQS::Queue").values()
        if "RedrivePolicy" in body["Properties"]
    }
    assert guarded == set(resources(side, "AWS::SQS::Queue")) - dead_letters


def test_every_function_is_begun_by_a_queue_or_by_the_state_machine() -> None:
    assert {key for key, settings in functions().items() if not sources(settings)} == of_the_sweep().keys()


@pytest.mark.parametrize("function", sorted(functions().keys() - of_the_sweep().keys()))
def test_a_failed_message_comes_again_and_ends_in_a_dead_letter_queue(function: str) -> None:
    settings = functions()[function]
    assert sources(settings)
    for place, source in enumerate(sources(settings)):
        queue = properties("guardian", logical_id(source["Queue"]))
        dead_letters = properties("guardian", logical_id(queue["RedrivePolicy"]["deadLetterTargetArn"]))
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert queue["VisibilityTimeout"] >= 6 * settings["Timeout"]
        # Hours of an outage of what we call are survived without anybody's help.
        assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] >= 4 * 3600
        assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] < queue["MessageRetentionPeriod"]
        # A moved message keeps its age.
        assert dead_letters["MessageRetentionPeriod"] - queue["MessageRetentionPeriod"] >= 7 * 86400
        # More pollers than environments would burn receives on throttled calls. A second queue gets the least that Lambda takes: both are full
        # at the same time in a flood only, and the receives last for hours of it.
        pollers = 2 if place else reserved(settings)
        assert source["ScalingConfig"]["MaximumConcurrency"] == pollers


def test_a_task_of_the_sweep_is_tried_again_for_longer_than_a_throttled_minute() -> None:
    for name, task in tasks(sweep()["States"]).items():
        assert task["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:states:::lambda:invoke"}
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"], name
        waits = [
            min(retry["IntervalSeconds"] * retry["BackoffRate"] ** n, retry["MaxDelaySeconds"])
            for n in range(retry["MaxAttempts"])
        ]
        # Half of it on average, as the waits are drawn.
        assert retry["JitterStrategy"] == "FULL" and sum(waits) / 2 >= 60, name


def test_no_batch_that_fails_ends_the_sweep_and_what_maps_answer_stays_small() -> None:
    maps = {name: state for name, state in sweep()["States"].items() if state["Type"] == "Map"}
    assert list(maps) == ["ReadAccounts", "ReadVaults"]
    for state in maps.values():
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert state["ToleratedFailurePercentage"] == 100 and state["ResultPath"] is None
        # Written as a fraction, because moto understands no other; a whole number is the same to AWS.
        assert isinstance(state["ToleratedFailurePercentage"], float)
        assert state["ItemReader"]["Parameters"] == {"Bucket.$": "$.bucket", "Key.$": "$.items"}
        (task,) = tasks(state["ItemProcessor"]["States"]).values()
        assert task["ResultSelector"] == {"read.$": "$.Payload.read"}
        (function,) = of_the_sweep().keys() & {logical_id(task["Parameters"]["FunctionName"])}
        assert state["MaxConcurrency"] == reserved(functions()[function]), "none is throttled"


def test_a_map_is_only_begun_where_there_is_something_to_read() -> None:
    states = sweep()["States"]
    assert (
        states["PlanVaults"]["Next"] == "AnyVaults"
        and states["PlanVaults"]["ResultSelector"]["count.$"] == "$.Payload.count"
    )
    (choice,) = states["AnyVaults"]["Choices"]
    assert choice == {"Variable": "$.count", "NumericGreaterThan": 0, "Next": "ReadVaults"}
    assert states["AnyVaults"]["Default"] == states["ReadVaults"]["Next"] == "Report"


def test_a_sweep_has_time_for_its_longest_step_and_ends_before_the_next() -> None:
    longest = max(settings["Timeout"] for settings in of_the_sweep().values())
    assert 4 * longest <= sweep()["TimeoutSeconds"] < 86400


def test_parts_of_a_sweep_are_gone_long_before_its_reports() -> None:
    rules = properties("guardian", "ReportBucket")["LifecycleConfiguration"]["Rules"]
    # Whoever reads the bucket by name sees nothing that was removed; what was is kept a little longer by its version.
    old = [rule for rule in rules if "ExpirationInDays" not in rule]
    assert [rule["NoncurrentVersionExpiration"] for rule in old] == [{"NoncurrentDays": 30}]
    rules = [rule for rule in rules if rule not in old]
    parts, everything = sorted(rules, key=lambda rule: rule["ExpirationInDays"])
    assert parts["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}, "parts say much about the accounts"
    assert parts["Prefix"] == "sweeps/" and parts["ExpirationInDays"] <= 14
    assert "Prefix" not in everything and everything["ExpirationInDays"] >= 365
    ((key, value),) = ((tag["Key"], tag["Value"]) for tag in parts["TagFilters"])
    adapter = (ROOT / "aws-sweep" / "src" / "store.rs").read_text(encoding="utf-8")
    assert f'PART_TAG: &str = "{key}={value}"' in adapter


@pytest.mark.parametrize("function", functions())
def test_a_function_is_the_package_of_the_same_name(function: str) -> None:
    settings = functions()[function]
    name = code(settings)
    assert settings["FunctionName"] == f"backup-guardian-{name}"
    assert (ROOT / "functions" / name / "Cargo.toml").is_file()
    assert settings["Runtime"] == "provided.al2023" and settings["Handler"] == "bootstrap"
    assert load("guardian")["Resources"][function]["Metadata"]["SkipBuild"] is True
    log_group = properties("guardian", logical_id(settings["LoggingConfig"]["LogGroup"]))
    assert log_group["LogGroupName"] == f"/aws/lambda/backup-guardian-{name}"
    assert log_group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_function_gets_the_variables_of_its_contract() -> None:
    given = {code(each): set(each["Environment"]["Variables"]) for each in functions().values()}
    assert given == ENVIRONMENT


def alarms() -> list[tuple[str, str, str]]:
    """(metric, logical id of the watched resource, logical id of the topic) of every alarm."""
    found = []
    for body in resources("guardian", "AWS::CloudWatch::Alarm").values():
        alarm = body["Properties"]
        (dimension,) = alarm["Dimensions"]
        assert alarm["MetricName"] in METRICS[alarm["Namespace"]]
        assert alarm["AlarmActions"] == alarm["OKActions"]
        (topic,) = alarm["AlarmActions"]
        value = dimension["Value"]
        watched = value if isinstance(value, str) else logical_id(value)
        found.append((alarm["MetricName"], watched, logical_id(topic)))
    return found


def test_what_is_stuck_late_or_broken_raises_an_alarm() -> None:
    queues = resources("guardian", "AWS::SQS::Queue")
    working = {key for key, body in queues.items() if "RedrivePolicy" in body["Properties"]}
    expected = {("ApproximateNumberOfMessagesVisible", key) for key in queues.keys() - working}
    expected |= {("ApproximateAgeOfOldestMessage", key) for key in working}
    expected |= {(metric, key) for metric in ("Errors", "Throttles") for key in functions()}
    expected |= {("heartbeat", function) for function in BY_THEMSELVES}
    expected |= {("NumberOfNotificationsFailed", topic) for topic in ("AlertTopic", "AlertChatTopic")}
    machines = resources("guardian", "AWS::Serverless::StateMachine")
    expected |= {(metric, key) for metric in METRICS["AWS/States"] for key in machines}
    assert {(metric, watched) for metric, watched, _ in alarms()} == expected
    assert {topic for _, _, topic in alarms()} == {"OperationsTopic"}


def test_who_runs_by_itself_is_missed_when_it_falls_silent() -> None:
    scheduled = {
        logical_id(target["Arn"])
        for rule in resources("guardian", "AWS::Events::Rule").values()
        # A drill tells its end; that none was begun carries no alert away.
        if "ScheduleExpression" in rule["Properties"] and rule.get("Condition") != "DrillsAreScheduled"
        for target in rule["Properties"]["Targets"]
    }
    queued = {key: each for key, each in functions().items() if sources(each)}
    on_schedule = {code(each) for each in queued.values() if logical_id(sources(each)[0]["Queue"]) in scheduled}
    assert scheduled & set(resources("guardian", "AWS::Serverless::StateMachine"))
    # Of a sweep whoever comes last speaks for all.
    last = next(state for state in sweep()["States"].values() if state.get("End"))
    on_schedule.add(code(functions()[logical_id(last["Parameters"]["FunctionName"])]))
    assert on_schedule == set(BY_THEMSELVES)
    silent = {}
    for body in resources("guardian", "AWS::CloudWatch::Alarm").values():
        alarm = body["Properties"]
        if alarm["MetricName"] != "heartbeat":
            continue
        (dimension,) = alarm["Dimensions"]
        assert dimension["Name"] == "function"
        assert (alarm["Statistic"], alarm["Threshold"], alarm["ComparisonOperator"]) == ("Sum", 1, "LessThanThreshold")
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Period"] == 3600 and alarm["Period"] * alarm["EvaluationPeriods"] <= LONGEST_LOOK_BACK
        silent[dimension["Value"]] = alarm["Period"] * alarm["EvaluationPeriods"] / 3600
        emitted = (ROOT / "functions" / dimension["Value"] / "src" / "handler.rs").read_text(encoding="utf-8")
        assert 'self.count("heartbeat"' in emitted and f'FUNCTION: &str = "{dimension["Value"]}"' in emitted
    assert silent == BY_THEMSELVES
    slowest = re.search(r"1\[0-(\d)\] hours", load("guardian")["Parameters"]["ReconcileEvery"]["AllowedPattern"])
    assert slowest and 2 * (10 + int(slowest[1])) <= BY_THEMSELVES["reconcile-jobs"], "one run late is no silence"
    assert 2 * 24 + sweep()["TimeoutSeconds"] / 3600 <= BY_THEMSELVES["report-sweep"], (
        "one run that fails is none either"
    )


@pytest.mark.parametrize(
    ("schedule", "taken"),
    [
        ("cron(0 5 * * ? *)", True),
        ("cron(30 1,13 ? * * *)", True),
        ("cron(0 */6 * * ? *)", True),
        ("rate(1 day)", True),
        ("rate(12 hours)", True),
        ("rate(24 hours)", True),
        ("rate(25 hours)", False),
        ("rate(2 days)", False),
        ("cron(0 5 ? * MON *)", False),
        ("cron(0 5 1 * ? *)", False),
        ("cron(0 5 * * ? 2027)", False),
        ("", False),
    ],
)
def test_the_organization_is_swept_once_a_day_at_least(schedule: str, taken: bool) -> None:
    pattern = load("guardian")["Parameters"]["SweepSchedule"]["AllowedPattern"]
    assert bool(re.search(pattern, schedule)) is taken
    assert re.search(pattern, load("guardian")["Parameters"]["SweepSchedule"]["Default"])


def test_every_rule_and_every_queue_that_should_be_empty_is_looked_at() -> None:
    variables = properties("guardian", "CheckAlarmPathFunction")["Environment"]["Variables"]
    # One that is not always there is named under its own condition.
    listed = variables["GUARDIAN_HUB_RULES"]["Fn::Join"][1]
    pairs = [(each["Fn::If"][1] if "Fn::If" in each else each)["Fn::Sub"] for each in listed]
    filled = {}
    for rule, body in resources("guardian", "AWS::Events::Rule").items():
        (target,) = body["Properties"]["Targets"]
        # The reference to a state machine is its ARN.
        filled[rule] = target["Arn"].get("Ref") or f"{logical_id(target['Arn'])}.Arn"
    assert sorted(pairs) == sorted(f"${{{rule}.Arn}}=${{{target}}}" for rule, target in filled.items())
    listed = variables["GUARDIAN_DEAD_LETTER_QUEUE_ARNS"]["Fn::Join"][1]
    named = {logical_id(each["Fn::If"][1] if "Fn::If" in each else each) for each in listed}
    queues = resources("guardian", "AWS::SQS::Queue")
    assert named == {key for key, body in queues.items() if "RedrivePolicy" not in body["Properties"]}


def test_the_rules_that_are_looked_for_in_every_account_are_those_that_are_deployed_there() -> None:
    source = (ROOT / "shared" / "src" / "alarm_path" / "rule.rs").read_text(encoding="utf-8")
    forwarded = source.split("pub const FORWARDED")[1].split("\n];")[0]
    looked_for = dict(re.findall(r'name: "([^"]+)",\s+sources: &\[([^\]]*)\]', forwarded))
    sees_reads = re.findall(r"sees_reads: (true|false)", forwarded)
    rules = [body["Properties"] for body in resources("agent-regional", "AWS::Events::Rule").values()]
    assert {rule["Name"]: rule["EventPattern"]["source"] for rule in rules} == {
        name: re.findall(r'"([^"]+)"', sources) for name, sources in looked_for.items()
    }
    states = [rule["State"].startswith("ENABLED_WITH") for rule in rules]
    assert states == [each == "true" for each in sees_reads], "in the order of the template"
    queues = [body["Properties"]["QueueName"] for body in resources("agent-regional", "AWS::SQS::Queue").values()]
    assert [f'"{name}"' in source for name in queues] == [True]
    readable = {
        text(each).rsplit("/", 1)[-1]
        for statement in role_statements("agent-global", "ReaderRole")
        if "events:DescribeRule" in as_list(statement["Action"])
        for each in as_list(statement["Resource"])
    }
    assert readable == set(looked_for)


def test_the_alarms_do_not_depend_on_what_they_watch() -> None:
    key = properties("guardian", "OperationsTopic")["KmsMasterKeyId"]["Fn::If"]
    assert key == ["HasOperationsKey", {"Ref": "OperationsKeyArn"}, {"Ref": "AWS::NoValue"}]
    for settings in functions().values():
        assert settings["KmsKeyArn"] == {"Fn::If": key}, "who tells of a lost key must start without it"


def test_data_at_rest_is_under_the_key_of_the_guardian() -> None:
    key = {"Fn::GetAtt": ["GuardianKey", "Arn"]}
    encrypted = {
        name
        for type_ in ("AWS::SQS::Queue", "AWS::SNS::Topic")
        for name, body in resources("guardian", type_).items()
        if body["Properties"].get("KmsMasterKeyId") == key
    }
    others = {*resources("guardian", "AWS::SQS::Queue"), *resources("guardian", "AWS::SNS::Topic")} - encrypted
    # SNS of every account writes into these; the key is not opened to it.
    notifications = {"VaultNotificationsQueue", "VaultNotificationsDeadLetterQueue"}
    for queue in notifications:
        assert properties("guardian", queue)["SqsManagedSseEnabled"] is True
    assert others == {"UndeliveredEventsQueue", "OperationsTopic"} | notifications
    for table in resources("guardian", "AWS::DynamoDB::Table").values():
        assert table["Properties"]["SSESpecification"]["KMSMasterKeyId"] == key
    for group in resources("guardian", "AWS::Logs::LogGroup").values():
        assert group["Properties"]["KmsKeyId"] == key
        (logs,) = (
            each
            for each in statements(properties("guardian", "GuardianKey")["KeyPolicy"])
            if each["Sid"] == "LogsOfTheFunctions"
        )
        allowed = text(logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]).split(":log-group:")[1]
        assert fnmatchcase(group["Properties"]["LogGroupName"], allowed)
    assert properties("guardian", "GuardianKey")["EnableKeyRotation"] is True


def test_tables_have_the_keys_of_the_contract_and_survive_the_stack() -> None:
    tables = resources("guardian", "AWS::DynamoDB::Table")
    assert set(tables) == {"GuardianTable", "DenialsTable"}
    for body in tables.values():
        table = body["Properties"]
        schema = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
        assert schema == {"HASH": "pk", "RANGE": "sk"}
        assert {each["AttributeType"] for each in table["AttributeDefinitions"]} == {"S"}
        assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert body["UpdateReplacePolicy"] == "Retain"
