"""Columns of texts as numbers, which are made once for each column."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary, ref

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts as numbers.

    Args:
        codes: (n,) position of each text in `names`; -1: unknown.
        names: the distinct texts.
    """

    codes: NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def of(cls, column: pd.Series | pd.Index) -> Texts:
        """Number the texts of a column.

        Arrow's arrays never change, and copies of a table share them: they are numbered once, and
        equal columns of two tables are the same object, as long as it is used.
        """
        import pandas as pd

        if not (isinstance(column.dtype, pd.StringDtype) and column.dtype.storage == "pyarrow"):
            codes, names = column.factorize()
            return cls(codes, tuple(names))
        values = column.array.__arrow_array__()
        key = id(values)
        known = _CODED.get(key)
        if known is not None and known[0]() is values:
            return known[1]
        codes, names = column.factorize()
        content = blake2b("\0".join(names).encode(), digest_size=16)
        content.update(codes.tobytes())
        coded = _EQUAL.setdefault(content.digest(), cls(codes, tuple(names)))
        _CODED[key] = ref(values, lambda _: _CODED.pop(key, None)), coded
        return coded

    def at(self, row: int) -> str | None:
        """The text in a row; None: unknown."""
        code = int(self.codes[row])
        return self.names[code] if code >= 0 else None

    def equal_to_any(self, allowed: Collection[str]) -> NDArray[np.bool_]:
        """(n,) whether each text is one of these; an unknown one is not."""
        return np.array([*(name in allowed for name in self.names), False])[self.codes]

    @cached_property
    def code_of(self) -> Mapping[str, int]:
        """Position of each text in `names`."""
        return {name: code for code, name in enumerate(self.names)}

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """(n,) numbers that sort like the texts, unknown ones last."""
        ranks = np.empty(len(self.names) + 1, dtype=np.intp)
        ranks[sorted(range(len(self.names)), key=self.names.__getitem__)] = np.arange(
            len(self.names)
        )
        ranks[-1] = len(self.names)
        return ranks[self.codes]

    def places_in(self, places: Mapping[str, int], unknown: int = -1) -> NDArray[np.intp]:
        """(n,) the place of each text by its name.

        Args:
            places: by name; a name that is not among them gets -1.
            unknown: place of an unknown text.
        """
        found = np.fromiter((places.get(name, -1) for name in self.names), np.intp, len(self.names))
        return np.append(found, unknown)[self.codes]


_CODED: Final[dict[int, tuple[ref[object], Texts]]] = {}
"""By the identity of Arrow's array, which the reference proves."""
_EQUAL: Final[WeakValueDictionary[bytes, Texts]] = WeakValueDictionary()
"""By the digest of the texts."""
