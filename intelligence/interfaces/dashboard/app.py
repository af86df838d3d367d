"""The script that Streamlit runs: the pages, and which of them is shown."""

import streamlit as st

from intelligence.interfaces.dashboard.approvals import say_who
from intelligence.interfaces.dashboard.layout import guarded, keep_fresh, styled
from intelligence.interfaces.dashboard.navigation import pages

st.set_page_config(page_title="Product intelligence", layout="wide")
styled()
chosen = st.navigation([*pages().values()])
with guarded():
    say_who()
    chosen.run()
keep_fresh()
