"""What somebody notices of a deployed guardian: every way is gone once, and what arrived is named.

A tour returns the names of what works. Whoever runs it on the template as it is expects all of them; when a part of the template is gone, the name of
what it carries is missing. Names are built from the template as it should be, never from what is deployed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from lab.aws.evaluator import Policies, Request, evaluate

from .guardian import CHECK, CHECK_RULE, DRILL_RULE, RECONCILE, RECONCILE_RULE, WATCH, Guardian
from .organization import Inbox, Json, Lab, Operations, failing_route
from .removals import dead_letter_queues, named
from .test_quiet import Vault, happen, make_plan

# What EventBridge writes for a schedule.
MOMENT = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
SWEEP_RULE = "backup-guardian-sweep"
ON_CALL, PLATFORM = "on-call@example.com", "platform@example.com"
# Longer than every age that an alarm lets a message have.
VERY_LATE_SECONDS = 2 * 3600
PERIOD_SECONDS = 300
# When CloudTrail has a call.
LATE_SECONDS = 300


class Watched:
    """A guardian that was just deployed from a template like `intact`."""

    def __init__(self, lab: Lab, intact: Json) -> None:
        # A reset gave everything new names, and nobody knows the sessions from before.
        self.lab, self.intact = Lab(lab.control("info")), intact
        lab = self.lab
        self.guardian = Guardian(lab)
        self.inbox, self.operations = Inbox(lab), Operations(lab)
        self.sqs = self.guardian.sqs
        # Troubles of which the operators heard that they began, and that they are over.
        self.began: set[str] = set()
        self.ended: set[str] = set()
        stack = lab.client(lab.guardian, "cloudformation").describe_stack_resources(StackName=lab.info["stack_name"])
        self.names: dict[str, str] = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for one in stack["StackResources"]
            if "LogicalResourceId" in one
        }

    def of(self, *types: str) -> dict[str, Json]:
        """Resources of the intact template."""
        found = self.intact["Resources"]
        return {name: body["Properties"] for name, body in found.items() if body["Type"] in types}

    def url(self, queue: str) -> str | None:
        """The URL of a queue of the template, where it was made."""
        return self.names.get(queue)

    # -- ways of events ------------------------------------------------------------------------------------------------

    def flows(self) -> set[str]:
        """The rules, sources and queues through which something came that must come."""
        found = set()
        route = failing_route(self.lab)
        job = route.start_copy()
        plan = make_plan(self.lab)
        refused = f"The provided role arn:aws:iam::{self.lab.source}:role/gone cannot be assumed by AWS Backup."
        happen(self.lab, "ProcessBackupPlanSelection", {"backupPlanArn": plan, "selectionId": "weekly"}, refused)
        bucket = self.lab.unique("bucket")
        Vault(self.lab).notify("CONTINUOUS_BACKUP_INTERRUPTED", f"It happened. Resource ARN : arn:aws:s3:::{bucket}.")
        alerts = json.dumps(self.inbox.drain()).lower()
        if job.lower() in alerts:
            found.add("ProblemEventsRule")
        if plan.lower() in alerts:
            found.add("NotStartedEventsRule")
        if bucket in alerts:
            found.add("VaultNotificationsQueue")
        # The backup before the copy.
        if [item for item in self.guardian.items(self.guardian.table) if item["pk"].startswith("good#")]:
            found.add("CompletedEventsRule")
        if self.guardian.denials():
            found.add("DenialEventsRule")
        return found | self._tampering() | self._put_off() | self._schedules() | self._handed_over()

    def endanger(self) -> tuple[str, str]:
        """Somebody takes the lock from a vault, and a role from AWS Backup; how they are called."""
        vault, role = self.lab.unique("unlocked"), self.lab.unique("backup-gone")
        backup, iam = self.lab.client(self.lab.source, "backup"), self.lab.client(self.lab.source, "iam")
        backup.create_backup_vault(BackupVaultName=vault)
        backup.put_backup_vault_lock_configuration(BackupVaultName=vault, MinRetentionDays=1)
        backup.delete_backup_vault_lock_configuration(BackupVaultName=vault)
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
        iam.delete_role(RoleName=role)
        self.lab.idle()
        return vault, role

    def _tampering(self) -> set[str]:
        """What somebody did is in the incident of the actor; what AWS Backup says of it besides is only counted."""
        ways = dict(zip(("WriteEventsRule", "GlobalWriteEventsRule"), self.endanger(), strict=True))
        items = self.guardian.items(self.guardian.table)
        deeds = " ".join(item["body"] for item in items if item["sk"].startswith("deed#"))
        found = {rule for rule, name in ways.items() if name in deeds}
        if self._ran(WATCH) and ("announced", "seen") in self.guardian.counts(WATCH):
            found.add("ChangeEventsRule")
        return found

    def _put_off(self) -> set[str]:
        """CloudTrail has the refused call five minutes later, and somebody comes back to the incident for it."""
        self.lab.cloudtrail_delay(LATE_SECONDS)
        failing_route(self.lab).copy()
        self.inbox.drain()
        self.lab.control("clock", {"advance_seconds": LATE_SECONDS + 1})
        kinds = [alert["kind"] for alert in self.inbox.drain()]
        self.lab.cloudtrail_delay(0)
        return {"FollowUpQueue"} if "upgrade" in kinds else set()

    def _handed_over(self) -> set[str]:
        """Whoever asks for the backfill of what never was is told so."""
        self.operations.drain()
        asked = {"drill": "backfill", "incident_id": "bg-thatneverwas"}
        self.sqs.send_message(QueueUrl=self.url("DrillQueue"), MessageBody=json.dumps(asked))
        told = [body for body in self.operations.drain() if "bg-thatneverwas" in body]
        return {"DrillQueue"} if told else set()

    def _schedules(self) -> set[str]:
        found = set()
        for rule, schedule, function in (
            (RECONCILE_RULE, "ReconcileSchedule", RECONCILE),
            (CHECK_RULE, "AlarmPathSchedule", CHECK),
        ):
            before = self._beats(function)
            if self._moment(rule) and self._beats(function) > before:
                found.add(schedule)
        self.operations.drain()
        if self._moment(DRILL_RULE) and any("vol-scheduled" in body for body in self.operations.drain()):
            found.add("DrillScheduleRule")
        states, machine = self.lab.client(self.lab.guardian, "stepfunctions"), self.names["SweepStateMachine"]
        if self._moment(SWEEP_RULE, wait=False):
            begun = states.list_executions(stateMachineArn=machine)["executions"]
            for execution in begun:
                states.stop_execution(executionArn=execution["executionArn"])
            if begun:
                found.add("SweepScheduleRule")
            self.lab.idle()
        return found

    def _beats(self, function: str) -> int:
        return self.guardian.counts(function).get(("heartbeat", "complete"), 0) if self._ran(function) else 0

    def _ran(self, function: str) -> bool:
        return function in self.lab.control("logs")

    def _moment(self, rule: str, wait: bool = True) -> bool:
        """The moment of a schedule, where there is one."""
        try:
            self.lab.control("schedule", {"rule": rule})
        except RuntimeError:
            return False
        if wait:
            self.lab.idle()
        return True

    # -- who looks after the others ------------------------------------------------------------------------------------

    def check(self) -> str:
        """What `check-alarm-path` tells the operators, however it was begun."""
        self.guardian.invoke(MOMENT, CHECK)
        return "\n".join(self.operations.drain())

    def heartbeat(self) -> set[str]:
        """Whether CloudWatch hears of it when a function has done its work."""
        self.guardian.invoke(MOMENT, CHECK)
        states = self.lab.control("alarms", {})
        return {"LogsOfTheFunctions"} if states.get("CheckAlarmPathHeartbeatAlarm") == "OK" else set()

    # -- what could not be done or delivered ---------------------------------------------------------------------------

    def work_queues(self) -> dict[str, int]:
        """Queues that somebody works on, with how often a message of theirs is received."""
        queues = self.of("AWS::SQS::Queue")
        return {name: one["RedrivePolicy"]["maxReceiveCount"] for name, one in queues.items() if "RedrivePolicy" in one}

    def dead_letters(self) -> set[str]:
        """Queues whose message ends in a dead-letter queue when nobody can work on it."""
        found = set()
        for queue, receives in self.work_queues().items():
            dead_letter_queue = self.of("AWS::SQS::Queue")[queue]["RedrivePolicy"]["deadLetterTargetArn"]
            (dead,) = named(dead_letter_queue)
            with self.paused():
                self.sqs.send_message(QueueUrl=self.url(queue), MessageBody="nobody can read this")
                for _ in range(receives + 1):
                    self.sqs.receive_message(QueueUrl=self.url(queue), VisibilityTimeout=0)
                kept = self.guardian.take(self.url(dead)) if self.url(dead) else []
                self.sqs.purge_queue(QueueUrl=self.url(queue))
            if kept == ["nobody can read this"]:
                found.add(queue)
        return found

    def undelivered(self) -> set[str]:
        """Rules whose event is kept when its target refuses it."""
        for queue in self.work_queues():
            self.sqs.set_queue_attributes(QueueUrl=self.url(queue), Attributes={"Policy": ""})
        iam, role = self.lab.client(self.lab.guardian, "iam"), "backup-guardian-sweep-schedule"
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        iam.delete_role(RoleName=role)
        failing_route(self.lab).copy()
        plan = make_plan(self.lab)
        happen(
            self.lab, "ProcessBackupPlanSelection", {"backupPlanArn": plan, "selectionId": "weekly"}, "It cannot be."
        )
        self.endanger()
        for rule in (RECONCILE_RULE, CHECK_RULE, SWEEP_RULE, DRILL_RULE):
            self._moment(rule)
        self.lab.idle()
        url, rules = self.url("UndeliveredEventsQueue"), set()
        while url and (
            messages := self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
        ):
            for message in messages:
                rules.add(message["MessageAttributes"]["RULE_ARN"]["StringValue"].rsplit("/", 1)[-1])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return {name for name, one in self.of("AWS::Events::Rule").items() if one["Name"] in rules}

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody works on any queue meanwhile."""
        self.lab.control("sqs", {"paused": True})
        try:
            yield
        finally:
            self.lab.control("sqs", {"paused": False})

    # -- alarms --------------------------------------------------------------------------------------------------------

    def troubles(self) -> dict[str, Json]:
        """What CloudWatch has to tell of, by what it is: from the queues, functions and topics, and from no alarm."""
        found: dict[str, Json] = {}

        def add(namespace: str, metric: str, dimension: str, of: str, value: str | None) -> None:
            trouble = {"namespace": namespace, "metric": metric, "dimensions": {dimension: value}}
            found[f"{metric} of {of}"] = trouble

        for queue in self.work_queues():
            add("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue, self._name_of(queue))
        for queue in dead_letter_queues(self.intact):
            add("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, self._name_of(queue))
        for function, properties in self.of("AWS::Serverless::Function").items():
            for metric in ("Errors", "Throttles"):
                add("AWS/Lambda", metric, "FunctionName", function, properties["FunctionName"])
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):
            add("AWS/States", metric, "StateMachineArn", "SweepStateMachine", self.names["SweepStateMachine"])
        for topic in ("AlertTopic", "AlertChatTopic"):
            add("AWS/SNS", "NumberOfNotificationsFailed", "TopicName", topic, self.names[topic].rsplit(":", 1)[-1])
        for function in ("check-alarm-path", "reconcile-jobs", "report-sweep"):
            add("BackupGuardian", "heartbeat", "function", function, function)
        return found

    def _name_of(self, queue: str) -> str | None:
        url = self.url(queue)
        return url.rsplit("/", 1)[-1] if url else None

    def alarms(self) -> set[str]:
        """Troubles whose beginning and whose end the operators hear from CloudWatch."""
        troubles = self.troubles()
        # Silence is trouble from the first moment.
        self._hear(troubles)
        with self.paused():
            for name, trouble in troubles.items():
                if trouble["namespace"] == "AWS/SQS" and trouble["dimensions"]["QueueName"]:
                    url = self.sqs.get_queue_url(QueueName=trouble["dimensions"]["QueueName"])["QueueUrl"]
                    self.sqs.send_message(QueueUrl=url, MessageBody=name)
            self._pass(VERY_LATE_SECONDS)
            for _ in range(3):
                self._pass(PERIOD_SECONDS)
                for trouble in troubles.values():
                    if trouble["namespace"] != "AWS/SQS":
                        self.lab.control("metric", {**trouble, "value": 1})
            self._hear(troubles)
            for queue in {*self.work_queues(), *dead_letter_queues(self.intact)}:
                if url := self.url(queue):
                    self.sqs.purge_queue(QueueUrl=url)
            self._pass(PERIOD_SECONDS + 1)
            self._hear(troubles)
        return {f"{name} begins" for name in self.began} | {f"{name} ends" for name in self.ended}

    def _pass(self, seconds: int) -> None:
        self.lab.control("clock", {"advance_seconds": seconds})

    def _hear(self, troubles: dict[str, Json]) -> None:
        """CloudWatch looks at every alarm, and tells."""
        self.lab.control("alarms", {})
        for body in self.operations.drain():
            if not body.startswith('{"AlarmName"'):
                continue
            told = json.loads(body)
            trigger = told["Trigger"]
            dimensions = {one["Name"]: one["Value"] for one in trigger["Dimensions"]}
            it = {"namespace": trigger["Namespace"], "metric": trigger["MetricName"], "dimensions": dimensions}
            of = {name for name, trouble in troubles.items() if trouble == it}
            if told["NewStateValue"] == "ALARM":
                self.began |= of
            elif told["OldStateValue"] == "ALARM":
                self.ended |= of

    # -- policies ------------------------------------------------------------------------------------------------------

    def plain_http(self) -> set[str]:
        """Policies that refuse even an administrator who does not use TLS, and him alone."""
        found = set()
        for policy, (action, resource, document) in self._policies().items():
            if self._allowed("true", action, resource, document) and not self._allowed(
                "false", action, resource, document
            ):
                found.add(policy)
        return found

    def _allowed(self, secure: str, action: str, resource: str, document: Json | None) -> bool:
        """Whether an administrator of the account may do it."""
        caller = f"arn:aws:iam::{self.lab.guardian}:role/administrator"
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        context = {
            "aws:SecureTransport": secure,
            "aws:PrincipalArn": caller,
            "aws:PrincipalAccount": self.lab.guardian,
        }
        request = Request(caller, action, resource, self.lab.guardian, context)
        return evaluate(request, Policies(identity=[everything], resource=document)).allowed

    def _policies(self) -> dict[str, tuple[str, str, Json | None]]:
        """Every resource policy of the template, as it lies in the account now: an action, the resource, the document."""
        found: dict[str, tuple[str, str, Json | None]] = {}
        for name, properties in self.of("AWS::SQS::QueuePolicy").items():
            (queue,) = named(properties["Queues"])
            asked = self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=["Policy", "QueueArn"])
            text = asked["Attributes"].get("Policy")
            found[name] = ("sqs:SendMessage", asked["Attributes"]["QueueArn"], json.loads(text) if text else None)
        sns = self.lab.client(self.lab.guardian, "sns")
        for name, properties in self.of("AWS::SNS::TopicPolicy").items():
            (topic,) = named(properties["Topics"])
            text = sns.get_topic_attributes(TopicArn=self.names[topic])["Attributes"].get("Policy")
            found[name] = ("sns:Publish", self.names[topic], json.loads(text) if text else None)
        s3 = self.lab.client(self.lab.guardian, "s3")
        bucket = self.names["ReportBucket"]
        try:
            document = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        except s3.exceptions.ClientError:
            document = None
        found["ReportBucketPolicy"] = ("s3:GetObject", f"arn:aws:s3:::{bucket}/any", document)
        return found

    # -- mail ----------------------------------------------------------------------------------------------------------

    def mail(self) -> set[str]:
        """Addresses that hear of a failure, and of what is wrong with the guardian itself."""
        failing_route(self.lab).copy()
        self.lab.control("alarms", {})
        self.lab.idle()
        letters = self.lab.control("mailbox?protocol=email")
        topics = {
            self.lab.info["alert_topic_arn"]: "alerts",
            self.lab.info["outputs"]["OperationsTopicArn"]: "operations",
        }
        return {f"{topics[one['topic_arn']]} to {one['endpoint']}" for one in letters if one["topic_arn"] in topics}
