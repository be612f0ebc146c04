"""The tables of docs/results.md, measured anew from recorded data."""
