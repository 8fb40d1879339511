"""The organization of the lab: fixed ids, so that tests and transcripts can name them."""

from __future__ import annotations

from lab import HOME_REGION

MANAGEMENT = "333333333333"
GUARDIAN = "444444444444"
BACKUP = "222222222222"
SOURCES = ("111111111111", "111111111112", "111111111113")
ALL = (MANAGEMENT, GUARDIAN, BACKUP, *SOURCES)
NAMES = {
    MANAGEMENT: "management",
    GUARDIAN: "guardian",
    BACKUP: "backup",
    SOURCES[0]: "source-one",
    SOURCES[1]: "source-two",
    SOURCES[2]: "source-three",
}
REGIONS = (HOME_REGION, "eu-west-1")
# Where the events of IAM and Organizations are.
GLOBAL_REGION = "us-east-1"
ORGANIZATION_ID = "o-exampleorgid"
ROOT_ID = "r-ab12"
ADMIN_ROLE_NAME = "OrganizationAccountAccessRole"
STACK_NAME = "backup-guardian"
BUS_NAME = "backup-guardian"
FORWARDER_ROLE_NAME = "backup-guardian-forwarder"
READER_ROLE_NAME = "backup-guardian-reader"
