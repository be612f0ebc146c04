"""Model cards with metrics, for screens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spotlab.inference import artefacts
from tests.support.lab import save_toy_model

METRICS: dict[str, Any] = {
    "model": {
        "rows": 14_518,
        "base_rate": 0.4623,
        "auc": 0.788,
        "pr_auc": 0.780,
        "brier": 0.185,
        "brier_skill": 0.254,
        "log_loss": 0.545,
        "ece": 0.011,
    },
    "interval_95": {"auc": [0.757, 0.817], "pr_auc": [0.725, 0.824], "brier": [0.172, 0.197]},
    "last_bucket_only": {"rows": 14_518, "auc": 0.658, "pr_auc": 0.647, "brier": 0.221},
    "reliability": [
        {"forecast": [0.0, 0.1], "rows": 567, "mean_forecast": 0.076, "observed_share": 0.083},
        {"forecast": [0.5, 0.6], "rows": 900, "mean_forecast": 0.552, "observed_share": 0.541},
    ],
    "subgroups": {"region eu-*": {"rows": 4021, "base_rate": 0.42, "auc": 0.78, "brier": 0.185}},
}
DETAILS: dict[str, Any] = {
    "summary": "Monthly interruption rate.",
    "label": {"what": "Bucket >= 3.", "what_it_is_not": ["It is not a forecast of capacity."]},
    "sources": [
        {"data": "advisor of 2024-02-28", "published_by": "a publisher", "licence": "Apache-2.0"}
    ],
    "training": {"rows": 14_518, "split": "5 folds by instance family", "settings": {"seed": 7}},
    "limits": ["Drift: it needs calibrating again."],
    "formula": ["risk(h) = 1 - exp(-hazard * h)"],
    "metrics": METRICS,
}
CAPACITY: dict[str, Any] = {
    "summary": "P(capacity lost within H hours).",
    "split": {"spec": "time:0.6", "what": "fitted on the first 60% of the time"},
    "training": {"rows": {"1 h": 21_500, "3 h": 20_000}},
    "training_traces": [
        {"name": "us-east-1a", "started_at": "2023-02-15T00:00:00+00:00", "licence": "MIT"}
    ],
    "metrics": {
        "3 h": {"rows": 16_000, "base_rate": 0.3, "metrics": {"auc": {"value": 0.83}}},
        "1 h": {
            "rows": 16_900,
            "base_rate": 0.173,
            "metrics": {
                "auc": {"value": 0.836, "low": 0.80, "high": 0.87},
                "brier": {"value": 0.107, "low": 0.09, "high": 0.12},
            },
            "baselines": {
                "base_rate": {"auc": 0.5, "brier": 0.143},
                "streak_only": {"auc": 0.797, "brier": 0.126},
            },
            "reliability": [
                {
                    "low": 0.0,
                    "high": 0.1,
                    "rows": 100,
                    "mean_forecast": 0.05,
                    "observed_share": 0.04,
                }
            ],
            "subgroups": [{"name": "us-east-1a", "rows": 100, "base_rate": 0.2, "auc": 0.8}],
        },
    },
}


def save_carded_model(models_dir: Path, version: str, **changed: Any) -> Path:
    """Save the toy model as another version, with a detailed card."""
    plain = save_toy_model(models_dir)
    card = json.loads((plain / "card.json").read_text()) | DETAILS | {"version": version} | changed
    model = (plain / card["file"]).read_bytes()
    return artefacts.save(models_dir, json.dumps(card).encode(), model)
