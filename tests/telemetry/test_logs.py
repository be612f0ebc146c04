"""A log line is one JSON object, can be followed through an evaluation, and holds no secret."""

from __future__ import annotations

import json
import logging

import pytest

from spotlab.telemetry import logs


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql+psycopg://me:hunter2@db/x", "hunter2"),
        ("redis://:hunter2@127.0.0.1:6379", "hunter2"),
        ("key AKIAIOSFODNN7EXAMPLE refused", "AKIAIOSFODNN7EXAMPLE"),
        ("ExternalId=sesame-42 is wrong", "sesame-42"),
        ('{"password": "hunter2"}', "hunter2"),
        ("Authorization: Bearer-abc.def", "Bearer-abc.def"),
    ],
)
def test_masks_secrets(text: str, secret: str) -> None:
    assert secret not in logs.redact(text)
    assert "***" in logs.redact(text)


def test_a_line_is_one_json_object_with_its_correlation_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("INFO")
    with logs.correlated("abc123"):
        logging.getLogger("spotlab.pipeline").info("decided %d", 3)
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "decided 3"
    assert line["component"] == "pipeline"
    assert line["correlation_id"] == "abc123"
    assert line["level"] == "INFO"


def test_an_exception_is_logged_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        raise ValueError("redis://:hunter2@127.0.0.1")
    except ValueError:
        logging.getLogger("spotlab").exception("failed")
    err = capsys.readouterr().err
    assert "hunter2" not in err
    assert "ValueError" in json.loads(err)["error"]
