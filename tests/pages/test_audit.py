"""The Audit page: what was changed, found again, and whether it can be believed."""

from __future__ import annotations

import sqlalchemy

from spotlab.domain.access import Role
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.audit import view
from spotlab.ui.common import tables
from tests.pages.conftest import Open, said, select
from tests.support.people import ANA, BEN


def test_changes_are_found_again_and_a_broken_chain_is_told(lab: Lab, open_page: Open) -> None:
    Services(lab, ANA).users.add("vera", Role.VIEWER)
    Services(lab, BEN).users.set("vera", role=Role.OPERATOR, reason="she is on call")
    entries = lab.store.audit.count()
    app = open_page("audit")
    assert app.title[0].value == f"{entries} changes recorded, and the hash chain is intact"
    app.text_input(key="pick who").set_value("ben").run()
    table = app.dataframe[0].value
    assert list(table["action"]) == ["user.change"]
    assert list(table["change"]) == ["role: viewer → operator"]
    assert "1 change" in said(app)
    number = int(table["number"].iloc[0])
    app.session_state[tables.key_of("audit", [str(number)])] = select(0)
    app.run()
    assert app.header[0].value == f"#{number} user.change"
    assert "she is on call" in said(app)
    app.selectbox(key="pick about").set_value("account").run()
    assert "the filters exclude all of them" in said(app)

    file = view.exported(Services(lab, ANA).audit.list()).frame
    assert len(file) == entries
    assert file["previous"].iloc[0] == file["digest"].iloc[1], "a file shows the chain, too"

    with lab.store.engine.begin() as database:
        database.execute(
            sqlalchemy.text("UPDATE audit_log SET actor = 'ana' WHERE number = :number"),
            {"number": number},
        )
    view._check.clear()
    app.run()
    assert app.title[0].value == f"The log was altered from entry {number} onward"
    assert "compare the log with a backup" in app.error[0].value
