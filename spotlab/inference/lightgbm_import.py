"""LightGBM, imported without its scikit-learn wrappers and without SciPy.

If scikit-learn is installed, `import lightgbm` imports it for wrappers that SpotLab does not use,
which took two thirds of the import time (measured: 1.0 s of 1.5 s). Therefore scikit-learn is
hidden while LightGBM is imported. SciPy it uses only to recognise sparse matrices, which SpotLab
never has: classes without instances take the place of 20 MB and 0.15 s.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

_HIDDEN: Final = "sklearn"
_SPARSE: Final = ("spmatrix", "csr_matrix", "csc_matrix")
_lock = threading.Lock()


def lightgbm() -> ModuleType:
    """The module, imported once."""
    with _lock:
        if "lightgbm" in sys.modules or _HIDDEN in sys.modules:
            import lightgbm as module

            return module
        sys.modules[_HIDDEN] = None  # type: ignore[assignment]
        try:
            with _without_scipy():
                import lightgbm as module
        finally:
            del sys.modules[_HIDDEN]
        return module


@contextmanager
def _without_scipy() -> Iterator[None]:
    """Have `import scipy.sparse` give a module with the names of its classes only."""
    found = importlib.util.find_spec("scipy")
    if "scipy" in sys.modules or found is None:
        yield
        return
    package, sparse = ModuleType("scipy"), ModuleType("scipy.sparse")
    # Another thread that imports a part of SciPy meanwhile finds it.
    package.__path__ = list(found.submodule_search_locations or ())
    package.sparse = sparse  # type: ignore[attr-defined]
    for name in _SPARSE:
        setattr(sparse, name, type(name, (), {}))
    stand_ins = {"scipy": package, "scipy.sparse": sparse}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
