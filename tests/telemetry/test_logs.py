"""A log line is one JSON object with a correlation id and without secrets."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from spotlab.telemetry import logs, redaction
from spotlab.telemetry.redaction import redacted

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
API_TOKEN = "spl_0123456789ab_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE"
RANDOM = "q7Xz9_Lk2mVb4NcR8tYw1PaSd6FgHj3KlZx5CvBnM0Q"
STS = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQDq+3Z"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql+psycopg://me:hunter2@db/x", "hunter2"),
        ("redis://:hunter2@127.0.0.1:6379", "hunter2"),
        ("key AKIAIOSFODNN7EXAMPLE refused", "AKIAIOSFODNN7EXAMPLE"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
        (f"the session {STS} has expired", STS[:24]),
        ("GET /?X-Amz-Security-Token=FwoGZXIvYXdzEBc&X-Amz-Signature=0a1b2c", "FwoGZXIvYXdzEBc"),
        ("GET /?X-Amz-Security-Token=FwoGZXIvYXdzEBc&X-Amz-Signature=0a1b2c", "0a1b2c"),
        ("ExternalId=sesame-42 is wrong", "sesame-42"),
        ("{'external_id': 'sesame 42'}", "sesame 42"),
        ('{"password": "hunter2"}', "hunter2"),
        ('{"password": "correct horse battery"}', "battery"),
        (r"{\"client_secret\": \"hunter2\"}", "hunter2"),
        ("Authorization: Bearer-abc.def", "Bearer-abc.def"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("authorization: Basic YW5hOmh1bnRlcjI=", "YW5hOmh1bnRlcjI="),
        ("{'Authorization': 'AWS4-HMAC-SHA256 Credential=ASIAX/2026'}", "ASIAX"),
        ("sent bearer abcdefgh12345678 twice", "abcdefgh12345678"),
        (f"session {JWT} was refused", JWT),
        (f"token list holds {API_TOKEN}", API_TOKEN[-20:]),
        ("Cookie: spotlab_session=abc; spotlab_renewal=def", "def"),
        ("Set-Cookie: spotlab_renewal=s3cr3t; HttpOnly", "s3cr3t"),
        (f"renewed with {RANDOM}", RANDOM),
        (f"open http://127.0.0.1:8501/welcome/{RANDOM} to begin", RANDOM),
        ("posting to https://hooks.slack.com/services/T0AA/B0BB/cCcCcC", "cCcCcC"),
        ("https://discord.com/api/webhooks/123/abcDEF answered 404", "abcDEF"),
        ("https://chat.example/hooks/abc answered 500", "hooks/abc"),
    ],
)
def test_masks_secrets(text: str, secret: str) -> None:
    assert secret not in logs.redact(text)
    assert "***" in logs.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "decided SWITCH: m6i.2xlarge in us-west-2a at 0.1039 USD/h saves 0.2987 USD/h",
        "digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 is known",
        "i-0123456789abcdef0 of arn:aws:iam::123456789012:role/spotlab could not be read",
        "test_a_database_that_is_gone_is_explained_once took 3 s",
    ],
)
def test_leaves_what_is_no_secret(text: str) -> None:
    assert logs.redact(text) == text


@pytest.mark.parametrize(
    "part",
    [
        *("secret ", "secret-", "password", "token\\", "http://a/", "https://a/b/hook", "-eyJ"),
        *(
            "authorization",
            "authorization '",
            "bearer ",
            "://a:",
            "cookie",
            "secret" + " " * 60_000,
        ),
    ],
    ids=lambda part: part[:20],
)
def test_text_that_is_nearly_a_secret_everywhere_takes_no_time(part: str) -> None:
    text = (part * (60_000 // len(part) + 1))[:60_000]
    assert len(logs.redact(text)) <= len(text) + 1000


def test_a_very_long_text_keeps_its_ends_and_no_half_of_a_secret() -> None:
    middle = redaction.MAX_CHARS // 2
    begins = "it began " + "x" * (middle - 20) + f" {RANDOM}"
    ends = f"{RANDOM} " + "y" * (middle - 20) + " it ended"

    shown = logs.redact(begins + "z " * 1_000_000 + ends)

    assert len(shown) <= redaction.MAX_CHARS + 10
    assert shown.startswith("it began ")
    assert shown.endswith(" it ended")
    assert RANDOM[:8] not in shown
    assert RANDOM[-8:] not in shown


@pytest.mark.parametrize("gap", ["", " ", "   ", " " * 20])
def test_masks_values_in_columns(gap: str) -> None:
    assert "hunter2" not in logs.redact(f"password{gap}:{gap}hunter2")


def test_masks_in_facts_by_their_name_too() -> None:
    told = redacted({"password": "x", "nested": [{"renewal_token": "y"}], "instance": "i-1"})
    assert told == {"password": "***", "nested": [{"renewal_token": "***"}], "instance": "i-1"}


@pytest.fixture
def configured() -> Iterator[None]:
    """Logging as a server has it; as it was, afterwards."""
    root, manager = logging.getLogger(), logging.getLogger().manager
    known = {
        name: (each.handlers[:], each.propagate)
        for name, each in manager.loggerDict.items()
        if isinstance(each, logging.Logger)
    }
    before, alone, role = root.handlers[:], logs._adopted, logs.role()
    yield
    logging.captureWarnings(False)
    root.handlers[:] = before
    logs._adopted, logs._role = alone, role
    for name, (handlers, propagate) in known.items():
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = handlers, propagate


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_one_json_object_and_says_what_it_belongs_to(
    configured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("INFO", role="worker")
    with logs.correlated("abc123"), logs.log_context(request_id="r-1"):
        logs.add_context(user="ana")
        fields = {"fields": {"decision": "STAY", "token": "hunter2"}}
        logging.getLogger("spotlab.pipeline").info("decided %d", 3, extra=fields)
    logging.getLogger("spotlab.pipeline").info("alone")
    first, second = lines(capsys.readouterr().err)
    assert first["message"] == "decided 3"
    assert first["component"] == "pipeline"
    assert first["level"] == "INFO"
    assert (first["role"], first["process"]) == ("worker", logs.process_id())
    assert (first["correlation_id"], first["request_id"]) == ("abc123", "r-1")
    assert first["user"] == "ana"
    assert first["fields"] == {"decision": "STAY", "token": "***"}
    assert "correlation_id" not in second
    assert "user" not in second


def test_what_is_done_inside_keeps_the_outer_id() -> None:
    with logs.correlated() as outer:
        with logs.correlated() as inner:
            assert inner == outer == logs.correlation_id()
        with logs.correlated("other") as other:
            assert other == "other"
    assert logs.correlation_id() == ""
    assert logs.usable_id("job-7.a") == "job-7.a"
    assert logs.usable_id('x"\n') is None


def test_an_exception_is_logged_without_its_secret(
    configured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("INFO")
    try:
        raise ValueError("redis://:hunter2@127.0.0.1")
    except ValueError:
        logging.getLogger("spotlab").exception("failed")
    err = capsys.readouterr().err
    assert "hunter2" not in err
    assert "ValueError" in json.loads(err)["error"]


def test_other_packages_warn_in_the_same_shape_and_once(
    configured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = ["streamlit.web", "uvicorn.error", "alembic.runtime", "apscheduler.scheduler"]
    for name in packages:  # as Streamlit and uvicorn do: a handler each, heard nowhere else
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.StreamHandler()]
        logger.propagate = False
    silenced = logging.getLogger("uvicorn.access")
    silenced.handlers[:], silenced.propagate = [], False
    logs.configure("INFO", role="app")
    logs.adopt()
    assert not silenced.hasHandlers()
    for name in packages:
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("password=hunter2")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("it is old", DeprecationWarning, stacklevel=1)
    logging.getLogger("spotlab.ui").warning("ours")
    written = lines(capsys.readouterr().err)
    assert [line["component"] for line in written] == [*packages, "py.warnings", "ui"]
    assert written[0]["message"] == "password=***"
