"""Validation of a skops file before skops reads it.

skops never unpickles, but it builds everything that a file's schema names: it calls the loader of
each node, reads an array's file for every node that names it, visits a shared node once per
reference, and seeds random generators with any values. Therefore the zip, the schema and the arrays
must be what skops itself writes for the trusted estimators; everything else is rejected.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spotlab.errors import ArtefactRefused

_LINEAR: Final = (
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.impute._base.SimpleImputer",
)
_BOOSTING: Final = (
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.preprocessing._label.LabelEncoder",
)
_LOADERS: Final[Mapping[str, frozenset[str]]] = {
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": frozenset({"builtins.str"}),
    "TypeNode": frozenset({"builtins.str"}),
    "NdArrayNode": frozenset({"numpy.ndarray", "numpy.float64", "numpy.int64", "numpy.uint64"}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "LossNode": frozenset({"sklearn._loss._loss.CyHalfBinomialLoss"}),
    "ObjectNode": frozenset({*_LINEAR, *_BOOSTING}),
}
"""skops's loaders of nodes, and the types that each may build."""
TRUSTED_TYPES: Final = frozenset().union(*_LOADERS.values())
SCHEMA: Final = "schema.json"
MAX_UNPACKED_BYTES: Final = 64 * 2**20
MAX_SCHEMA_BYTES: Final = 8 * 2**20
"""Enough for about 3,000 trees; in memory, JSON takes up to twenty times its size."""
_NODE_KEYS: Final = frozenset({"__loader__", "__class__", "__module__", "__id__"})
_MAX_SCALAR: Final = 4096
_MAX_MEMBERS: Final = 20_000
_MAX_DEPTH: Final = 64
_PLAIN_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_POOL_SIZE: Final = "4"
"""The default of numpy's SeedSequence, whose run time grows with the square of it."""
_NPY_MAGIC: Final = b"\x93NUMPY\x01\x00"
_TREE_NODES: Final = (
    rb"\[\('value', '<f8'\), \('count', '<u4'\), \('feature_idx', '<i8'\), "
    rb"\('num_threshold', '<f8'\), \('missing_go_to_left', '\|u1'\), \('left', '<u4'\), "
    rb"\('right', '<u4'\), \('gain', '<f8'\), \('depth', '<u4'\), \('is_leaf', '\|u1'\), "
    rb"\('bin_threshold', '\|u1'\), \('is_categorical', '\|u1'\), \('bitset_idx', '<u4'\)\]"
)
_TREE_NODE_BYTES: Final = 56
_HEADER: Final = re.compile(
    rb"\{'descr': (?:'[<|](?:[fiub](?P<bytes>[148])|U(?P<chars>[1-9]\d?))'|(?P<nodes>"
    + _TREE_NODES
    + rb")), 'fortran_order': (?:True|False), "
    rb"'shape': \((?P<shape>|\d{1,9},|\d{1,9}, \d{1,9})\), \} *\n"
)


def check_skops_file(content: bytes) -> None:
    """Reject a file that skops would not write for a trusted estimator.

    Raises:
        ArtefactRefused: the zip is not one that skops writes, a type or loader is not trusted, or
            an array does not match its header.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive.infolist())
            schema = json.loads(archive.read(SCHEMA))
            names = _check_schema(schema)
            for name in names:
                _check_array(name, archive.read(name))
    except (zipfile.BadZipFile, zlib.error, struct.error, KeyError, ValueError) as exc:
        raise ArtefactRefused(f"is not a skops file ({exc})") from exc
    except (EOFError, OSError, RuntimeError) as exc:
        # RuntimeError: an encrypted member, an unknown compression method, or too deep a nesting.
        raise ArtefactRefused(f"is not a skops file ({type(exc).__name__}: {exc})") from exc


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > _MAX_MEMBERS:
        raise ArtefactRefused(f"contains {len(members)} files")
    if len({member.filename for member in members}) < len(members):
        raise ArtefactRefused("contains two files with the same name")
    for member in members:
        plain = "/" not in member.filename and "\\" not in member.filename
        if not plain or not (member.filename == SCHEMA or member.filename.endswith(".npy")):
            raise ArtefactRefused(f"contains {member.filename!r}, which skops does not write")
        if member.compress_type not in _PLAIN_METHODS:
            raise ArtefactRefused(
                f"compresses {member.filename!r} with a method other than deflate"
            )
        if member.filename == SCHEMA and member.file_size > MAX_SCHEMA_BYTES:
            raise ArtefactRefused(f"its schema is larger than {MAX_SCHEMA_BYTES // 2**20} MB")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise ArtefactRefused(f"unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MB")


def _check_schema(schema: Any) -> set[str]:
    """Check the schema and return the names of its array files.

    skops recognises a repeated node by its id and reads nothing else of it. skops writes each
    repeated node in full, so the result cannot be larger than the file. In a manipulated file, a
    repeated node could be a short reference to something large.
    """
    arrays: set[str] = set()
    known: dict[Any, Mapping[str, Any]] = {}
    for node in _nodes(schema):
        _check_type(node)
        own_id = node.get("__id__")
        if type(own_id) is int and own_id > 0:
            if known.setdefault(own_id, node) != node and not _same_dtype(known[own_id], node):
                raise ArtefactRefused(f"contains two nodes with the id {own_id}")
        elif own_id is not None:
            raise ArtefactRefused("contains a node whose id is not an integer above 0")
        if node["__loader__"] == "JsonNode" and len(str(node.get("content"))) > _MAX_SCALAR:
            raise ArtefactRefused(f"contains a value of more than {_MAX_SCALAR} characters")
        if node["__loader__"] == "NdArrayNode" and node.get("type") == "numpy":
            if own_id is None or node.get("file") != f"{own_id}.npy":
                raise ArtefactRefused("contains an array that is not named after its node's id")
            arrays.add(node["file"])
        if node["__loader__"] == "RandomGeneratorNode":
            _check_generator(node)
    return arrays


def _same_dtype(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both nodes are a dtype, which skops writes as a new empty array each time."""
    return all(
        node["__loader__"] == "DTypeNode"
        and isinstance(node["content"], dict)
        and node["content"].get("type") == "numpy"
        for node in (one, other)
    )


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object of the schema that skops would build."""
    pending = [(schema, 0)]
    while pending:
        item, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise ArtefactRefused(f"its schema is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(item, dict):
            pending += [(value, depth + 1) for value in item.values()]
            if not _NODE_KEYS.isdisjoint(item):
                yield item
        elif isinstance(item, list):
            pending += [(value, depth + 1) for value in item]


def _check_type(node: Mapping[str, Any]) -> None:
    kind = f"{node['__module__']}.{node['__class__']}"
    if kind not in TRUSTED_TYPES:
        raise ArtefactRefused(
            f"contains types that are not trusted: {kind[:200]}",
            remedy="Trusted types: LogisticRegression, HistGradientBoostingClassifier, Pipeline, "
            "StandardScaler and SimpleImputer.",
        )
    loader = str(node.get("__loader__"))
    if kind not in _LOADERS.get(loader, frozenset()):
        raise ArtefactRefused(f"builds {kind} with the loader {loader[:100]!r}; skops does not")


def _check_generator(node: Mapping[str, Any]) -> None:
    try:
        seeded = node["content"]["seed_seq"]["content"]
        name = node["content"]["bit_generator"]["content"]["bit_generator"]["content"]
        size = seeded["pool_size"]["content"]
        spawned = seeded["spawn_key"]["content"]
    except (KeyError, TypeError):
        raise ArtefactRefused("contains a random generator in an unknown format") from None
    if size != _POOL_SIZE or name != '"PCG64"' or len(spawned) > 8:
        raise ArtefactRefused(
            "contains a random generator that numpy.random.default_rng does not create"
        )


def _check_array(name: str, content: bytes) -> None:
    """Check that numpy writes such a header for a trusted estimator, and the size of the data."""
    start = len(_NPY_MAGIC) + 2
    end = start + int.from_bytes(content[len(_NPY_MAGIC) : start], "little")
    header = _HEADER.fullmatch(content, start, min(end, len(content)))
    if not content.startswith(_NPY_MAGIC) or header is None or end > len(content):
        raise ArtefactRefused(f"{name} is not an array that skops writes")
    sides = [int(side) for side in re.findall(rb"\d+", header["shape"])]
    if header["nodes"]:
        item_bytes = _TREE_NODE_BYTES
    else:
        item_bytes = int(header["bytes"]) if header["bytes"] else 4 * int(header["chars"])
    if math.prod(sides) * item_bytes != len(content) - end:
        raise ArtefactRefused(f"the size of {name} does not match its shape {sides}")
