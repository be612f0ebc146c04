"""Quantiles of the Gamma distribution are SciPy's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import gammainc, gammaincinv

from spotlab.domain.gamma_quantile import gamma_probability, gamma_quantile

SHAPES = np.logspace(-2.5, 5, 60)


@pytest.mark.parametrize("probability", [1e-6, 0.005, 0.025, 0.2, 0.5, 0.8, 0.975, 0.995, 1 - 1e-6])
def test_quantiles_are_scipys(probability: float) -> None:
    found = [gamma_quantile(float(shape), probability) for shape in SHAPES]
    np.testing.assert_allclose(found, gammaincinv(SHAPES, probability), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("relative", [0.0, 0.01, 0.5, 0.99, 1.0, 1.5, 20.0])
def test_probabilities_are_scipys(relative: float) -> None:
    found = [gamma_probability(float(shape), float(relative * shape)) for shape in SHAPES]
    np.testing.assert_allclose(found, gammainc(SHAPES, relative * SHAPES), rtol=1e-8, atol=1e-13)


def test_a_risk_is_shown_without_scipy() -> None:
    script = (
        "import sys; from spotlab.domain.risk import Evidence; "
        "print(Evidence(2e-4, 1, 100.0).interval()); assert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
