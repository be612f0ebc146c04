"""A model's text is accepted only in the format that LightGBM writes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from spotlab.errors import ArtefactRefused
from spotlab.inference.tree_limits import TreeLimits
from spotlab.inference.tree_structure import validate_trees
from tests.support import hostile_models as hostile
from tests.support.hostile_models import resized, with_tree
from tests.support.small_models import COLUMNS, small_models

Change = Callable[[str], str]


@pytest.mark.parametrize("kind", sorted(small_models()))
def test_what_lightgbm_writes_is_read(kind: str) -> None:
    model = validate_trees(small_models()[kind].encode())

    assert len(model.trees) == small_models()[kind].count("\nTree=")
    assert model.linear == kind.startswith("linear")
    if not kind.startswith("shipped"):
        assert model.feature_names == COLUMNS


@pytest.mark.parametrize("folder", [hostile.ADVISOR, hostile.CAPACITY], ids=lambda it: it.name)
def test_the_shipped_models_are_proved_without_lightgbm(folder: object) -> None:
    code = (
        "import sys, pathlib\n"
        "from spotlab.inference.tree_structure import validate_trees\n"
        f"assert validate_trees(pathlib.Path({str(folder)!r}, 'model.txt').read_bytes()).trees\n"
        "assert 'lightgbm' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def line(key: str, value: str, kind: str = "plain") -> Change:
    """A change of the first line with a key, for a kind of model."""
    pattern = re.compile(rf"^{key}=.*$", re.MULTILINE)

    def change(_: str) -> str:
        text = pattern.sub(f"{key}={value}", small_models()[kind], count=1)
        return text if key == "tree_sizes" else resized(text)

    return change


def replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def first_number(key: str, number: str) -> Change:
    pattern = re.compile(rf"^{key}=[^ \n]+", re.MULTILINE)
    return lambda text: resized(pattern.sub(f"{key}={number}", text, count=1))


NUMBERS = {
    "too large": "1e999",
    "nearly too large": "1e+308",
    "too small": "1e-400",
    "subnormal": "5e-324",
    "hexadecimal": "0x10",
    "no number": "nan",
    "infinite": "-inf",
    "plus": "+5",
    "underscore": "1_000",
    "blank before": " 1",
    "two blanks": "1  ",
    "no digit before the point": ".5",
    "no digit after the point": "5.",
    "leading zero": "05",
    "exponent as none writes it": "1e5",
    "capital exponent": "1E+05",
    "comma": "1,0",
    "endless": "9" * 4000,
    "a word": "None",
}
INTEGERS = {
    "wraps to 3": "4294967299",
    "below all": "-2147483649",
    "minus nothing": "-0",
    "point": "1.0",
    "exponent": "1e0",
    "plus": "+1",
    "leading zero": "01",
    "underscore": "1_0",
    "endless": "9" * 4000,
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("key", ["threshold", "leaf_value", "leaf_weight", "internal_value"])
def test_a_number_that_two_readers_may_read_otherwise_is_refused(key: str, number: str) -> None:
    refused(first_number(key, number)(small_models()["plain"]), f"Tree 0: {key} contains")


@pytest.mark.parametrize("number", INTEGERS.values(), ids=INTEGERS)
@pytest.mark.parametrize("key", ["left_child", "split_feature", "decision_type", "leaf_count"])
def test_an_integer_that_two_readers_may_read_otherwise_is_refused(key: str, number: str) -> None:
    refused(first_number(key, number)(small_models()["plain"]), f"Tree 0: {key} contains")


ODD: dict[str, tuple[Change, str]] = {
    "nothing": (lambda _: "", "is not a LightGBM text model"),
    "text before": (lambda text: f"\n{text}", "is not a LightGBM text model"),
    "carriage returns": (
        lambda text: text.replace("\n", "\r\n"),
        "Line 1: contains a carriage ret",
    ),
    "one carriage return": (
        replaced("num_cat=0\n", "num_cat=0\r\n"),
        "Line 14: contains a carriage return",
    ),
    "a zero byte": (replaced("version=v4", "version=v4\0"), "Line 2: contains the byte 0x00"),
    "a tab": (replaced("num_leaves=6", "num_leaves=\t6"), "Line 13: contains the byte 0x09"),
    "digits of another script": (
        replaced("num_leaves=6", "num_leaves=\u0666"),
        "Line 13: contains",
    ),
    "another version": (
        replaced("version=v4", "version=v3"),
        "version is 'v3'; only v4",
    ),
    "classes": (replaced("num_class=1", "num_class=2"), "num_class is '2'; only 1 is accepted"),
    "classes twice": (
        replaced("num_class=1\n", "num_class=1\nnum_class=9\n"),
        "header: 'num_class=9' is in the place of num_tree_per_iteration",
    ),
    "a key it does not know": (
        replaced("tree_sizes=", "parser=1\ntree_sizes="),
        "header: 'parser=1' is in the place of tree_sizes",
    ),
    "no sizes": (
        lambda text: re.sub("tree_sizes=.*\n", "", text),
        "header: '' is in the place of tree_sizes",
    ),
    "averaged with a value": (
        replaced("feature_names=", "average_output=1\nfeature_names="),
        "'average_output=1' is in the place of feature_names",
    ),
    "many outputs": (line("objective", "multiclass num_class:999"), "objective 'multiclass num"),
    "no objective's name": (line("objective", ""), "objective '' is not accepted"),
    "a falling sigmoid": (line("objective", "binary sigmoid:-1"), "objective 'binary sigmoid:-1'"),
    "more features": (line("max_feature_idx", "4"), "feature_names has 4 entries, but"),
    "a name more": (line("feature_names", "a b c d e"), "feature_names has 5 entries"),
    "most features": (
        line("max_feature_idx", "100000"),
        "max_feature_idx contains 100000,",
    ),
    "an empty name": (
        line("feature_names", "a b  d"),
        "feature_names contains an empty entry or '='",
    ),
    "names with =": (
        line("feature_names", "a b c=1 d"),
        "feature_names contains an empty entry or '='",
    ),
    "an info less": (line("feature_infos", "none none none"), "feature_infos has 3 entries"),
    "an odd info": (line("feature_infos", "none none [a:b c"), "feature_infos contains '\\[a:b'"),
    "a constraint less": (
        line("monotone_constraints", "1 0 0", "monotone"),
        "monotone_constraints has 3 values, not 4",
    ),
    "sizes that lie": (
        line("tree_sizes", "700 700 700"),
        "does not begin and end at the positions in tree_sizes",
    ),
    "a size beyond the end": (
        lambda text: re.sub(r"(tree_sizes=.*)\n", r"\g<1>999999\n", text),
        "Tree 2: does not begin and end",
    ),
    "no trees": (line("tree_sizes", ""), "tree_sizes has 0 entries, not 1 to"),
    "trees in another order": (
        lambda text: text.replace("Tree=0", "Tree=x").replace("Tree=1", "Tree=0"),
        "Tree 0: does not begin and end",
    ),
    "a tree twice": (
        lambda text: resized(text.replace("\nTree=1\n", "\nTree=0\n")),
        "Tree 1: does not begin and end",
    ),
    "a key of a tree twice": (
        lambda text: resized(text.replace("num_cat=0\n", "num_cat=0\nnum_cat=5\n", 1)),
        "Tree 0: 'num_cat=5' is in the place of split_feature",
    ),
    "a line without =": (
        lambda text: resized(text.replace("shrinkage=", "shrinkage", 1)),
        "Tree 0: 'shrinkage.*' is in the place of shrinkage",
    ),
    "a line behind": (
        lambda text: resized(re.sub("(shrinkage=.*\n)", "\\1leaf_value=1\n", text, count=1)),
        "Tree 0: 'leaf_value=1' follows shrinkage",
    ),
    "no leaves": (line("num_leaves", "0"), "num_leaves contains 0, outside 1"),
    "leaves that lie": (line("num_leaves", "7"), "split_feature has 5 values, not 6"),
    "a value less": (line("leaf_value", "1 2 3 4 5"), "leaf_value has 5 values, not 6"),
    "no values": (line("left_child", ""), "left_child has 0 values, not 5"),
    "a weight more": (line("leaf_weight", "1 2 3 4 5 6 7"), "leaf_weight has 7 values, not 6"),
    "sets that lie": (line("num_cat", "1"), "'is_linear=0' is in the place of cat_boundaries"),
    "linear without": (line("is_linear", "1"), "'shrinkage=.*' is in the place of leaf_const"),
    "linear by two": (line("is_linear", "2"), "is_linear contains 2, outside 0 to 1"),
    "an unknown kind of split": (first_number("decision_type", "12"), "decision_type contains 12"),
    "a column too far": (
        first_number("split_feature", "4"),
        "split_feature contains 4, outside 0 to 3",
    ),
    "a second end": (
        replaced("end of trees\n", "end of trees\n\nend of trees\n"),
        "The text after its trees is not what",
    ),
    "a tree behind the end": (
        lambda text: text.replace(
            "end of trees\n", "end of trees\n" + text[text.index("Tree=2") :]
        ),
        "The text after its trees is not what",
    ),
    "a parser": (lambda text: text + "\nparser:\nx\nend of parser\n", "The text after its trees"),
    "deep categories": (
        replaced("pandas_categorical:null", "pandas_categorical:" + "[" * 9999 + "]" * 9999),
        "The text after its trees is not what",
    ),
    "nothing behind the end": (
        lambda text: text[: text.index("end of trees") + 13],
        "The text after its trees is not what",
    ),
    "an odd parameter": (
        replaced("[boosting: gbdt]", "boosting: gbdt"),
        "The text after its trees",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_lightgbm_does_not_write_is_refused(name: str) -> None:
    change, said = ODD[name]
    refused(change(small_models()["plain"]), said)


def test_linear_leaves_agree_with_each_other() -> None:
    text = small_models()["linear"]
    counts, columns = (
        next(value for value in re.findall(f"^{key}=(.*)$", text, re.MULTILINE) if "3" in value)
        for key in ("num_features", "leaf_features")
    )
    for old, new, said in (
        (f"num_features={counts}", f"num_features={counts[:-1]}4", "num_features requires"),
        (f"leaf_features={columns}", f"leaf_features={columns[:-1]}", "is not grouped as"),
        (f"leaf_features={columns}", f"leaf_features=9{columns[1:]}", "leaf_features contains 9"),
        ("leaf_const=", "leaf_const=nan ", "leaf_const contains 'nan "),
        ("leaf_coeff=", "leaf_coeff=0 ", "leaf_coeff has"),
    ):
        refused(resized(replaced(old, new)(text)), said)


def test_parameters_alone_make_a_model_linear() -> None:
    text = replaced("[linear_tree: 0]", "[linear_tree: 7]")(small_models()["plain"])
    assert validate_trees(text.encode()).linear


@pytest.mark.parametrize(
    "line", ["null", "[]", '[["a", "b"], [1, 2.5, null]]', r'[["a]", "b[\"]"]]']
)
def test_the_categories_of_a_data_frame_may_stand_at_the_end(line: str) -> None:
    text = replaced("pandas_categorical:null", f"pandas_categorical:{line}")
    assert validate_trees(text(small_models()["plain"]).encode())


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (TreeLimits(text_mb=0.001), r"The model has \d+ bytes; at most 0.001 MB are accepted"),
        (TreeLimits(trees=2), "tree_sizes has 3 entries, not 1 to 2"),
        (TreeLimits(leaves_per_tree=5), "Tree 0: num_leaves contains 6, outside 1 to 5"),
        (TreeLimits(leaves=17), "The model has more than 17 leaves"),
        (TreeLimits(depth=2), "Tree 0 is deeper than 2 splits"),
    ],
)
def test_a_model_over_a_limit_is_refused(limits: TreeLimits, said: str) -> None:
    refused(small_models()["plain"], said, limits)


def test_a_chain_of_splits_is_as_deep_as_it_is_long() -> None:
    refused(with_tree(small_models()["plain"], **chain(101)), "is deeper than 100 splits")
    assert validate_trees(with_tree(small_models()["plain"], **chain(100)).encode())


def chain(splits: int) -> dict[str, str]:
    """The lines of a tree in which each right child is the next node."""

    def values(each: Callable[[int], object], count: int = splits) -> str:
        return " ".join(str(each(i)) for i in range(count))

    return {
        "num_leaves": str(splits + 1),
        "split_feature": values(lambda _: 0),
        "split_gain": values(lambda _: 1),
        "threshold": values(lambda i: i),
        "decision_type": values(lambda _: 2),
        "left_child": values(lambda i: -i - 1),
        "right_child": values(lambda i: i + 1 if i < splits - 1 else -splits - 1),
        "leaf_value": values(lambda _: 0, splits + 1),
        "leaf_weight": values(lambda _: 1, splits + 1),
        "leaf_count": values(lambda _: 1, splits + 1),
        "internal_value": values(lambda _: 0),
        "internal_weight": values(lambda _: 1),
        "internal_count": values(lambda i: splits + 1 - i),
    }


def refused(text: str, said: str, limits: TreeLimits | None = None) -> None:
    with pytest.raises(ArtefactRefused, match=said):
        validate_trees(text.encode(), limits)
