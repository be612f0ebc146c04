"""CSV files of measured throughputs: what is accepted, and errors that name the line."""

from __future__ import annotations

from datetime import date

import pytest

from spotlab.domain.throughput_file import EXAMPLE, MAX_FILE_BYTES, parse_throughputs
from spotlab.domain.throughputs import MAX_THROUGHPUTS, Throughput
from spotlab.errors import InvalidInput


def test_the_example_is_read() -> None:
    assert parse_throughputs(EXAMPLE.encode()) == (
        (Throughput("m7g.large", 1180.0, date(2026, 11, 3), "batch 32"),),
        "images/s",
    )


@pytest.mark.parametrize(
    "text",
    [
        "m6g.large,1000\nm7g,600",
        "name,throughput\nm6g.large,1000\nm7g,600\n",
        "\ufeffthroughput,name\r\n1000,m6g.large\r\n600,M7G\r\n",
        'name,throughput,note\n\n"m6g.large", 1e3 ,\n"m7g",600.0\n,,\n',
    ],
)
def test_header_case_order_and_blank_lines_do_not_matter(text: str) -> None:
    throughputs, unit = parse_throughputs(text.encode())
    assert [(each.name, each.value) for each in throughputs] == [
        ("m6g.large", 1000.0),
        ("m7g", 600.0),
    ]
    assert unit == ""


def test_the_unit_may_be_on_one_line_only() -> None:
    assert parse_throughputs(b"m6g,5,req/s\nm7g,6")[1] == "req/s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file has no throughputs"),
        ("name,throughput\n", "The file has no throughputs"),
        ("type,value\nm6g,1", "Line 1: there is no column name"),
        ("name,throughput,zone\nm6g,1,a", "Line 1: there is no column named 'zone'"),
        ("name,throughput,name\nm6g,1,a", "Line 1: a column is named twice"),
        ("name;throughput\nm6g;1", "Line 1: there is no column name"),
        ("m6g,1\nm7g", "Line 2: it has 1 field"),
        ("m6g,1,a,2026-01-01,b,c", "Line 1: it has 6 fields"),
        ("m6g,1\nm7g,fast", "Line 2: the throughput of 'm7g' is 'fast'"),
        ("m6g,1\nm7g,-1", "Line 2: the throughput of 'm7g' is '-1'"),
        ("m6g,1\nm7g,nan", "Line 2: the throughput of 'm7g' is 'nan'"),
        ("m6g,1\nm7g,1_000", "Line 2: the throughput of 'm7g' is '1_000'"),
        ("m6g,1\nm7g,0", "Line 2: The throughput of m7g is 0"),
        ("m6g,1\nm7g,1e300", "Line 2: The throughput of m7g is 1e"),
        ("m6g,1\nm7g.lrage,2", "Line 2: 'm7g.lrage' is not an instance type or a family"),
        ("m6g,1\nm7g.largee,2", "Line 2: 'm7g.largee' is not an instance type"),
        ("m6g,1\n=cmd(),2", r"Line 2: '=cmd\(\)' is not an instance type"),
        ("m6g,1\n,2", "Line 2: '' is not an instance type"),
        ("m6g,1\n\nM6G,2", "Line 3: m6g is on line 1 already"),
        ("m6g,1,a\nm7g,2,b", "Line 2: the unit is 'b', but 'a' on line 1"),
        ("m6g,1,,3.11.2026", "Line 1: measured_at is '3.11.2026'"),
        ("m6g,1,,20261103", "Line 1: measured_at is '20261103'"),
        ("m6g,1,,,a\u202eb", "Line 1: The note .* has invisible characters"),
        ('m6g,1,,,"a\nb"', "Line 2: The note .* has invisible characters"),
        ('m6g,1,"a', "The file is not CSV: line 1"),
    ],
)
def test_a_wrong_line_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        parse_throughputs(text.encode())
    assert caught.value.remedy


def test_bytes_that_are_no_text_are_rejected() -> None:
    with pytest.raises(InvalidInput, match="not text"):
        parse_throughputs(b"\xff\xfe\x00")


def test_a_large_file_is_rejected() -> None:
    with pytest.raises(InvalidInput, match="bytes"):
        parse_throughputs(b"a" * (MAX_FILE_BYTES + 1))
    many = "\n".join(f"m{number}g,1" for number in range(1, MAX_THROUGHPUTS + 2))
    with pytest.raises(InvalidInput, match="Line 2001: there are too many lines"):
        parse_throughputs(many.encode())


@pytest.mark.parametrize(
    "name",
    ["m7g", "m7i-flex", "u-6tb1", "u-6tb1.112xlarge", "mac2-m2.metal", "c7i.metal-24xl", "hpc7a",
     "p5.48xlarge", "t4g.nano", "trn1n.32xlarge"],
)  # fmt: skip
def test_names_of_types_and_families_are_accepted(name: str) -> None:
    assert parse_throughputs(f"{name},1".encode())[0][0].name == name
