"""The Switches page: which switches run, wait or need attention, and what was really saved?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import guard, layout, live_updates, session, tables, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.switches import actions, detail, guards, table

guard.require(Right.READ)

versions = live_updates.topic_versions(Topic.SWITCHES)
