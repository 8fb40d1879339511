"""The lab: a local AWS in one process. moto, what moto lacks, and the guardian deployed from its own templates.

`python -m lab` starts it. The settings of moto below must stand before the first import of moto, therefore here.
"""

from __future__ import annotations

import os

HOME_REGION = "eu-central-1"

os.environ.setdefault("AWS_DEFAULT_REGION", HOME_REGION)
os.environ.setdefault("AWS_REGION", os.environ["AWS_DEFAULT_REGION"])
# boto3 clients inside the lab talk to the lab only; these keys open nothing elsewhere.
os.environ["AWS_ACCESS_KEY_ID"] = "AKIALABMANAGEMENT000"
os.environ["AWS_SECRET_ACCESS_KEY"] = "lab"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
# AWS lets a queue be purged once a minute; a test empties it before it begins.
os.environ["MOTO_SQS_ENFORCE_STRICT_QUEUE_PURGE_BEHAVIOUR"] = "false"
for _name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
    os.environ.pop(_name, None)
