"""The Audit page: who changed what, and is the log intact?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.audit import view
from spotlab.ui.common import guard, session, widgets

user = guard.require(Right.READ_AUDIT)

now, log = session.now(), session.services().audit
check = view.check()
widgets.headline(view.headline(check), view.small_print(check, user))
view.show_broken(check)
filters = view.show_filters(now)
total = log.count(filters)
table = st.container()
offset = widgets.page_offset(total, view.PAGE_ROWS)
entries = log.list(filters, limit=view.PAGE_ROWS, offset=offset)
with table:
    widgets.row_count(len(entries), total, "change")
    if total:
        view.show(entries, now)
    else:
        widgets.empty(
            "No changes are recorded, or the filters exclude all of them.", "remove a filter."
        )
view.offer_export(filters)
