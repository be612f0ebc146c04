"""Who changed what, and can the log be believed?"""

import math

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.audit import view
from spotlab.ui.common import guard, session, widgets

who = guard.require(Right.READ_AUDIT)

now, log = session.now(), session.desk().audit
chain = view.check()
widgets.headline(view.headline(chain), view.small_print(chain, who))
view.show_broken(chain)
asked = view.ask(now)
found = log.count(asked)
pages = max(1, math.ceil(found / view.PAGE_ROWS))
place = st.container()
number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
offset = (min(number, pages) - 1) * view.PAGE_ROWS
entries = log.list(asked, limit=view.PAGE_ROWS, offset=offset)
with place:
    widgets.rows_left(len(entries), found, "change")
    if found:
        view.show(entries, now)
    else:
        widgets.empty(
            "No changes are recorded, or the filters exclude all of them.", "drop a filter."
        )
view.offer(asked)
