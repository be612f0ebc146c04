"""An error says what happened, what it means and what to do; a traceback stays in the log."""

from __future__ import annotations

import logging

import pytest
from streamlit.testing.v1 import AppTest

from spotlab import errors as known
from spotlab.errors import SpotlabError
from spotlab.ui.common import errors


def failing() -> None:
    import streamlit as st

    from spotlab.errors import DatabaseDown
    from spotlab.ui.common import errors

    with errors.boundary():
        raise DatabaseDown("The database is locked.", remedy="Stop the other writer.")
    with errors.boundary():
        raise ZeroDivisionError("secret detail")
    st.write("the rest of the page")


def test_a_known_error_says_what_it_means_and_what_to_do() -> None:
    app = AppTest.from_function(failing).run()
    text = app.error[0].value
    assert "The database is locked." in text
    assert "recorded data is not lost" in text
    assert "Stop the other writer." in text


def test_an_unknown_error_gives_a_reference_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="spotlab.ui"):
        app = AppTest.from_function(failing).run()
    text = app.error[1].value
    assert "secret detail" not in text
    reference = caplog.records[-1].getMessage().rsplit(" ", 1)[-1]
    assert reference in text
    assert caplog.records[-1].exc_info is not None


def test_the_rest_of_the_page_stays() -> None:
    app = AppTest.from_function(failing).run()
    assert app.markdown[-1].value == "the rest of the page"
    assert not app.exception


def test_every_known_error_has_a_title() -> None:
    kinds = [
        kind
        for kind in vars(known).values()
        if isinstance(kind, type) and issubclass(kind, SpotlabError)
    ]
    assert len(kinds) > 10
    assert all(any(issubclass(kind, titled) for titled in errors.TITLES) for kind in kinds)
