"""Who changed what, and can the log be believed?"""

import math

import streamlit as st

from spotlab.ui import guard, session, widgets
from spotlab.ui.people import trail

who = guard.require(guard.Right.READ_AUDIT)

now, log = session.now(), session.desk().audit
chain = trail.check()
widgets.headline(trail.headline(chain), trail.small_print(chain, who))
trail.show_broken(chain)
asked = trail.ask(now)
found = log.count(asked)
pages = max(1, math.ceil(found / trail.PAGE_ROWS))
place = st.container()
number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
offset = (min(number, pages) - 1) * trail.PAGE_ROWS
entries = log.list(asked, limit=trail.PAGE_ROWS, offset=offset)
with place:
    widgets.rows_left(len(entries), found, "change")
    if found:
        trail.show(entries, now)
    else:
        widgets.empty("Nothing was changed yet, or the filters leave nothing.", "drop a filter.")
trail.offer(asked)
