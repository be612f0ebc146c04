"""Random mutations of model texts."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

from tests.support.hostile_models import resized

ODD: Final = (
    *(
        "",
        " ",
        "0",
        "-0",
        "1",
        "+1",
        "-1",
        "-2",
        "2",
        "3",
        "7",
        "-7",
        "00",
        "01",
        " 1",
        "1 ",
        "1_0",
    ),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967299"),
    *("18446744073709551617", "-200000000", "100000000", "-5000", "1e999", "-1e999", "1e308"),
    *(
        "1e-400",
        "5e-324",
        "1e+300",
        "-1e+300",
        "1e5",
        "0x10",
        "1_0",
        "nan",
        "-nan",
        "inf",
        "NaN",
        "1.5",
    ),
    *("1.", ".5", "1e", "1,0", "None", "true", "\u0661", "\u00bd", "\x00", "\t", "\r", "9" * 400),
)
LINES: Final = (
    *("end of trees", "Tree=0", "Tree=1", "tree", "parameters:", "end of parameters", "", "="),
    *(
        "num_leaves=0",
        "num_leaves=1",
        "num_leaves=2147483647",
        "num_cat=1",
        "is_linear=1",
        "parser:",
    ),
    *("average_output", "objective=", "objective=multiclass num_class:9", "num_class=2", "linear"),
    *("[linear_tree: 1]", "cat_boundaries=0 99", "cat_threshold=1", "end of parser", "no_equals"),
)
_TOKEN: Final = re.compile(r"(?<=[= ])[^ \n=]+")
_ARRAY: Final = re.compile(r"^[a-z_]+=(.*)$", re.MULTILINE)
_INDICES: Final = re.compile(
    r"^(?:left_child|right_child|split_feature|decision_type|threshold|cat_boundaries|num_cat"
    r"|num_leaves|leaf_features|num_features|leaf_count|internal_count)=(.*)$",
    re.MULTILINE,
)
Chance = random.Random


def mutant(text: str, chance: Chance) -> bytes:
    """The text with one to three random changes; most have correct tree_sizes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(_WAYS)(text, chance)
    if chance.random() < 0.8 and "\nTree=" in text and "\nend of trees" in text:
        text = resized(text)
    return text.encode("utf-8", "surrogateescape")


def _flip_bit(text: str, chance: Chance) -> str:
    if not text:
        return text
    at = chance.randrange(len(text))
    changed = chr(ord(text[at]) ^ 1 << chance.randrange(7))
    return text[:at] + changed + text[at + 1 :]


def _put_byte(text: str, chance: Chance) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice("\x00\n\r\t =-+.eE_,:[]09A\x7f\u00e9") + text[at:]


def _cut(text: str, chance: Chance) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.choice((1, 2, 9, 99, 999)) :]


def _truncate(text: str, chance: Chance) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _odd_token(text: str, chance: Chance) -> str:
    return _in_match(text, chance, _TOKEN, 0, lambda _: chance.choice(ODD))


def _other_number(text: str, chance: Chance) -> str:
    return _in_match(text, chance, _TOKEN, 0, lambda _: _number(chance))


def _number(chance: Chance) -> str:
    kind = chance.randrange(3)
    if kind == 0:
        return str(chance.randint(-8, 8))
    return repr(chance.gauss(0, 2)) if kind == 1 else f"{chance.gauss(0, 1):.17g}"


def _other_index(text: str, chance: Chance) -> str:
    """Replace a number in an array of indices with another small number, which may be invalid."""

    def change(values: str) -> str:
        parts = values.split(" ")
        parts[chance.randrange(len(parts))] = str(chance.randint(-7, 11))
        return " ".join(parts)

    return _in_match(text, chance, _INDICES, 1, change)


def _shuffle(text: str, chance: Chance) -> str:
    def change(values: str) -> str:
        parts = values.split(" ")
        chance.shuffle(parts)
        return " ".join(parts)

    return _in_match(text, chance, _INDICES, 1, change)


def _longer(text: str, chance: Chance) -> str:
    return _in_match(text, chance, _ARRAY, 1, lambda values: f"{values} {_number(chance)}")


def _shorter(text: str, chance: Chance) -> str:
    return _in_match(text, chance, _ARRAY, 1, lambda values: values.rpartition(" ")[0])


def _odd_line(text: str, chance: Chance) -> str:
    return _with_lines(text, lambda lines: lines.insert(_at(lines, chance), chance.choice(LINES)))


def _drop_line(text: str, chance: Chance) -> str:
    return _with_lines(text, lambda lines: lines.pop(_at(lines, chance)))


def _repeat_line(text: str, chance: Chance) -> str:
    def change(lines: list[str]) -> None:
        lines.insert(_at(lines, chance), lines[_at(lines, chance)])

    return _with_lines(text, change)


def _swap_lines(text: str, chance: Chance) -> str:
    def change(lines: list[str]) -> None:
        a, b = _at(lines, chance), _at(lines, chance)
        lines[a], lines[b] = lines[b], lines[a]

    return _with_lines(text, change)


def _swap_values(text: str, chance: Chance) -> str:
    """Replace the value of a line with that of another line."""

    def change(lines: list[str]) -> None:
        a, b = _at(lines, chance), _at(lines, chance)
        lines[a] = lines[a].partition("=")[0] + "=" + lines[b].partition("=")[2]

    return _with_lines(text, change)


def _move_tree(text: str, chance: Chance) -> str:
    """Repeat, remove or reorder trees."""
    parts = re.split(r"^(?=Tree=|end of trees)", text, flags=re.MULTILINE)
    if len(parts) < 3:
        return text
    at, to = chance.randrange(1, len(parts)), chance.randrange(1, len(parts))
    tree = parts[at] if chance.random() < 0.5 else parts.pop(at)
    if chance.random() < 0.7:
        parts.insert(to, tree)
    return "".join(parts)


def _at(lines: list[str], chance: Chance) -> int:
    """A random line, more often of the model than of its long list of parameters."""
    return chance.randrange(min(len(lines), chance.choice((20, 60, 10**6))))


def _with_lines(text: str, change: Callable[[list[str]], object]) -> str:
    lines = text.split("\n")
    change(lines)
    return "\n".join(lines)


def _in_match(
    text: str, chance: Chance, pattern: re.Pattern[str], group: int, change: Callable[[str], str]
) -> str:
    end = text.find("\nend of trees") if chance.random() < 0.95 else len(text)
    found = list(pattern.finditer(text, 0, max(end, 0)))
    if not found:
        return text
    begin, end = chance.choice(found).span(group)
    return text[:begin] + change(text[begin:end]) + text[end:]


_WAYS: Final = (
    *(_flip_bit, _put_byte, _cut, _truncate, _odd_token, _odd_token, _other_number, _other_number),
    *(_other_number, _other_index, _other_index, _other_index, _shuffle, _longer, _shorter),
    *(_odd_line, _drop_line, _repeat_line, _swap_lines, _swap_values, _move_tree),
)
