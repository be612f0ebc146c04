"""An uploaded model that fails causes a problem response, never a server error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.api.conftest import ApiClient
from tests.support.lab import FLEET, small_lab
from tests.support.people import ANA
from tests.support.uploaded_models import odd_programs as odd_programs
from tests.support.uploaded_models import save_uploaded_model

WEB = FLEET[0][0]
SENT = "toy@2.0.0"
POOL = "us-east-1:us-east-1a:m5.large:Linux"


@pytest.fixture
def lab(tmp_path: Path, models_dir: Path, odd_programs: None) -> Iterator[Lab]:
    save_uploaded_model(tmp_path / "home", models_dir / "toy" / "1.0.0", "crash")
    with small_lab(tmp_path / "home", models_dir) as opened:
        yield opened


def test_whoever_asks_for_it_is_told_what_it_did_and_when_to_ask_again(ask: ApiClient) -> None:
    for path in (f"/explanation?pool={POOL}&model={SENT}", f"/candidates?model={SENT}"):
        answer = ask("GET", path)
        assert answer.status_code == 503, answer.text
        problem = answer.json()
        assert problem["detail"] == f"Model {SENT} crashed (SIGSEGV) in its own process."
        assert "used again in 5 min" in problem["remedy"]
        assert 0 < int(answer.headers["retry-after"]) <= 300
    assert ask("GET", f"/explanation?pool={POOL}").status_code == 200
    assert ask("GET", "/candidates").json()["model"] == "toy@1.0.0"


def test_an_instance_with_it_goes_on_with_the_champion_and_says_so(
    ask: ApiClient, lab: Lab
) -> None:
    Services(lab, ANA).instances.assign(WEB, SENT, "to see")
    why = (
        f"The assigned model {SENT} crashed (SIGSEGV) in its own process: the champion toy@1.0.0 "
        "is used instead."
    )
    found = ask("GET", f"/candidates?instance_id={WEB}").json()
    assert (found["model"], found["degraded"]) == ("toy@1.0.0", [why])
    decided = ask("POST", "/evaluations", json={"instance_ids": [WEB]}).json()["experiments"][0]
    assert (decided["model"], decided["degraded"]) == ("toy@1.0.0", [why])
