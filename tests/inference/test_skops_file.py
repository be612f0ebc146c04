"""A skops file that skops would not write is rejected before skops reads it."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import skops.io

from spotlab.errors import ArtefactRefused
from spotlab.inference import skops_file
from spotlab.inference.estimators import open_estimator
from spotlab.inference.skops_file import check_skops_file
from tests.support import models, skops_files
from tests.support.skops_files import SCHEMA, Files, edited, node, nodes, put_together

TYPICAL = np.zeros(len(models.FEATURES))
BIG = 10**9


@cache
def boosting() -> Any:
    return skops_files.boosting()


def root(schema: Any) -> dict[str, Any]:
    """The attributes of the estimator in the schema."""
    attributes: dict[str, Any] = schema["content"]["content"]
    return attributes


def unfolding(schema: Any, _files: Files) -> None:
    """Sixty lists, each of which contains the next one twice: 2^60 nodes to visit."""
    inner: Any = node("builtins.list", "ListNode", [], BIG)
    for number in range(1, 60):
        twice = [inner, {"__id__": BIG + number - 1}]
        inner = node("builtins.list", "ListNode", twice, BIG + number)
    root(schema)["tol"] = inner


def repeated(schema: Any, files: Files) -> None:
    """One array of 8 MB that two hundred nodes name: 1.6 GB."""
    files["0.npy"] = skops_files.saved_array(np.zeros(2**20))
    one = {
        **{"__module__": "numpy", "__class__": "ndarray", "__loader__": "NdArrayNode"},
        **{"type": "numpy", "file": "0.npy", "__id__": 0},
    }
    root(schema)["tol"] = node("builtins.list", "ListNode", [one] * 200)


def named_otherwise(schema: Any, files: Files) -> None:
    own = skops_files.first_array(schema)["file"]
    files["5.npy"] = files[own]
    for found in nodes(schema, "NdArrayNode"):
        if found.get("file") == own:
            found["file"] = "5.npy"


def seeded_for_ever(schema: Any, _files: Files) -> None:
    """A generator whose seeding takes 10^12 steps."""
    generator = next(nodes(schema, "RandomGeneratorNode"))
    generator["content"]["seed_seq"]["content"]["pool_size"] = node(
        "builtins.str", "JsonNode", "1000000"
    )


def formless_generator(schema: Any, _files: Files) -> None:
    next(nodes(schema, "RandomGeneratorNode"))["content"] = {"bit_generator": []}


def raw_memory(schema: Any, _files: Files) -> None:
    """An uninitialised array, which would expose the memory of the process."""
    size = node("builtins.tuple", "TupleNode", [node("builtins.str", "JsonNode", "1000")])
    root(schema)["tol"] = node("numpy.ndarray", "ConstructorFromReduceNode", size)


def deep(schema: Any, _files: Files) -> None:
    inner: Any = node("builtins.list", "ListNode", [])
    for _ in range(100):
        inner = node("builtins.list", "ListNode", [inner])
    root(schema)["tol"] = inner


def long_value(schema: Any, _files: Files) -> None:
    root(schema)["tol"] = node("builtins.str", "JsonNode", "[" + "[]," * 10_000 + "[]]")


def id_of_text(schema: Any, _files: Files) -> None:
    root(schema)["tol"] = node("builtins.str", "JsonNode", "1") | {"__id__": "1"}


def no_module(schema: Any, _files: Files) -> None:
    root(schema)["tol"] = {"__class__": "str", "__loader__": "JsonNode", "content": "1"}


EDITS: dict[str, tuple[Callable[[Any, Files], None], str]] = {
    "unfolds": (unfolding, "is not a skops file|with the id"),
    "one array, many times": (repeated, "whose id is not an integer above 0"),
    "array of another name": (named_otherwise, "not named after its node's id"),
    "seeding without end": (seeded_for_ever, "random generator"),
    "generator without form": (formless_generator, "random generator in an unknown format"),
    "unwritten memory": (
        raw_memory,
        "builds numpy.ndarray with the loader 'ConstructorFromReduceNode'",
    ),
    "deep": (deep, "nested more than 64 levels deep"),
    "long value": (long_value, "value of more than 4096 characters"),
    "id of text": (id_of_text, "id is not an integer"),
    "no module": (no_module, "is not a skops file"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_schema_that_skops_would_not_write_is_refused(name: str) -> None:
    edit, said = EDITS[name]

    with pytest.raises(ArtefactRefused, match=said):
        open_estimator(edited(boosting(), edit), TYPICAL)


def header(text: str, data: bytes = b"") -> bytes:
    """An .npy file with that header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n" + data


ARRAYS = {
    "objects": header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"cos\nsystem\n"),
    "huge": header(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (999999999,), }", b"12345678"
    ),
    "huge and empty": header("{'descr': '<U0', 'fortran_order': False, 'shape': (999999999,), }"),
    "negative": header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", b"12345678"),
    "many sides": header(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1), }", b"1" * 8
    ),
    "deep header": header("{'descr': " + "(" * 9000 + ")" * 9000 + "}"),
    "an expression": header("{'descr': '<f8', 'fortran_order': False, 'shape': (9**9**9,), }"),
    "cut off": header("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", b"1" * 31),
    "other fields": header(
        "{'descr': [('value', '<f8')], 'fortran_order': False, 'shape': (1,), }", b"1" * 8
    ),
    "no header": b"\x93NUMPY\x01\x00\xff\xff{",
    "no array": b"PK\x03\x04",
    "empty": b"",
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_numpy_would_not_write_is_refused(name: str) -> None:
    def edit(schema: Any, files: Files) -> None:
        files[skops_files.first_array(schema)["file"]] = ARRAYS[name]

    with pytest.raises(ArtefactRefused, match=r"array that skops writes|match its shape"):
        open_estimator(edited(boosting(), edit), TYPICAL)


def files_of(fitted: Any) -> Files:
    return skops_files.taken_apart(skops.io.dumps(fitted))


def damaged_data() -> bytes:
    """A compressed schema with invalid deflate data."""
    packed = bytearray(put_together({SCHEMA: b"{}" * 200}))
    packed[30 + len(SCHEMA) : 30 + len(SCHEMA) + 4] = b"\xff\xff\xff\xff"
    return bytes(packed)


def encrypted() -> bytes:
    packed = bytearray(put_together({SCHEMA: b"{}"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.find(mark) + at] |= 1
    return bytes(packed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def twice() -> bytes:
    """Two schemas: the one that is checked must be the one that is read."""
    packed = skops_files.io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for content in (b"{}", files_of(boosting())[SCHEMA]):
            archive.writestr(SCHEMA, content)
    return packed.getvalue()


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "damaged data": (damaged_data, "is not a skops file"),
    "encrypted": (encrypted, "is not a skops file"),
    "other method": (lambda: put_together({SCHEMA: b"{}"}, zipfile.ZIP_LZMA), "other than deflate"),
    "two of a name": (twice, "two files with the same name"),
    "a bomb": (lambda: put_together({"1.npy": bytes(65 * 2**20)}), "unpacks to more than 64 MB"),
    "a long schema": (lambda: put_together({SCHEMA: b" " * 2**23 + b"{}"}), "larger than 8 MB"),
    "deep JSON": (lambda: put_together({SCHEMA: b"[" * 200_000}), "is not a skops file"),
    "large number": (lambda: put_together({SCHEMA: b"1" * 10_000}), "is not a skops file"),
    "no schema": (lambda: put_together({"1.npy": b""}), "is not a skops file"),
    "a folder": (lambda: put_together({"a/schema.json": b"{}"}), "which skops does not write"),
    "schema of another name": (
        lambda: put_together({"a-schema.json": b"{}"}),
        "which skops does not write",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", FILES)
def test_a_zip_that_skops_would_not_write_is_refused(name: str) -> None:
    build, said = FILES[name]

    with pytest.raises(ArtefactRefused, match=said):
        check_skops_file(build())


@pytest.mark.parametrize("fitted", [skops_files.boosting, skops_files.linear])
def test_what_skops_writes_passes(fitted: Callable[[], Any]) -> None:
    check_skops_file(skops.io.dumps(fitted()))
    check_skops_file(skops.io.dumps(fitted(), compression=zipfile.ZIP_DEFLATED))


def test_damage_anywhere_is_refused_or_harmless() -> None:
    """Each of 300 files with a few changed bytes is rejected, or opens and predicts."""
    content = skops.io.dumps(boosting())
    matrix = models.rows(20)
    chance = random.Random(7)
    opened = 0
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            opened += len(open_estimator(bytes(changed), TYPICAL).log_odds(matrix)) == 20
        except ArtefactRefused:
            continue
    assert opened < 300, "a check of the zip sees most of it"


def test_the_list_of_types_is_not_the_files() -> None:
    assert "builtins.eval" not in skops_file.TRUSTED_TYPES
    foreign = json.dumps(node("builtins.eval", "FunctionNode", {})).encode()

    with pytest.raises(ArtefactRefused, match=r"not trusted: builtins\.eval"):
        check_skops_file(put_together({SCHEMA: foreign}))
