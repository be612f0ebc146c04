"""Both themes are readable: WCAG AA is measured, not assumed."""

from __future__ import annotations

import tomllib

import pytest

from spotlab.ui.common.theme import DARK, LIGHT, Palette, contrast
from tests.conftest import ROOT

TEXT, GRAPHIC = 4.5, 3.0
CONFIG = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
COLOURS = ("red", "orange", "yellow", "blue", "green", "violet", "gray")


def blend(colour: str, ground: str, opacity: float) -> str:
    mixed = [
        round(opacity * int(colour[i : i + 2], 16) + (1 - opacity) * int(ground[i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_words_in_colour_are_readable(palette: Palette) -> None:
    for name in ("text", "quiet", "good", "move", "warn", "bad"):
        assert contrast(getattr(palette, name), palette.background) >= TEXT, name
    assert contrast(palette.dots, palette.background) >= GRAPHIC


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_themes_own_texts_are_readable(theme: str) -> None:
    colours = CONFIG["theme"][theme]
    background, second = colours["backgroundColor"], colours["secondaryBackgroundColor"]
    captions = blend(colours["textColor"], background, 0.6)
    assert contrast(captions, background) >= TEXT
    for ground in (background, second):
        assert contrast(colours["textColor"], ground) >= 7
        assert contrast(colours["linkColor"], ground) >= TEXT
    assert contrast(colours["primaryColor"], background) >= TEXT
    for name in COLOURS:
        own = colours[f"{name}BackgroundColor"]
        assert contrast(colours[f"{name}TextColor"], own) >= TEXT, name


@pytest.mark.parametrize(("theme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_palette_and_theme_agree(theme: str, palette: Palette) -> None:
    colours = CONFIG["theme"][theme]
    assert palette.background == colours["backgroundColor"]
    assert palette.text == colours["textColor"]


def test_the_server_stays_on_loopback_and_tells_nobody() -> None:
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"


def test_no_font_is_fetched() -> None:
    text = (ROOT / ".streamlit/config.toml").read_text()
    assert "http" not in text
    assert "fontFaces" not in text
