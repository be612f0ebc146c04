"""The section on throughputs of the Workloads page."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from spotlab.domain.access import Role
from spotlab.domain.performance import Basis
from spotlab.domain.throughput_file import parse_throughputs
from spotlab.domain.throughputs import Throughput
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common import export
from spotlab.ui.workloads import throughputs
from tests.pages.conftest import button, said
from tests.support.people import ANA, open_pages_as, person

CSV = b"name,throughput,unit,note\nm6g.large,1000,images/s,batch 32\nm7g,590,images/s,\n"


def section() -> None:
    """The section alone, on a page of its own."""
    from spotlab.domain.access import Right
    from spotlab.ui.common import guard
    from spotlab.ui.workloads import throughputs

    guard.require(Right.READ)
    throughputs.show(["default", "queue-worker"])


def opened() -> AppTest:
    return AppTest.from_function(section, default_timeout=30).run()


def upload(app: AppTest, content: bytes, workload: str = "") -> AppTest:
    app.file_uploader(key="throughputs-file").set_value([("measured.csv", content, "text/csv")])
    app.selectbox(key="throughputs-workload").set_value(workload)
    app.text_input(key="throughputs-reason").set_value("measured on Tuesday")
    app.run()
    return button(app, "Upload").click().run()


def test_without_throughputs_it_says_what_counts(lab: Lab) -> None:
    app = opened()
    assert app.header[0].value == "Price for work"
    assert "No throughputs have been measured. Where nothing was measured" in said(app)
    (claims,) = (table.value for table in app.dataframe)
    assert "up to 25% better performance over Graviton2-based instances" in list(
        claims["statement"]
    )
    assert "claimed, not measured" in said(app)


def test_an_uploaded_file_counts_from_now_on(lab: Lab) -> None:
    app = upload(opened(), CSV, "queue-worker")
    assert not app.exception
    assert not app.error
    assert app.toast[0].value.startswith("Saved 2 throughputs as version 1.")
    table = app.dataframe[0].value
    assert list(table["name"]) == ["m6g.large", "m7g"]
    assert list(table["per"]) == ["instance", "vCPU or GPU"]
    assert "2 throughputs of queue-worker measured." in said(app)
    assert "measured on Tuesday" in said(app)
    assert Services(lab, ANA).throughputs.newest()["queue-worker"].unit == "images/s"


def test_a_wrong_line_is_named_and_nothing_is_saved(lab: Lab) -> None:
    app = upload(opened(), b"m6g,1\nm7g.lrage,2\n")
    assert "Line 2: 'm7g.lrage' is not an instance type or a family." in said(app)
    assert Services(lab, ANA).throughputs.newest() == {}


def test_throughputs_are_removed(lab: Lab) -> None:
    services = Services(lab, ANA).throughputs
    services.import_file(CSV)
    app = opened()
    button(app, "Remove throughputs").click().run()
    assert "No throughputs have been measured" in said(app)
    assert services.newest() == {}
    assert len(services.versions()) == 2


@pytest.mark.parametrize(
    ("who", "said_instead"),
    [
        (person(Role.VIEWER), "An operator may "),
        (person(Role.OPERATOR, "acme"), "A user who sees every account may change throughputs."),
    ],
)
def test_who_may_not_change_them_sees_them(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, who: object, said_instead: str
) -> None:
    Services(lab, ANA).throughputs.import_file(CSV)
    open_pages_as(monkeypatch, who)  # type: ignore[arg-type]
    app = opened()
    assert list(app.dataframe[0].value["name"]) == ["m6g.large", "m7g"]
    assert said_instead in said(app)
    assert not [each for each in app.button if each.label in ("Upload", "Remove throughputs")]


def test_what_is_exported_is_no_formula_and_can_be_uploaded_again(lab: Lab) -> None:
    services = Services(lab, ANA).throughputs
    risky = [Throughput("m6g.large", 1000.1, note="=HYPERLINK(1)"), Throughput("m7g", 2.5)]
    saved = services.save(risky, unit="@images/s").saved
    exported = export.csv_of(throughputs.rows(saved))
    assert b"'=HYPERLINK(1)" in exported
    assert b"'@images/s" in exported
    again, unit = parse_throughputs(exported)
    assert [(each.name, each.value) for each in again] == [("m6g.large", 1000.1), ("m7g", 2.5)]
    assert unit == "'@images/s"


def test_names_without_effect_are_reported(lab: Lab) -> None:
    services = Services(lab, ANA).throughputs
    made = services.save([Throughput("m99g.large", 1.0), Throughput("m5.large", 1.0)])
    assert made.not_in_market == ("m99g.large",)
    assert throughputs.outcome(made).endswith("no such type has a price: m99g.large.")


def test_the_index_of_the_next_evaluation(lab: Lab) -> None:
    services = Services(lab, ANA).throughputs
    services.import_file(CSV, "queue-worker")
    assert services.index("queue-worker").fingerprint == "queue-worker@1+claims@0"
    assert services.index().fingerprint == "claims@1"
    assert services.compare("m6g.large", "m7g.large").basis is Basis.CLAIMED
