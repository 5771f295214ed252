"""Sections of reports: what goes in and comes out, and all rules against a plain reading of them.

`test_official` and `test_corrected` look at each rule on its own.
"""

from __future__ import annotations

import operator
import random
import time
from collections.abc import Callable, Iterable
from itertools import chain

import pyarrow as pa
import pytest

from cxr_datasets.errors import OptionError
from mimic_cxr_jpg.reports import REPORT_SECTIONS, RULES, parse_sections, sections
from tests.mimic_cxr_jpg.reports.official import (
    OFFICIAL_SPELLINGS,
    SECTION_COLUMNS,
    corrected_parts,
    reference_sections,
    with_plain_line_ends,
)

# --- what comes in and out ------------------------------------------------------------------


def test_columns_come_in_the_documented_order_as_plain_string_arrays_of_the_input_length() -> None:
    columns = parse_sections(pa.array(["a", None, "b"]))
    assert tuple(columns) == REPORT_SECTIONS
    assert all(column.type == pa.string() and len(column) == 3 for column in columns.values())


def test_null_empty_and_blank_reports_have_no_sections() -> None:
    columns = parse_sections(pa.array([None, "", " \n \n \n"], pa.string()))
    assert all(column.null_count == 3 for column in columns.values())


@pytest.mark.parametrize("chunks", [[], [[]], [[], ["x"], []]])
def test_empty_arrays_and_empty_chunks_are_accepted(chunks: list[list[str]]) -> None:
    columns = parse_sections(pa.chunked_array(chunks, pa.string()))
    assert {len(column) for column in columns.values()} == {sum(map(len, chunks))}


def test_a_column_of_nulls_without_a_type_is_accepted() -> None:
    assert parse_sections(pa.nulls(2))["findings"].to_pylist() == [None, None]


def test_sliced_chunked_and_large_arrays_give_the_rows_of_a_plain_one() -> None:
    reports = [None if n % 7 == 0 else f"T\n FINDINGS: finding {n}\n" for n in range(10_000)]
    expected = [None if n % 7 == 0 else f"finding {n}" for n in range(10_000)]
    plain = pa.array(reports)
    uneven = pa.chunked_array([plain[:1], plain[1:6000], plain[6000:]])
    assert parse_sections(plain)["findings"].to_pylist() == expected
    assert parse_sections(uneven)["findings"].to_pylist() == expected
    assert parse_sections(plain.cast(pa.large_string()))["findings"].to_pylist() == expected
    assert parse_sections(plain[5:9000])["findings"].to_pylist() == expected[5:9000]


def test_an_array_that_holds_no_strings_is_refused_with_its_type() -> None:
    with pytest.raises(OptionError, match="int64"):
        parse_sections(pa.array([1]))


@pytest.mark.parametrize("reports", [None, "one report", ["a", None], 3])
def test_what_is_no_array_is_refused_with_the_next_step(reports: object) -> None:
    with pytest.raises(OptionError, match=r"expected an Arrow array of strings.*use sections"):
        parse_sections(reports)  # type: ignore[arg-type]


def test_one_report_gives_every_section_and_none_where_there_is_none() -> None:
    parsed = sections(" FINAL REPORT\n FINDINGS: Clear.\n IMPRESSION: \n")
    assert parsed == {**dict.fromkeys(REPORT_SECTIONS), "findings": "Clear."}
    assert tuple(parsed) == REPORT_SECTIONS
    assert sections(None) == sections("") == dict.fromkeys(REPORT_SECTIONS)


def test_bytes_are_read_as_a_release_is_as_utf_8_or_else_as_latin_1() -> None:
    for encoding in ("utf-8", "latin-1"):
        parsed = sections("T\n FINDINGS: 5 µm, naïve\n".encode(encoding))
        assert parsed["findings"] == "5 µm, naïve"


@pytest.mark.parametrize(
    "call", [sections, lambda text, rules: parse_sections(pa.array([text]), rules=rules)]
)
def test_rules_that_do_not_exist_are_refused_with_those_that_do(
    call: Callable[..., object],
) -> None:
    with pytest.raises(
        OptionError, match=r"rules='chexpert' is not known.*'corrected', 'official'"
    ):
        call("x", rules="chexpert")


@pytest.mark.parametrize("text", [5, ["x"], {"report": "x"}])
def test_what_is_no_text_is_refused_and_the_way_for_columns_is_told(text: object) -> None:
    with pytest.raises(OptionError, match=f"type {type(text).__name__}.*parse_sections"):
        sections(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00\n FINDINGS: \x80\n", b"\0\n FINDINGS: \0\0\n", b"\r FINDINGS: a\r b\r\n c",
        "\ud800\n FINDINGS: \udfff x", "\n" * 1000, " " * 1000, "_" * 1000, ":" * 1000,
        "\n : \n :\n ::", "\n FINDINGS: " + "\x1c\x85\u2028\ufeff", bytes(range(256)) * 3,
    ],
    ids=repr,
)  # fmt: skip
def test_any_bytes_give_texts_or_none_and_never_an_empty_text(
    text: str | bytes, rules: str
) -> None:
    parsed = sections(text, rules)
    assert tuple(parsed) == REPORT_SECTIONS
    assert all(value is None or (value and value == value.strip()) for value in parsed.values())


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize(
    "piece",
    ["\n FINDINGS: word", "\n NOTE: word", "\n findings: word.", "\n" + "_" * 99, "\n \n", "\n:",
     " ", "A", "\n" + " " * 99, "\n NOTE:", "FINDINGS: "],
    ids=repr,
)  # fmt: skip
def test_the_time_for_a_huge_text_grows_with_its_length_and_no_faster(
    piece: str, rules: str
) -> None:
    def seconds(size: int) -> float:
        text = "T\n FINDINGS: x" + piece * (size // len(piece))
        start = time.process_time()
        sections(text, rules)
        return time.process_time() - start

    small = min(seconds(25_000) for _ in range(3))
    assert seconds(400_000) < 100 * small + 0.05  # 16 times as long a text


# --- all rules at once, against a plain reading ----------------------------------------------


COMMON = tuple(section.replace("_", " ").upper() for section in OFFICIAL_SPELLINGS)
HEADERS = (
    *(spelling.upper() for row in OFFICIAL_SPELLINGS.values() for spelling in row.split("|")),
    *("CHEST", "PORTABLE AP FILM", "LEFT RIBS", "PAST HISTORY", "FINDINGS OF THE IMPRESSION"),
    *("NOTE", "DICTATED BY", "LAST PARAGRAPH", "FULL REPORT", "( )", "-", " "),
    *("Findings", "findings", "FINDINGS 2", "T12 FINDINGS", "FINDINGS_", "ÉTAT", "FINDINGS\n"),
    *("Impression", "impression", "Date", "date", "HEART", "LUNGS", "Lungs", "ndication"),
    *("Comparison", "history", "Recommendation(s)", "comment"),
)
FRAGMENTS = ("\n", "\n ", "\n \n", " ", ":", ": ", ":\n", "A", "x", "_", "(", "\r", "\r\n", "\t")
ODD = ("\0", "\x1c", "\x1e", "\x85", "\xa0", "\u2028", "\u3000", "\ue000", "µ", "😀")


BODIES = (
    *("", "", " ", "a b", "None.\n \n Clear.", "a\n b\n \n c\n \n d", "1:2", "e\n\n f", "as\n"),
    *(f"g\n {'_' * 78}\n   FINAL REPORT", f"{'_' * 12}\n", f"h\n{'_' * 20}\n REPORT OF\n i"),
)


def random_report(rng: random.Random) -> str:
    """Write a report in blocks, laid out as radiologists do, careless ones among them."""
    blocks = [rng.choice(("", " ", " FINAL REPORT\n", "FINAL REPORT\n \n", " T\n \n Clear.\n"))]
    if rng.random() < 0.2:
        blocks.append(f" {rng.choice(('ADDENDUM', 'WET READ'))}: a\n {'_' * 20}\n FINAL REPORT\n")
    few = [rng.choice(rng.choice((COMMON, HEADERS))) for _ in range(4)]
    for _ in range(rng.choice((0, 1, 2, 3, 5, 8))):
        indent = rng.choice((" ", " ", " ", " ", "", "  ", "\t"))
        colon = rng.choice((": ", ": ", ":  ", ":\n", ": \n", ": \n \n ", ":", ":\n \n "))
        body = rng.choice(BODIES)
        end = rng.choice(("\n", "\n", "\n \n", "\n\n", "", " \n", "\r\n", ".\n", "\n  \n"))
        blocks.append(f"{indent}{rng.choice(few)}{colon}{body}{end}")
    return "".join(blocks)


def random_soup(rng: random.Random) -> str:
    """Throw headers, white space and odd characters together."""
    headers = ("FINDINGS", "IMPRESSION", "COMPARISON", "NOTE", "\n COMMENT: ", "\n FINDINGS:")
    return "".join(
        rng.choice(rng.choice((headers, FRAGMENTS, FRAGMENTS, FRAGMENTS, ODD)))
        for _ in range(rng.randrange(30))
    )


def words(texts: Iterable[str]) -> list[str]:
    return [word for text in texts for word in text.split()]


@pytest.fixture(scope="module")
def reports() -> list[str]:
    rng = random.Random(20240312)
    return [write(rng) for write in (random_report, random_soup) for _ in range(2000)]


@pytest.mark.parametrize("rules", RULES)
def test_thousands_of_adversarial_reports_parse_as_in_a_plain_reading_of_the_rules(
    rules: str, reports: list[str]
) -> None:
    columns = parse_sections(pa.array(reports), rules=rules)
    table = pa.table(columns).to_pylist()
    for report, row in zip(reports, table, strict=True):
        found = {name: text for name, text in row.items() if text is not None}
        assert found == reference_sections(report, rules), repr(report)
    filled = {name: len(reports) - column.null_count for name, column in columns.items()}
    assert min(filled.values()) >= 20, filled


def test_both_rules_differ_in_many_of_these_reports(reports: list[str]) -> None:
    official, corrected = (
        pa.table(parse_sections(pa.array(reports), rules=rules)).to_pylist() for rules in RULES
    )
    assert sum(map(operator.ne, official, corrected)) > len(reports) / 5


def test_one_report_gives_what_a_whole_column_gives(reports: list[str]) -> None:
    for rules in RULES:
        rows = pa.table(parse_sections(pa.array(reports[::20]), rules=rules)).to_pylist()
        assert [sections(report, rules) for report in reports[::20]] == rows


def test_no_word_of_the_body_is_lost_and_none_is_invented(reports: list[str]) -> None:
    """Each word of a report stands where it should: in a section, or in what has no column.

    The parts are those of the plain reading; put together they are the report, so none is missed.
    """
    table = pa.table(parse_sections(pa.array(reports))).to_pylist()
    for report, row in zip(reports, table, strict=True):
        parts = corrected_parts(report)
        assert "".join(text for _, text in parts) == with_plain_line_ends(report)
        for name in SECTION_COLUMNS:
            body = (text for what, text in parts if what == name)
            assert words([row[name] or ""]) == words(body), repr(report)


def test_every_word_written_under_a_header_stands_in_that_section_and_in_no_other() -> None:
    rng = random.Random(7)
    headers = [*COMMON, "CONCLUSION", "PA AND LATERAL CHEST", "NDICATION"]
    sections_of = dict.fromkeys(COMMON, "") | {
        name: name.lower().replace(" ", "_") for name in COMMON
    }
    sections_of |= {"CONCLUSION": "impression", "PA AND LATERAL CHEST": "findings"}
    sections_of |= {"NDICATION": "indication"}
    del sections_of["PREAMBLE"], sections_of["DATE"]
    for _ in range(300):
        report, expected = " FINAL REPORT", dict[str, list[str]]()
        for number in range(rng.randrange(8)):
            header = rng.choice([name for name in headers if name in sections_of])
            body = [f"word{number}{letter}" for letter in "abcdefg"[: rng.randrange(8)]]
            text = "".join(word + rng.choice((" ", "\n ", "\n \n ", ". ")) for word in body)
            report += f"\n {header}: {text}"
            expected.setdefault(sections_of[header], []).extend(body)
        found = {
            name: text.replace(".", " ").split() for name, text in sections(report).items() if text
        }
        if {"findings", "impression"} & set(found):
            assert found == {name: body for name, body in expected.items() if body}
        else:  # of the last section a part may be the last paragraph
            assert sorted(chain(*found.values())) == sorted(chain(*expected.values()))
