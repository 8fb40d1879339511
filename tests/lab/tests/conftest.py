"""Fixtures of the AWS part; the plumbing's tests bring their own."""

from aws_support import aws, aws_server, topology
from sweep_support import estate

__all__ = ["aws", "aws_server", "estate", "topology"]
