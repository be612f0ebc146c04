"""The screens, a folder for each.

On the top floor with `api` and `cli`; the only room that imports Streamlit.
"""
