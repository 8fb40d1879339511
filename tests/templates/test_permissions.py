"""Who may do what: exactly what is written here, and nothing wider."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import generate_permissions
import pytest

from .deployed import ROOT, as_list, load, logical_id, properties, resources, role_statements, statements, text

LOGS = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${%sLogGroup}:*"
# What services ask of the key in the name of who writes what is encrypted, and of who only reads it.
KEY_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey"]
READ_KEY = ("kms:Decrypt", "GuardianKey")
QUEUE_ACTIONS = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
# What keeping incidents takes.
INCIDENTS = ("BatchGetItem", "PutItem")
# And ending them.
ENDS = (*INCIDENTS, "DeleteItem", "Query")

# What `check-alarm-path` looks at: whatever of it the template has.
# Whose policies are read: the queues that rules and schedules fill.
QUEUES_OF_RULES = [
    "ProblemEventsQueue",
    "DenialEventsQueue",
    "WriteEventsQueue",
    "CompletedEventsQueue",
    "ReconcileQueue",
    "DrillsAreScheduled: DrillQueue",
]
SHOULD_BE_EMPTY = [
    f"{body['Condition']}: {name}" if "Condition" in body else name
    for name, body in resources("guardian", "AWS::SQS::Queue").items()
    if "RedrivePolicy" not in body["Properties"]
]
HUB_RULES = [
    f"{body['Condition']}: {rule}" if "Condition" in body else rule
    for rule, body in resources("guardian", "AWS::Events::Rule").items()
]
TOPICS = ("OperationsTopic", "HasChatTopic: AlertTopic, AlertChatTopic")
TOPIC_READS = ("GetTopicAttributes", "ListSubscriptionsByTopic")

EXPECTED: dict[str, set[tuple[str, str]]] = {
    "DiagnoseJobRole": {
        *((action, LOGS % "DiagnoseJob") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, queue) for action in QUEUE_ACTIONS for queue in ("ProblemEventsQueue", "VaultNotificationsQueue")),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in (*INCIDENTS, "GetItem", "UpdateItem")),
        ("dynamodb:Query", "DenialsTable"),
        ("sqs:SendMessage", "FollowUpQueue"),
        ("sns:Publish", "HasChatTopic: AlertTopic, AlertChatTopic"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
        ("sts:AssumeRole", "OrganizationRoleArn"),
    },
    "FollowUpRole": {
        *((action, LOGS % "FollowUp") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "FollowUpQueue") for action in QUEUE_ACTIONS),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in (*ENDS, "UpdateItem")),
        ("dynamodb:Query", "DenialsTable"),
        ("sqs:SendMessage", "FollowUpQueue"),
        *(("s3:PutObject", f"${{ReportBucket.Arn}}/{kind}/*") for kind in ("digests", "incidents")),
        ("sns:Publish", "HasChatTopic: AlertTopic, AlertChatTopic"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
        ("sts:AssumeRole", "OrganizationRoleArn"),
    },
    "RecordSuccessRole": {
        *((action, LOGS % "RecordSuccess") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "CompletedEventsQueue") for action in QUEUE_ACTIONS),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in ENDS),
        ("sns:Publish", "HasChatTopic: AlertTopic, AlertChatTopic"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
    },
    "CollectDenialsRole": {
        *((action, LOGS % "CollectDenials") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "DenialEventsQueue") for action in QUEUE_ACTIONS),
        ("dynamodb:BatchWriteItem", "DenialsTable"),
        READ_KEY,
    },
    "WatchTamperRole": {
        *((action, LOGS % "WatchTamper") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "WriteEventsQueue") for action in QUEUE_ACTIONS),
        *((f"dynamodb:{verb}", "DenialsTable") for verb in ("BatchWriteItem", "Query")),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in INCIDENTS),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in ("Query", "BatchWriteItem", "DeleteItem")),
        ("sqs:SendMessage", "FollowUpQueue"),
        ("sns:Publish", "HasChatTopic: AlertTopic, AlertChatTopic"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
        ("sts:AssumeRole", "OrganizationRoleArn"),
    },
    "ReconcileJobsRole": {
        *((action, LOGS % "ReconcileJobs") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "ReconcileQueue") for action in [*QUEUE_ACTIONS, "sqs:SendMessage"]),
        ("sqs:SendMessage", "ProblemEventsQueue"),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in ("BatchGetItem", "UpdateItem")),
        ("sns:Publish", "OperationsTopic"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
        ("sts:AssumeRole", "OrganizationRoleArn"),
    },
    "CheckAlarmPathRole": {
        *((action, LOGS % "CheckAlarmPath") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "AlarmPathQueue") for action in [*QUEUE_ACTIONS, "sqs:SendMessage"]),
        *(("sqs:GetQueueAttributes", queue) for queue in (*SHOULD_BE_EMPTY, *QUEUES_OF_RULES)),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in ("BatchWriteItem", "Query", "UpdateItem")),
        *((f"sns:{verb}", topic) for verb in ("Publish", *TOPIC_READS) for topic in TOPICS),
        ("sns:GetSMSAttributes", "*"),
        ("sns:GetSMSSandboxAccountStatus", "*"),
        *((f"events:{verb}", rule) for verb in ("DescribeRule", "ListTargetsByRule") for rule in HUB_RULES),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
        ("sts:AssumeRole", "OrganizationRoleArn"),
    },
    "RunDrillRole": {
        *((action, LOGS % "RunDrill") for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((action, "DrillQueue") for action in [*QUEUE_ACTIONS, "sqs:SendMessage"]),
        *((f"dynamodb:{verb}", "GuardianTable") for verb in (*INCIDENTS, "Query")),
        ("sns:Publish", "OperationsTopic"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${DrillRoleName}"),
    },
}

# Parts and reports of sweeps, and what every function of a sweep needs besides.
for name, role in (
    ("PlanSweep", "PlanSweepRole"),
    ("SweepAccount", "SweepAccountRole"),
    ("ReportSweep", "ReportSweepRole"),
):
    EXPECTED[role] = {
        *((action, LOGS % name) for action in ("logs:CreateLogStream", "logs:PutLogEvents")),
        *((f"s3:{verb}", "${ReportBucket.Arn}/sweeps/*") for verb in ("GetObject", "PutObject", "PutObjectTagging")),
        ("s3:ListBucket", "ReportBucket"),
        *((action, "GuardianKey") for action in KEY_ACTIONS),
        ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
    }
# Who reports reads nothing of the organization.
for role in ("PlanSweepRole", "SweepAccountRole"):
    EXPECTED[role].add(("sts:AssumeRole", "OrganizationRoleArn"))
EXPECTED["ReportSweepRole"] |= {
    *(
        (f"dynamodb:{verb}", "GuardianTable")
        for verb in ("BatchGetItem", "BatchWriteItem", "PutItem", "Query", "UpdateItem")
    ),
    ("sns:Publish", "HasChatTopic: AlertTopic, AlertChatTopic"),
    ("s3:GetObject", "${ReportBucket.Arn}/${Baseline}"),
    ("securityhub:BatchImportFindings", "SecurityHubProductArn"),
}

# The state machine of the sweep, and the schedule that begins it.
STATES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
SWEEP = {
    *(("lambda:InvokeFunction", f"{name}Function") for name in ("PlanSweep", "SweepAccount", "ReportSweep")),
    ("states:StartExecution", f"{STATES}:stateMachine:backup-guardian-sweep"),
    *(
        (f"states:{verb}", f"{STATES}:execution:backup-guardian-sweep:*")
        for verb in ("DescribeExecution", "StopExecution")
    ),
    ("s3:GetObject", "${ReportBucket.Arn}/sweeps/*/batches/*"),
    ("kms:Decrypt", "GuardianKey"),
}

# What people at a terminal may do: read the accounts, as the functions do, and look after incidents.
OPERATOR = {
    ("s3:GetObject", "${ReportBucket.Arn}/*"),
    *((f"dynamodb:{verb}", "GuardianTable") for verb in (*INCIDENTS, "Query")),
    READ_KEY,
    ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${ReaderRoleName}"),
    ("sts:AssumeRole", "arn:${AWS::Partition}:iam::*:role/${DrillRoleName}"),
    ("sqs:SendMessage", "DrillQueue"),
    *((action, "GuardianKey") for action in KEY_ACTIONS),
    ("sts:AssumeRole", "OrganizationRoleArn"),
}

# The kinds of recovery points of which AWS makes copies.
COPIED = {
    "arn:${AWS::Partition}:backup:*:${AWS::AccountId}:recovery-point:*",
    "arn:${AWS::Partition}:ec2:*::snapshot/*",
    "arn:${AWS::Partition}:ec2:*::image/*",
    "arn:${AWS::Partition}:rds:*:${AWS::AccountId}:snapshot:*",
    "arn:${AWS::Partition}:rds:*:${AWS::AccountId}:cluster-snapshot:*",
    "arn:${AWS::Partition}:fsx:*:${AWS::AccountId}:backup/*",
}
# What the role for drills may do: start copies, into vaults and under roles that whoever deploys it names.
DRILLS = {
    ("backup:StartCopyJob", "arn:${AWS::Partition}:backup:*:${AWS::AccountId}:backup-vault:*"),
    *((f"backup:{verb}", point) for verb in ("StartCopyJob", "CopyFromBackupVault") for point in COPIED),
    ("backup:CopyIntoBackupVault", "DrillVaultArns"),
    ("iam:PassRole", "DrillJobRoleArns"),
}

# With restores: their kinds of recovery points, and the tables that drills made.
RESTORED = {
    "arn:${AWS::Partition}:backup:*:${AWS::AccountId}:recovery-point:*",
    "arn:${AWS::Partition}:ec2:*::snapshot/*",
    "arn:${AWS::Partition}:dynamodb:*:${AWS::AccountId}:table/*/backup/*",
}
RESTORES = {
    *(
        (f"backup:{verb}", point)
        for verb in ("StartRestoreJob", "GetRecoveryPointRestoreMetadata")
        for point in RESTORED
    ),
    ("backup:GetRecoveryPointRestoreMetadata", "arn:${AWS::Partition}:backup:*:${AWS::AccountId}:backup-vault:*"),
    ("dynamodb:DeleteTable", "arn:${AWS::Partition}:dynamodb:*:${AWS::AccountId}:table/backup-guardian-drill-*"),
    ("ec2:DescribeVolumes", "*"),
}

# AWS defines no resource for these: their rows in the service authorization reference have no resource type. Of each service the page.
REFERENCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/"
PAGES = {
    "backup": "list_awsbackup.html",
    "cloudtrail": "list_awscloudtrail.html",
    "ec2": "list_amazonec2.html",
    "iam": "list_awsidentityandaccessmanagementiam.html",
    "kms": "list_awskeymanagementservice.html",
    "organizations": "list_awsorganizations.html",
    "sns": "list_amazonsns.html",
    "tag": "list_amazonresourcegrouptaggingapi.html",
}
UNSCOPABLE = {
    "backup:DescribeBackupJob",
    "backup:DescribeCopyJob",
    "backup:DescribeGlobalSettings",
    "backup:DescribeRegionSettings",
    "backup:DescribeRestoreJob",
    "backup:DescribeScanJob",
    "backup:ListBackupJobs",
    "backup:ListBackupPlans",
    "backup:ListBackupVaults",
    "backup:ListCopyJobs",
    "backup:ListRestoreJobs",
    "backup:ListRestoreTestingPlans",
    "backup:ListScanJobs",
    "cloudtrail:DescribeTrails",
    "cloudtrail:LookupEvents",
    "ec2:DescribeVolumes",
    "ec2:GetAllowedImagesSettings",
    "ec2:GetEbsDefaultKmsKeyId",
    "ec2:GetEbsEncryptionByDefault",
    "iam:ListRoles",
    "kms:ListAliases",
    "organizations:DescribeOrganization",
    "organizations:ListAWSServiceAccessForOrganization",
    "organizations:ListAccounts",
    "organizations:ListDelegatedAdministrators",
    "organizations:ListPolicies",
    "organizations:ListRoots",
    "sns:GetSMSAttributes",
    "sns:GetSMSSandboxAccountStatus",
    "tag:GetResources",
}
# The trail of an organization belongs to its management account, and its members ask for it by that name.
OF_OTHER_ACCOUNTS = {"cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"}


def grants(name: str, role: str) -> set[tuple[str, str]]:
    """(action, resource) pairs that a role is allowed."""
    pairs = set()
    for statement in role_statements(name, role):
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement and "NotResource" not in statement
        for action in as_list(statement["Action"]):
            pairs |= {(action, text(resource)) for resource in as_list(statement["Resource"])}
    return pairs


def trust(name: str, role: str) -> dict[str, Any]:
    (only,) = statements(properties(name, role)["AssumeRolePolicyDocument"])
    return only


def role_of(function: dict[str, Any]) -> str:
    return as_list(function["Properties"]["Role"]["Fn::GetAtt"])[0]


def test_every_function_has_a_role_of_its_own_with_an_expected_list() -> None:
    roles = [role_of(body) for body in resources("guardian", "AWS::Serverless::Function").values()]
    assert sorted(roles) == sorted(EXPECTED)
    others = {"OperatorRole", "SweepRole", "SweepScheduleRole"}
    assert set(resources("guardian", "AWS::IAM::Role")) == {*EXPECTED, *others}


def with_a_key_of_your_own(role: str) -> set[tuple[str, str]]:
    """What a role is allowed besides where `OperationsKeyArn` names a key."""
    publishes = {"kms:GenerateDataKey"} if ("sns:Publish", "OperationsTopic") in EXPECTED[role] else set()
    return {(action, "OperationsKeyArn") for action in {"kms:Decrypt", *publishes}}


@pytest.mark.parametrize("role", EXPECTED)
def test_a_function_may_do_exactly_what_it_needs(role: str) -> None:
    assert grants("guardian", role) == EXPECTED[role] | with_a_key_of_your_own(role)


def test_a_function_uses_the_key_only_through_services() -> None:
    for role in EXPECTED:
        for statement in role_statements("guardian", role):
            # Lambda reads the environment of a function with its role, and its documents do not say through which service.
            if statement["Sid"] == "ReadTheEnvironment":
                continue
            if any(action.startswith("kms:") for action in as_list(statement["Action"])):
                services = as_list(statement["Condition"]["StringEquals"]["kms:ViaService"])
                assert {text(each).split(".")[0] for each in services} <= {"sqs", "sns", "dynamodb", "s3"}, role


def test_functions_are_assumed_by_lambda_alone() -> None:
    for role in EXPECTED:
        assert trust("guardian", role)["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_sweep_runs_its_functions_and_its_schedule_begins_it() -> None:
    assert grants("guardian", "SweepRole") == SWEEP
    (machine,) = resources("guardian", "AWS::Serverless::StateMachine").values()
    assert f"{STATES}:stateMachine:{machine['Properties']['Name']}" in {resource for _, resource in SWEEP}
    assert logical_id(machine["Properties"]["Role"]) == "SweepRole"
    (decrypt,) = (each for each in role_statements("guardian", "SweepRole") if each["Action"] == "kms:Decrypt")
    assert text(decrypt["Condition"]["StringEquals"]["kms:ViaService"]).startswith("s3.")
    assert trust("guardian", "SweepRole")["Principal"] == {"Service": "states.amazonaws.com"}
    assert grants("guardian", "SweepScheduleRole") == {("states:StartExecution", "SweepStateMachine")}
    statement = trust("guardian", "SweepScheduleRole")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    rule = properties("guardian", "SweepScheduleRule")["Name"]
    assert text(statement["Condition"]["ArnEquals"]["aws:SourceArn"]).endswith(f":rule/{rule}")
    for role in ("SweepRole", "SweepScheduleRole"):
        assert trust("guardian", role)["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        name = properties("guardian", role)["RoleName"]
        assert not name.startswith("backup-guardian-function-"), "the reader roles would trust it"


def test_people_may_read_the_accounts_if_their_own_account_lets_them() -> None:
    assert grants("guardian", "OperatorRole") == OPERATOR
    statement = trust("guardian", "OperatorRole")
    assert text(statement["Principal"]["AWS"]) == "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"
    command = (ROOT / "aws" / "src" / "operator.rs").read_text(encoding="utf-8")
    name = properties("guardian", "OperatorRole")["RoleName"]
    assert f'pub const OPERATOR_ROLE: &str = "{name}";' in command, "the command assumes another role"


def test_the_reader_may_do_what_the_adapters_ask_and_no_more() -> None:
    listed = Path(__file__).with_name("reader-actions.txt").read_text(encoding="utf-8").splitlines()
    needed = [line for line in listed if line and not line.startswith("#")]
    assert needed == sorted(set(needed)), "the list is sorted and without repeats"
    assert sorted({action for action, _ in grants("agent-global", "ReaderRole")}) == needed


def test_the_reader_is_scoped_wherever_aws_can_scope() -> None:
    for action, resource in grants("agent-global", "ReaderRole") - {(action, "*") for action in UNSCOPABLE}:
        account = resource.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", "own").split(":")[4]
        # Snapshots and images of EC2 have no account in their ARN; the account of AWS has the managed policies.
        assert account in {"own", "", "aws"} or action in OF_OTHER_ACCOUNTS, (action, resource)


def test_only_what_aws_cannot_scope_is_allowed_on_everything() -> None:
    found = {
        (action, resource)
        for name in ("guardian", "agent-global")
        for role in resources(name, "AWS::IAM::Role")
        for action, resource in grants(name, role)
        if set(resource) <= set("*:")
    }
    assert found == {(action, "*") for action in UNSCOPABLE}
    assert {action.split(":")[0] for action in UNSCOPABLE} == set(PAGES), f"say where {REFERENCE} says so"


def test_no_action_has_a_wildcard() -> None:
    for name in ("guardian", "agent-global"):
        for role in resources(name, "AWS::IAM::Role"):
            assert not {action for action, _ in grants(name, role) if "*" in action or "?" in action}


def test_the_reader_reads_the_organization_in_the_management_account_only() -> None:
    policy = resources("agent-global", "AWS::IAM::Policy")["ReadOrganizationPolicy"]
    assert policy["Condition"] == "ReadsOrganization"
    assert load("agent-global")["Parameters"]["ReadOrganization"]["Default"] == "no"
    inline = {
        action
        for each in properties("agent-global", "ReaderRole")["Policies"]
        for one in statements(each["PolicyDocument"])
        for action in as_list(one["Action"])
    }
    assert not {action for action in inline if action.startswith("organizations:")}


def test_the_reader_only_looks() -> None:
    for action, _ in grants("agent-global", "ReaderRole"):
        verb = action.split(":")[1]
        assert verb.startswith(("Describe", "Get", "List", "Lookup")), action
        assert "*" not in action
        assert action not in {"backup:GetRecoveryPointRestoreMetadata", "kms:GetParametersForImport"}


def test_the_reader_trusts_functions_and_operators_of_the_guardian_and_nobody_else() -> None:
    statement = trust("agent-global", "ReaderRole")
    assert statement["Action"] == "sts:AssumeRole"
    assert text(statement["Principal"]["AWS"]) == "arn:${AWS::Partition}:iam::${GuardianAccountId}:root"
    trusted = [text(each).split(":")[-1] for each in statement["Condition"]["ArnLike"]["aws:PrincipalArn"]]
    assert trusted == ["role/backup-guardian-function-*", "role/backup-guardian-operator"]
    for pattern in statement["Condition"]["ArnLike"]["aws:PrincipalArn"]:
        assert text(pattern).startswith("arn:${AWS::Partition}:iam::${GuardianAccountId}:role/")
    for role in EXPECTED:
        assert fnmatch.fnmatchcase(f"role/{properties('guardian', role)['RoleName']}", trusted[0])
    assert f"role/{properties('guardian', 'OperatorRole')['RoleName']}" == trusted[1]
    external_id = statement["Condition"]["StringEquals"]["Fn::If"]
    assert external_id == ["HasExternalId", {"sts:ExternalId": {"Ref": "ExternalId"}}, {"Ref": "AWS::NoValue"}]


def test_drills_are_off_and_their_role_starts_copies_into_the_vaults_that_are_named() -> None:
    for name in ("guardian", "agent-global"):
        assert load(name)["Parameters"]["EnableDrills"]["Default"] == "no"
        # Nobody's vault, and nobody's role: who switches drills on names them.
        assert ":000000000000:" in load(name)["Parameters"]["DrillVaultArns"]["Default"]
    assert ":000000000000:" in load("agent-global")["Parameters"]["DrillJobRoleArns"]["Default"]
    assert resources("agent-global", "AWS::IAM::Role")["DrillRole"]["Condition"] == "DrillsEnabled"
    assert resources("guardian", "AWS::IAM::Policy")["DrillPolicy"]["Condition"] == "DrillsEnabled"
    assert grants("agent-global", "DrillRole") == DRILLS | RESTORES
    policy = resources("agent-global", "AWS::IAM::Policy")["RestoreDrillPolicy"]
    assert policy["Condition"] == "RestoreDrillsEnabled", "who switches copies on does not switch restores on"
    assert load("agent-global")["Parameters"]["EnableRestoreDrills"]["Default"] == "no"
    mark = (ROOT / "shared" / "src" / "drill" / "restore.rs").read_text(encoding="utf-8")
    assert 'pub const MARK: &str = "backup-guardian-drill-";' in mark, "drills make tables of another name"
    by_sid = {each["Sid"]: each for each in role_statements("agent-global", "DrillRole")}
    assert by_sid["CopyToAllowedVaults"]["Condition"] == {"ArnLike": {"backup:CopyTargets": {"Ref": "DrillVaultArns"}}}
    assert by_sid["PassJobRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}}
    command = (ROOT / "aws" / "src" / "drills.rs").read_text(encoding="utf-8")
    default = load("agent-global")["Parameters"]["DrillRoleName"]["Default"]
    assert f'pub const DRILL_ROLE: &str = "{default}";' in command, "the command assumes another role"


def test_the_role_for_drills_trusts_the_function_and_operators_of_the_guardian_and_nobody_else() -> None:
    statement = trust("agent-global", "DrillRole")
    assert statement["Action"] == "sts:AssumeRole"
    assert text(statement["Principal"]["AWS"]) == "arn:${AWS::Partition}:iam::${GuardianAccountId}:root"
    operator = properties("guardian", "OperatorRole")["RoleName"]
    function = properties("guardian", "RunDrillRole")["RoleName"]
    trusted = [text(each) for each in statement["Condition"]["ArnLike"]["aws:PrincipalArn"]]
    assert trusted == [
        f"arn:${{AWS::Partition}}:iam::${{GuardianAccountId}}:role/{name}" for name in (function, operator)
    ]
    external_id = statement["Condition"]["StringEquals"]["Fn::If"]
    assert external_id == ["HasExternalId", {"sts:ExternalId": {"Ref": "ExternalId"}}, {"Ref": "AWS::NoValue"}]


def test_the_forwarder_puts_events_on_the_hub_bus_only() -> None:
    bus = "arn:${AWS::Partition}:events:${HubRegion}:${GuardianAccountId}:event-bus/${BusName}"
    assert grants("agent-global", "ForwarderRole") == {("events:PutEvents", bus)}
    statement = trust("agent-global", "ForwarderRole")
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    rules = text(statement["Condition"]["ArnLike"]["aws:SourceArn"]).split(":")[-1]
    for body in resources("agent-regional", "AWS::Events::Rule").values():
        assert fnmatch.fnmatchcase(f"rule/{body['Properties']['Name']}", rules)


def test_only_forwarders_of_the_organization_put_events_on_the_hub_bus() -> None:
    (policy,) = resources("guardian", "AWS::Events::EventBusPolicy").values()
    statement = policy["Properties"]["Statement"]
    assert statement["Action"] == "events:PutEvents"
    assert statement["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
        "ArnLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/${ForwarderRoleName}"}},
    }


VAULT_NOTIFICATIONS = "backup-guardian-vault-notifications"


def test_only_topics_of_our_name_in_the_organization_reach_the_queue_of_notifications() -> None:
    # The account and Region in the ARN of the topic are believed, because nobody else can put a message here.
    (policy,) = (
        body["Properties"]["PolicyDocument"]
        for body in resources("guardian", "AWS::SQS::QueuePolicy").values()
        if body["Properties"]["Queues"] == [{"Ref": "VaultNotificationsQueue"}]
    )
    (allowed,) = (statement for statement in statements(policy) if statement["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "sns.amazonaws.com"} and allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceOrgID": {"Ref": "OrganizationId"}},
        "ArnLike": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:sns:*:*:{VAULT_NOTIFICATIONS}"}},
    }


def test_a_topic_of_vaults_is_written_by_aws_backup_and_heard_by_the_guardian_only() -> None:
    topic = load("agent-regional")["Resources"]["VaultNotificationsTopic"]["Properties"]
    assert topic["TopicName"] == VAULT_NOTIFICATIONS == properties("guardian", "VaultNotificationsQueue")["QueueName"]
    source = (ROOT / "shared" / "src" / "event" / "notification.rs").read_text(encoding="utf-8")
    assert f'VAULT_NOTIFICATIONS: &str = "{VAULT_NOTIFICATIONS}"' in source
    allowed = [
        statement
        for statement in statements(properties("agent-regional", "VaultNotificationsTopicPolicy")["PolicyDocument"])
        if statement["Effect"] == "Allow"
    ]
    assert [(statement["Action"], statement["Condition"]) for statement in allowed] == [
        ("sns:Publish", {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}),
        (
            "sns:Subscribe",
            {
                "StringEquals": {
                    "sns:Protocol": "sqs",
                    "sns:Endpoint": {
                        "Fn::Sub": f"arn:${{AWS::Partition}}:sqs:${{HubRegion}}:${{GuardianAccountId}}:{VAULT_NOTIFICATIONS}"
                    },
                }
            },
        ),
    ]
    assert allowed[0]["Principal"] == {"Service": "backup.amazonaws.com"}
    assert text(allowed[1]["Principal"]["AWS"]) == "arn:${AWS::Partition}:iam::${GuardianAccountId}:root"


def test_nobody_makes_a_subscription_that_its_owner_did_not_ask_for() -> None:
    # One that another account made could deliver without the envelope that says whose a notification is.
    assert resources("agent-regional", "AWS::SNS::Subscription") == {}


def test_names_that_accounts_share_have_one_default() -> None:
    shared = ("BusName", "ReaderRoleName", "ForwarderRoleName", "DrillRoleName")
    templates = [load(name)["Parameters"] for name in ("guardian", "agent-global", "agent-regional")]
    for name in shared:
        found = {(each[name]["Default"], each[name]["AllowedPattern"]) for each in templates if name in each}
        assert len(found) == 1, name
    assert templates[0]["BusName"]["Default"] == "backup-guardian"


def test_an_external_id_is_never_shown() -> None:
    for name in ("guardian", "agent-global"):
        assert load(name)["Parameters"]["ExternalId"]["NoEcho"] is True


def named_actions() -> set[str]:
    """IAM actions that the adapters and functions name: each failed read or write is reported under its action."""
    sources = {path for folder in ("aws", "aws-sweep", "functions") for path in (ROOT / folder).glob("**/src/**/*.rs")}
    # `guardian replay` works with the credentials of whoever types it; no function links it.
    sources.remove(ROOT / "aws" / "src" / "replay.rs")
    assert sources
    named = re.compile(r'"((?:backup|kms|cloudtrail|ec2|events|rds|iam|organizations|dynamodb|sns|sqs):[A-Z]\w+)"')
    return {action for path in sources for action in named.findall(path.read_text(encoding="utf-8"))}


def test_what_the_code_calls_is_allowed() -> None:
    allowed = {action for role in ("ReaderRole", "DrillRole") for action, _ in grants("agent-global", role)}
    allowed |= {action for role in EXPECTED for action, _ in grants("guardian", role)}
    # A transaction is authorized by the actions of its items.
    assert named_actions() - {"dynamodb:TransactWriteItems"} <= allowed


def test_the_page_of_permissions_says_what_the_templates_say() -> None:
    written = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert written == generate_permissions.page(), "run `make docs`"
