"""A card that is too large or too deeply nested is rejected."""

from __future__ import annotations

import json

import pytest

from spotlab.errors import ArtefactRefused
from spotlab.inference.card import MAX_CARD_BYTES, parse_card
from tests.support import models


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b"[" + b"[]," * (MAX_CARD_BYTES // 3) + b"0]", "larger than 1 MB"),
        (b"[" * 100_000, "recursion"),
        (b'"\xff"', "UTF-8|utf-8"),
    ],
    ids=["large", "deep", "no text"],
)
def test_a_card_that_does_harm_is_refused(more: bytes, said: str) -> None:
    card = json.dumps(models.card()).encode()

    with pytest.raises(ArtefactRefused, match=rf"card\.json: .*({said})"):
        parse_card(card[:-1] + b', "more": ' + more + b"}")


def test_a_card_may_say_more() -> None:
    card = models.card(more=["anything"] * 1000)

    assert parse_card(json.dumps(card).encode()).text["more"][0] == "anything"
