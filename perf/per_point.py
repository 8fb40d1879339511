"""What one call per recovery point takes in boto3: the usual tools list the tags of each. Prints processor seconds per call."""

from __future__ import annotations

import sys
import time

import boto3
from botocore.config import Config


def main() -> int:
    count = int(sys.argv[1])
    backup = boto3.client("backup", region_name="eu-central-1", config=Config(parameter_validation=False))
    point = "arn:aws:ec2:eu-central-1::snapshot/snap-{:012}"
    for number in range(20):
        backup.list_tags(ResourceArn=point.format(number))
    start = time.process_time()
    for number in range(count):
        backup.list_tags(ResourceArn=point.format(number))
    print((time.process_time() - start) / count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
