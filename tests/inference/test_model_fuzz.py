"""Each mutant of a model is rejected or harmless: a short run of `make model-fuzz`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.inference import model_fuzz
from tests.inference.model_fuzz import PREDICTED, REFUSED, fuzz

MUTANTS = 10_000
WORKER = """#!/bin/bash
for ((number = $4; number < $5; number++)); do
  echo "$number ?"
  if ((number == 2)); then kill -SEGV $$; fi
  if ((number == 4)); then exec tail -f /dev/null; fi
  echo "$number refused"
done
"""


@pytest.mark.timeout(900)
def test_no_mutant_crashes_hangs_or_answers_what_its_trees_do_not_say() -> None:
    tally = fuzz(MUTANTS, processes=2, first=1_000_000)

    assert tally.bad == []
    assert tally.counts[REFUSED] + tally.counts[PREDICTED] == MUTANTS
    assert tally.counts[PREDICTED] > MUTANTS // 20


def test_a_crash_and_a_hang_are_those_of_their_mutants(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "worker"
    program.write_text(WORKER)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(model_fuzz, "HUNG_AFTER_S", 3.0)

    tally = fuzz(6, processes=1)

    assert tally.bad == ["mutant 2 crashed: code -11", "mutant 4 hung"]
    assert str(tally) == "mutants: 6, refused: 4, predicted: 0, crashed: 1, hung: 1, wrong: 0"
