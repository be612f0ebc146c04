"""The table of settings in the README: `python -m tests.support.settings_table`."""

from __future__ import annotations

from spotlab.settings import Settings


def settings_table() -> str:
    """The table of settings in the README, in Markdown; a test compares the two."""
    lines = ["| variable | default | unit | what it does |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        default = "the checkout's `models`" if name == "models_dir" else _cell(field.default)
        lines.append(
            f"| `SPOTLAB_{name.upper()}` | {default} | {extra.get('unit', '')} "
            f"| {field.description} |"
        )
    return "\n".join(lines)


def _cell(default: object) -> str:
    return "" if default is None else f"`{default}`"


if __name__ == "__main__":
    print(settings_table())
