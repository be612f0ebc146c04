"""The What-if page: what would be decided with other settings?"""

from spotlab.domain.access import Right
from spotlab.ui.common import guard, session
from spotlab.ui.what_if import view

guard.require(Right.READ)

view.show(session.fleet())
