"""Onboarding through the API and the client: the role, listings by region, rotation."""

from __future__ import annotations

from typing import Any

import yaml

from spotlab.domain.ports import RegionListing, Topic
from tests.api.conftest import ApiClient

NUMBER = "111111111111"
PRINCIPAL = "arn:aws:iam::222222222222:role/spotlab-server"
ACCOUNT = {
    "name": "team",
    "aws_account_id": NUMBER,
    "role_arn": f"arn:aws:iam::{NUMBER}:role/SpotLab",
    "regions": ["us-east-1"],
    "active": False,
}


def role(ask: ApiClient, **query: str) -> Any:
    return ask("GET", "/accounts/team/role", params={"principal": PRINCIPAL} | query)


def test_the_role_of_an_account_is_read_with_its_templates(ask: ApiClient) -> None:
    assert ask("POST", "/accounts", json=ACCOUNT).json()["active"] is False
    found = role(ask).json()
    assert (found["access"], found["role_arn"]) == ("read-only", ACCOUNT["role_arn"])
    assert found["trust_policy"]["Statement"][0]["Principal"] == {"AWS": PRINCIPAL}
    assert yaml.safe_load(found["cloudformation"])["Resources"]
    switching = role(ask, access="switching").json()
    assert len(switching["policy"]["Statement"]) > len(found["policy"]["Statement"])
    assert len(switching["explanation"]) == len(switching["policy"]["Statement"])
    assert role(ask, access="everything").status_code == 422
    wrong = role(ask, principal="arn:aws-cn:iam::222222222222:role/x")
    assert wrong.status_code == 422
    assert "in the partition aws-cn" in wrong.text


def test_a_new_external_id_is_returned_once_and_never_stored_in_a_response(ask: ApiClient) -> None:
    ask("POST", "/accounts", json=ACCOUNT)
    rotated = ask("POST", "/accounts/team/rotation", json={"reason": "yearly"})
    assert rotated.status_code == 201
    secret = rotated.json()["external_id"]
    assert len(secret) == 43
    assert rotated.json()["account"]["rotation_pending"] is True
    again = [
        ask("POST", "/accounts/team/rotation", json={}, headers={"Idempotency-Key": "a-key-1"})
        for _ in range(2)
    ]
    assert again[0].json().get("external_id") not in again[1].text, "the response is not stored"
    everything = ask("GET", "/accounts").text + ask("GET", "/accounts/team").text + role(ask).text
    assert secret not in everything + ask("GET", "/audit").text
    assert ask("POST", "/accounts/team/rotation/confirmation", json={}).status_code in (502, 503)
    assert ask("GET", "/accounts/team").json()["rotation_pending"] is True
    assert ask("DELETE", "/accounts/team/rotation").json()["rotation_pending"] is False
    assert ask("DELETE", "/accounts/team/rotation").status_code == 409


def test_listings_by_region_name_the_error(ask: ApiClient) -> None:
    never = ask("GET", "/accounts/acme/listing").json()
    assert (never["listed_at"], never["regions"]) == (None, [])
    now = ask.lab.clock.now()
    failed = RegionListing("me-south-1", None, "It is not enabled.", "OptInRequired")
    ask.lab.store.fleet.note_listing(
        "acme", now, "It is not enabled.", [RegionListing("us-east-1", now), failed]
    )
    ask.lab.bus.publish(Topic.FLEET)
    listing = ask("GET", "/accounts/acme/listing").json()
    assert listing["listed_at"] is not None
    assert [(each["region"], each["code"]) for each in listing["regions"]] == [
        ("me-south-1", "OptInRequired"),
        ("us-east-1", ""),
    ]


def test_others_read_neither_the_role_nor_a_foreign_listing(ask: ApiClient) -> None:
    ask("POST", "/accounts", json=ACCOUNT)
    assert ask("GET", "/accounts/team/listing", "own").status_code == 404
    assert ask("GET", "/accounts/acme/role", "own").status_code == 403
    assert ask("POST", "/accounts/acme/rotation", "own", json={}).status_code == 403


def test_an_account_is_removed_once(ask: ApiClient) -> None:
    ask("POST", "/accounts", json=ACCOUNT)
    assert ask("DELETE", "/accounts/team", "own").status_code in (403, 404)
    removed = ask("DELETE", "/accounts/team", params={"reason": "sold"})
    assert (removed.status_code, removed.json()["name"]) == (200, "team")
    assert ask("GET", "/accounts/team").status_code == 404
    assert ask("DELETE", "/accounts/team").status_code == 404
    kept = ask("DELETE", "/accounts/acme")
    assert kept.status_code == 409
    assert "comes from the settings" in kept.json()["detail"]


def test_the_set_up_of_event_queues_is_read_by_who_sees_the_account(ask: ApiClient) -> None:
    ask("POST", "/accounts", json=ACCOUNT)
    found = ask("GET", "/accounts/team/event-setup").json()
    assert (found["queue"], found["regions"]) == ("spotlab-events", ["us-east-1"])
    assert "AWS::SQS::Queue" in str(found["template"])
    assert any("create-queue" in each for each in found["commands"])
    assert found["statements"]
    assert ask("GET", "/accounts/team/event-setup", "own").status_code == 404
    assert ask("GET", "/accounts/nobody/event-setup").status_code == 404
    assert ask("GET", "/accounts/acme/event-setup").status_code == 409, "it has no region"
