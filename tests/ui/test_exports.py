"""A table reads the same in three kinds of file, and carries its source with it."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from spotlab.ui.common.export import Table, as_csv, as_html, as_latex

FRAME = pd.DataFrame(
    {
        "model": ["advisor_lgbm & co", "<last bucket>"],
        "auc": [0.81234567, float("nan")],
        "hidden": [1, 2],
    }
)
TABLE = Table(
    FRAME,
    caption="AUC at 1 h, 40 % of the rows",
    headers={"model": "Model", "auc": "AUC_95 %"},
    digits={"auc": 3},
    notes=("Source: a & b.",),
)


def test_csv_keeps_numbers_whole_and_unknown_empty() -> None:
    read = pd.read_csv(io.BytesIO(as_csv(TABLE)))
    assert list(read.columns) == ["model", "auc"]
    assert read["auc"][0] == FRAME["auc"][0]
    assert as_csv(TABLE).decode().splitlines()[2] == "<last bucket>,"


def test_latex_escapes_its_signs_and_carries_caption_and_source() -> None:
    text = as_latex(TABLE).decode()
    assert r"advisor\_lgbm \& co & 0.812 \\" in text
    assert r"\caption{AUC at 1 h, 40 \% of the rows}" in text
    assert r"Model & AUC\_95 \% \\" in text
    assert r"Source: a \& b." in text
    assert r"\begin{tabular}{lr}" in text
    assert "hidden" not in text
    assert text.index("Source") < text.index(r"\end{table}")


def test_html_is_a_whole_document_that_runs_nothing() -> None:
    text = as_html(TABLE).decode()
    assert text.startswith("<!doctype html>")
    assert "&lt;last bucket&gt;" in text
    assert "<last bucket>" not in text
    assert "0.812" in text
    assert "Source: a &amp; b." in text


@pytest.mark.parametrize("write", [as_latex, as_html], ids=["latex", "html"])
def test_an_unknown_number_is_a_dash(write: object) -> None:
    assert "—" in write(TABLE).decode()  # type: ignore[operator]


HOSTILE = Table(
    pd.DataFrame(
        {
            "text": ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "web"],
            "number": [-0.5, -1e-9, 3.0, float("nan"), 0.0, 1.0, 2.0, 3.0],
            "told": ["-0.5", "+12", "-1e-3", "—", "\u202egnp", "a\nb", "-", "x=1"],
        }
    ),
    caption="{\\input{/etc/passwd}} <script>",
    headers={"text": "=Text", "number": "Number", "told": "Told"},
)


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_numbers() -> None:
    read = pd.read_csv(io.BytesIO(as_csv(HOSTILE)), dtype=str, keep_default_na=False)
    assert list(read["text"]) == [
        *("'=1+1", "'+cmd|'/C calc'!A0", "'-2+3", "'@SUM(A1)", "'\\t=1", "'\\r=1", "'＝1", "web"),
    ]
    assert list(read["told"]) == ["-0.5", "+12", "-1e-3", "—", "\\u202egnp", "a\\nb", "'-", "x=1"]
    assert list(read["number"].replace("", "nan").astype(float).round(9))[:3] == [-0.5, -1e-9, 3.0]


def test_no_text_of_a_paper_or_a_report_is_a_command() -> None:
    paper, report = as_latex(HOSTILE).decode(), as_html(HOSTILE).decode()
    assert "\\input" not in paper
    assert "<script>" not in report
    assert "\u202e" not in paper + report
