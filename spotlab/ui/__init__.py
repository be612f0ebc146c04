"""The screens. Screens floor: the only room that knows Streamlit."""
