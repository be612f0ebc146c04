"""The client against the API: typed values, retries, keys, errors and pages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from spotlab.client import SpotLab
from spotlab.errors import (
    AwsError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotAvailable,
    NotFound,
    NotSignedIn,
    TooManyRequests,
)
from tests.support.lab import FLEET

WEB = FLEET[0][0]
HEAVY = ("streamlit", "pandas", "numpy", "lightgbm", "sqlalchemy", "fastapi", "boto3")


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, str]]:
    """A server process with a small lab whose instances have been evaluated once."""
    command = [sys.executable, "-m", "tests.api.serving"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        process.wait(30)


@pytest.fixture
def lab(served: dict[str, str]) -> Iterator[SpotLab]:
    with SpotLab(**served) as opened:
        yield opened


def test_what_is_watched_is_read_and_changed(lab: SpotLab) -> None:
    made = lab.alerts.create(
        "Redis", {"kind": "state", "component": "Redis cache"}, "http://127.0.0.1:9/hook"
    )
    assert lab.alerts.get(made.rule_id) == made
    assert not lab.alerts.enable(made.rule_id, enabled=False).enabled
    assert not lab.alerts.test(made.rule_id).ok  # nothing listens there
    assert len(lab.alerts.signing_key(made.rule_id)) == 64
    assert [r.name for r in lab.alerts.rules(enabled=False)] == ["Redis"]
    assert list(lab.alerts.ringing()) == list(lab.alerts.history()) == []
    assert lab.alerts.delete(made.rule_id).rule_id == made.rule_id
    output = list(lab.audit.list(target=made.rule_id))
    assert [each.action for each in output][-1] == "alert.add"
    assert lab.audit.check().broken_at is None
    assert {each.kind for each in lab.market.get().sources} >= {"advisor", "specs"}
    with pytest.raises(AwsError, match="No AWS in this test"):
        lab.market.collect()
    assert "database" in {part.key for part in lab.uptime()}
    assert list(lab.day("database")) == []
    assert lab.accounts.change("acme", active=True).active


def test_workloads_are_saved_and_assigned(lab: SpotLab) -> None:
    values = {"description": "Renders.", "checkpoint_interval_h": 2.0, "recovery_h": 0.1}
    saved = lab.workloads.save("render", 0, "measured", **values)
    assert (saved.version, saved.work_lost_h, saved.reason) == (1, 1.0, "measured")
    assert lab.workloads.get("render") == lab.workloads.get("render", 1) == saved
    assert list(lab.workloads.versions("render")) == [saved]
    assert saved in list(lab.workloads.list())
    with pytest.raises(Conflict, match="at version 1, not 0"):
        lab.workloads.save("render", 0, **values)
    rule = lab.workloads.assign("instance", WEB, "render")
    assert list(lab.workloads.assignments()) == [rule]
    assert lab.workloads.of_instance(WEB).name == "render"
    assert lab.workloads.unassign("instance", WEB) == rule
    assert lab.workloads.of_instance(WEB).name == "default"


def test_everything_is_read_as_typed_values(lab: SpotLab) -> None:
    assert lab.me().name == "boss"
    instances = list(lab.instances.list(account="acme", limit=2))
    assert len(instances) == 4
    assert instances[0].pool.region == "us-east-1"
    assert lab.instances.get(WEB).name == "web-1"
    assert lab.instances.requirements(WEB).source == "derived"
    assert [a.name for a in lab.accounts.list()] == ["acme"]
    assert lab.accounts.listing("acme").regions == ()
    decision = next(lab.experiments.list(instance_id=WEB))
    whole = lab.experiments.get(decision.experiment_id, features=True)
    assert whole.verdict is not None
    assert whole.verdict.decision == decision.decision
    candidates = list(lab.experiments.candidates(decision.experiment_id))
    assert len(candidates) == whole.candidates_total
    pool = candidates[0].pool.key
    assert (
        lab.explain(pool).contributions
        == lab.experiments.explain(decision.experiment_id, pool).contributions
    )
    tried = lab.what_if([WEB], risk_ceiling=1.0, min_saving_fraction=0.0)
    assert [each.name for each in tried.instances] == ["web-1"]
    assert tried.before.moves in (0, 1)
    assert lab.experiments.replay(decision.experiment_id).identical
    changed = lab.experiments.replay(decision.experiment_id, policy={"risk_ceiling": 0.5})
    assert changed.changed == ("policy",)
    assert next(lab.candidates(architecture="arm64", region=["us-east-1"])).rank == 1
    assert [m.reference for m in lab.models.list(state="champion")] == ["toy@1.0.0"]
    assert lab.models.get("toy").card is not None
    assert lab.models.performance("toy").scores == ()
    assert lab.models.online_weights().lag is None
    assert next(lab.models.history("toy")).action == "champion"
    assert "database" in {c.name for c in lab.health()}
    assert "retention" in {j.name for j in lab.jobs.list()}


def test_an_account_is_set_up_and_removed(lab: SpotLab) -> None:
    number = "111111111111"
    lab.accounts.create(
        "team", number, ["us-east-1"], role_arn=f"arn:aws:iam::{number}:role/SpotLab"
    )
    principal = "arn:aws:iam::222222222222:role/spotlab-server"
    role = lab.accounts.role("team", "switching", principal)
    assert role.trust_policy["Statement"][0]["Principal"] == {"AWS": principal}
    assert "AWS::IAM::Role" in role.cloudformation
    assert "aws_iam_role" in role.terraform
    setup = lab.events.setup("team")
    assert setup.regions == ("us-east-1",)
    assert setup.commands
    assert list(lab.events.list()) == []
    assert lab.events.reading().received.p50_s is None
    assert lab.accounts.remove("team", "sold").name == "team"
    with pytest.raises(NotFound):
        lab.accounts.get("team")


def test_a_policy_is_drafted_compared_and_activated(lab: SpotLab) -> None:
    draft = lab.policies.save(
        "bold", {"risk_ceiling": 1.0}, base="default", description="More risk."
    )
    assert (draft.reference, draft.state) == ("bold@1", "draft")
    assert lab.policies.get("bold") == draft
    assert [each.name for each in lab.policies.diff("bold").differences] == ["risk_ceiling"]
    assert lab.policies.set_state("bold@1", "shadow").state == "shadow"
    lab.instances.evaluate(WEB)
    assert lab.policies.shadow("bold").decided == 1
    preview = lab.policies.preview("bold@1", days=1.0)
    assert (preview.decided > 0, preview.failed) == (True, 0)
    assert lab.policies.set_state("bold@1", "active", "a test").state == "active"
    assert lab.instances.evaluate(WEB).policy_version == "bold@1"
    assert lab.policies.set_state("default@1", "active", "back").state == "active"
    assert [each.reference for each in lab.policies.list(state="active")] == ["default@1"]


def test_changes_are_made(lab: SpotLab) -> None:
    assert lab.instances.set_shadow(WEB, False, "a test").shadow is False
    assert lab.instances.set_shadow(WEB, True).shadow is True
    assert lab.instances.set_mode(WEB, "linear").mode == "linear"
    assert lab.instances.assign(WEB, None).model is None
    assert lab.instances.evaluate(WEB).instance_id == WEB
    assert len(lab.instances.evaluate_many([WEB]).experiments) == 1
    made = lab.accounts.create("staging", "111122223333", ["us-east-1"])
    assert lab.accounts.get("staging") == made
    assert lab.jobs.pause("retention").paused is True


def test_problems_are_the_errors_of_spotlab(lab: SpotLab, served: dict[str, str]) -> None:
    with pytest.raises(NotFound, match="not in the fleet"):
        lab.instances.get("i-nothing")
    with pytest.raises(InvalidInput, match="no parameter 'acount'"):
        next(lab.instances.list(acount="acme"))
    with pytest.raises(Conflict, match="already"):
        lab.accounts.create("acme", "111122223333", ["us-east-1"])
    with SpotLab(served["url"], "spl_wrong") as stranger, pytest.raises(NotSignedIn):
        stranger.me()


def answering(*answers: httpx.Response) -> tuple[SpotLab, list[httpx.Request], list[float]]:
    """A client whose server returns these responses, its requests, and the waiting times."""
    asked: list[httpx.Request] = []
    waited: list[float] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return waiting.pop(0)

    lab = SpotLab("http://lab", "token", transport=httpx.MockTransport(answer))
    lab._transport._sleep = waited.append
    return lab, asked, waited


def problem(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": "No.", "remedy": "Wait."}, headers=headers)


ME = {"name": "ana", "role": "viewer", "accounts": None, "rights": [], "via": "", "new": 1}


def test_what_is_told_to_wait_waits() -> None:
    lab, asked, waited = answering(
        problem(503, **{"Retry-After": "5"}),
        problem(429, **{"Retry-After": "7"}),
        httpx.Response(200, json=ME),
    )
    assert lab.me().name == "ana"
    assert (len(asked), waited) == (3, [5.0, 7.0])


def test_a_write_that_is_sent_again_has_the_same_key() -> None:
    account = {
        "name": "n",
        "aws_account_id": "1" * 12,
        "role_arn": "",
        "external_id_set": False,
        "regions": [],
        "emulated": True,
        "active": True,
    }
    lab, asked, _ = answering(problem(503), httpx.Response(201, json=account))
    lab.accounts.create("n", "1" * 12, ["us-east-1"])
    keys = {request.headers["idempotency-key"] for request in asked}
    assert (len(asked), len(keys)) == (2, 1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, Forbidden), (409, Conflict), (412, Conflict), (428, InvalidInput)],
)
def test_what_is_refused_is_not_sent_again(status: int, kind: type[Exception]) -> None:
    lab, asked, _ = answering(problem(status))
    with pytest.raises(kind):
        lab.me()
    assert len(asked) == 1


def test_patience_ends() -> None:
    lab, asked, _ = answering(*[problem(429, **{"Retry-After": "3"}) for _ in range(4)])
    with pytest.raises(TooManyRequests) as refused:
        lab.me()
    assert (len(asked), refused.value.retry_after_s) == (4, 3.0)


def test_a_server_that_is_gone_is_not_available() -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    lab = SpotLab("http://lab", "token", transport=httpx.MockTransport(gone))
    lab._transport._sleep = lambda _s: None
    with pytest.raises(NotAvailable, match="does not respond"):
        lab.me()


LINE = {
    "time": "2026-11-03T09:30:00Z",
    "level": "INFO",
    "component": "test",
    "message": "hello",
    "correlation_id": "",
    "request_id": "",
    "user": "",
    "account": "",
    "error": "",
}


def stream(*ids: str) -> httpx.Response:
    events = [f"id: {i}\nevent: log\ndata: {json.dumps(LINE | {'id': i})}\n\n" for i in ids]
    return httpx.Response(200, text=": here\n\n" + "".join(events))


def test_a_stream_is_taken_up_where_it_ended() -> None:
    lab, asked, _ = answering(stream("1-0", "2-0"), stream(), stream("3-0"), problem(403))
    lines = lab.logs.follow()
    assert [next(lines).id for _ in range(3)] == ["1-0", "2-0", "3-0"]
    with pytest.raises(Forbidden):
        next(lines)
    after = [request.headers.get("last-event-id") for request in asked]
    assert after == [None, "2-0", "2-0", "3-0"]


def test_it_is_imported_without_anything_heavy() -> None:
    code = "import sys, spotlab.client; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_the_readme_s_example_runs(
    served: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    start = readme.index("from spotlab.client import SpotLab")
    exec(readme[start : readme.index("```", start)], dict(served))
    assert "web-1" in capsys.readouterr().out


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash"
)
def test_what_the_readme_says_to_type_works(served: dict[str, str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    lines = readme.partition("## API and client")[2].partition("```sh\n")[2].partition("```")[0]
    given = {"TOKEN": served["token"], "URL": served["url"], "INSTANCE": WEB}
    script = "curl() { command curl --fail --noproxy '*' \"$@\" && echo; }\n"
    script += f"uuidgen() {{ echo {uuid.uuid4()}; }}\n{lines}"
    done = subprocess.run(
        ["bash", "-euc", script],
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    assert len(answers) == lines.count("curl ") == 4
    assert answers[1]["instance_id"] == WEB
    assert answers[3]["words"] == "database is down or degraded"
