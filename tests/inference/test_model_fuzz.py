"""Each mutant of a model is refused or harmless: a bounded part of `make model-fuzz`."""

from __future__ import annotations

import pytest

from tests.inference.model_fuzz import PREDICTED, REFUSED, fuzz

MUTANTS = 20_000


@pytest.mark.timeout(600)
def test_no_mutant_crashes_hangs_or_answers_what_its_trees_do_not_say() -> None:
    tally = fuzz(MUTANTS, processes=2, first=1_000_000)

    assert tally.bad == []
    assert tally.counts[REFUSED] + tally.counts[PREDICTED] == MUTANTS
    assert tally.counts[PREDICTED] > MUTANTS // 20
