"""python -m tests.support.compiled_kernels: compile every kernel into numba's cache."""

from __future__ import annotations

from spotlab.features import window_kernels
from spotlab.gym import oracle_kernels, replay_kernels
from spotlab.inference import tree_kernels


def main() -> None:
    for kernels in (window_kernels, tree_kernels, oracle_kernels, replay_kernels):
        kernels.warm_up()


if __name__ == "__main__":
    main()
