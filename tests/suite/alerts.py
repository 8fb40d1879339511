"""What every alert must be, whatever it is about: valid against its published schema, and filtered by attributes that tell the truth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).resolve().parents[2] / "shared" / "src" / "report" / "alert-v1.schema.json"
# Longest attribute that the guardian sends.
LONGEST = 128


@cache
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def attributes_of(alert: dict[str, Any]) -> dict[str, str]:
    """The attributes that follow from a body; what the body does not know is absent."""
    job = (alert.get("jobs") or [{}])[0]
    destination = alert.get("route", {}).get("destination_vault", "").split(":")
    found = {
        **{name: alert.get(name) for name in ("kind", "severity", "cause", "certainty", "incident_id")},
        "source_account": job.get("account_id"),
        "destination_account": destination[4] if len(destination) > 4 else None,
        "region": job.get("region"),
        "resource_type": job.get("resource_type"),
    }
    if "actor" in alert:
        # There is no job; it was done in this account.
        found |= {"source_account": alert["act_in"]["account_id"], "region": alert["act_in"].get("region")}
    if alert.get("routes_total") == 1:
        # There is no job yet; the only route that a prediction is about tells where it will run.
        route = alert["route"]
        found |= {"source_account": route.get("source_account"), "region": route.get("source_region")}
        found["resource_type"] = route.get("resource_type")
    return {name: value[:LONGEST] for name, value in found.items() if value}


def check(alert: dict[str, Any], attributes: dict[str, str]) -> None:
    """Fails where the body breaks the schema, or an attribute says anything else than the body."""
    errors = sorted(validator().iter_errors(alert), key=lambda error: error.json_path)
    assert not errors, "\n".join(f"{error.json_path}: {error.message}" for error in errors)
    assert attributes == attributes_of(alert)
