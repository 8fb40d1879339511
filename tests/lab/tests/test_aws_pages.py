"""Pages that a caller does not expect, for every list of a sweep and every spelling of its token."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_support import REGION, Lab
from botocore.config import Config
from sweep_support import PAGED, fill

from lab.pages import listing
from lab.proxy import Proxy


@pytest.fixture
def proxy(aws_server: Lab) -> Iterator[Proxy]:
    proxy = Proxy(int(aws_server.endpoint.rsplit(":", 1)[-1]))
    yield proxy
    proxy.main.close()


def through(proxy: Proxy, aws: Lab, service: str, account: str) -> Any:
    """A client whose calls go through the proxy; each is tried once."""
    aws.client(service, account)
    session = aws._sessions[account]
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=proxy.main.url,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def walk(client: Any, operation: str, given: dict[str, Any], most: int) -> tuple[list[list[Any]], list[str]]:
    """The pages and the tokens that came with them, at most so many."""
    found = listing(client.meta.service_model.signing_name, client.meta.method_to_api_mapping[operation])
    assert found is not None
    seen: list[list[Any]] = []
    tokens: list[str] = []
    for _ in itertools.repeat(None, most):
        more = {found.input_token: tokens[-1]} if tokens else {}
        answer = getattr(client, operation)(**given, **more)
        seen.append(answer[found.results])
        token = answer.get(found.output_token)
        if found.more:
            assert bool(token) == answer[found.more]
        if not token:
            break
        tokens.append(token)
    return seen, tokens


def wrong_page(proxy: Proxy, operation: str, kind: str, **more: Any) -> None:
    proxy.faults.clear()
    proxy.faults.add({"match": {"operation": operation}, "fault": kind, **more})


def test_short_and_empty_pages_lose_nothing_and_a_repeated_token_never_ends(estate: Lab, proxy: Proxy) -> None:
    fill(estate)
    spellings = set()
    for service, account, method, member, given in PAGED:
        client = through(proxy, estate, service, account)
        operation = client.meta.method_to_api_mapping[method]
        proxy.faults.clear()
        whole = getattr(client, method)(**given)[member]
        assert len(whole) > 1, operation
        wrong_page(proxy, operation, "short-page")
        pages, tokens = walk(client, method, given, 100)
        assert pages == [[item] for item in whole], operation
        assert len(set(tokens)) == len(whole) - 1
        wrong_page(proxy, operation, "short-page", times=1)
        assert walk(client, method, given, 100)[0] == [whole[:1], whole[1:]], operation
        wrong_page(proxy, operation, "empty-page", times=1)
        assert walk(client, method, given, 100)[0] == [[], whole], operation
        wrong_page(proxy, operation, "short-page", times=1)
        proxy.faults.add({"match": {"operation": operation}, "fault": "empty-page", "times": 2})
        assert walk(client, method, given, 100)[0] == [whole[:1], [], [], whole[1:]], operation
        wrong_page(proxy, operation, "repeat-token")
        pages, tokens = walk(client, method, given, 5)
        assert pages == [whole] * 5 and len(set(tokens)) == 1, operation
        # Of a later page it is the token that was asked for.
        wrong_page(proxy, operation, "short-page", times=1)
        proxy.faults.add({"match": {"operation": operation}, "fault": "repeat-token", "times": 1})
        pages, tokens = walk(client, method, given, 4)
        assert pages == [whole[:1], whole[1:], whole[1:]] and len(set(tokens)) == 1, operation
        found = listing(client.meta.service_model.signing_name, operation)
        assert found is not None
        spellings.add((found.input_token, found.output_token))
    assert spellings == {
        ("NextToken", "NextToken"),
        ("PaginationToken", "PaginationToken"),
        ("Marker", "Marker"),
        ("Marker", "NextMarker"),
    }


def test_other_answers_stay_as_they_are(estate: Lab, proxy: Proxy) -> None:
    for kind in ("short-page", "empty-page", "repeat-token"):
        proxy.faults.clear()
        proxy.faults.add({"fault": kind})
        kms = through(proxy, estate, "kms", "111111111111")
        assert kms.describe_key(KeyId="alias/aws/backup")["KeyMetadata"]["KeyManager"] == "AWS"
        iam = through(proxy, estate, "iam", "111111111111")
        assert iam.get_role(RoleName="AWSBackupDefaultServiceRole")["Role"]["Path"] == "/service-role/"
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.list_attached_role_policies(RoleName="nobody")
