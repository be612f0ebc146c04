"""The screens.

On the top floor with `api` and `cli`; the only room that imports Streamlit. A screen is a
folder.
"""
