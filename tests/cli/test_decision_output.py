"""Decisions and candidates as text."""

from __future__ import annotations

from spotlab.cli.decision_output import score_document, score_text
from spotlab.domain.decision import drop_label
from spotlab.domain.policy import PolicyParams
from spotlab.domain.requirements import Requirements
from spotlab.pipeline.rank import rank
from spotlab.pipeline.score import score_market
from spotlab.pipeline.stage_trace import Tracer
from tests.support.market import NOW, BucketModel, market_data

PRICES: dict[tuple[str, str | None], float] = {
    ("m5.large", "us-east-1a"): 0.030,
    ("m6g.large", "us-east-1a"): 0.025,
}


def test_score_prints_the_labels_that_screens_show_and_keeps_the_stored_keys() -> None:
    scored = score_market(market_data(PRICES), BucketModel(), Tracer())
    need = Requirements(architecture="x86_64", vcpu_min=64)
    ranking = rank(scored, need, PolicyParams(risk_ceiling=1.0))
    assert "filtered: vCPU outside the required range 2" in score_text(ranking, 5)
    assert score_document(ranking, 5, NOW)["dropped"] == {"fewer or more vCPU than asked for": 2}


def test_a_reason_that_is_not_known_any_more_is_its_own_label() -> None:
    assert drop_label("another region") == "region not allowed"
    assert drop_label("retired reason") == "retired reason"
