"""MeSH codes of the Indiana reports: their terms, and the 14 CheXpert labels they imply.

A cell is `term(;term)*` with `term = heading(/qualifier)*`. Headings may hold `", "`; qualifiers
are a set, in no fixed order. Human indexers coded positive findings only (Demner-Fushman et al.,
J Am Med Inform Assoc 2016;23(2):304-310, doi 10.1093/jamia/ocv080), so a label made from them is 1
or 0, never -1 (uncertain).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.tables.keys import combined, null_where
from indiana_cxr.mesh_rules import IN_LUNG, MESH_RULES, RuleSet, Terms

_Mask = npt.NDArray[np.bool_]

DEFAULT_RULES: Final = next(iter(MESH_RULES))
NO_FINDING: Final = "No Finding"
NO_INDEXING: Final = "no indexing"


def mesh_terms(mesh: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Split the column `MeSH` into its terms.

    Args:
        mesh: n cells, strings, one a study.

    Returns:
        n lists of strings: a study's terms in the order of its cell, verbatim (case and inner
        blanks too) but for blanks around a `;`. Null where the cell is null or holds no term.
    """
    return _split_at_semicolons(mesh)


def problem_list(problems: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Split the column `Problems`, which repeats the headings of `MeSH`, into its entries.

    Args:
        problems: n cells, strings, one a study.

    Returns:
        n lists of strings: a study's headings in the order of its cell, verbatim but for blanks
        around a `;`. Null where the cell is null or holds no heading.
    """
    return _split_at_semicolons(problems)


def chexpert_labels(mesh: pa.Array | pa.ChunkedArray, rules: str = DEFAULT_RULES) -> pa.StructArray:
    """Turn the column `MeSH` into the 14 CheXpert labels, by one of `MESH_RULES`.

    A label is 1 where a term meets its rule and 0 elsewhere. `No Finding` is 1 where none of the
    others is; by the corrected rules Support Devices does not count among them, as in CheXpert. So
    it means "none of these findings", not "a normal film": a study coded only with, say, scoliosis
    or a pericardial effusion has `No Finding` 1.

    All 14 are null where the indexers gave no code: the term is `No Indexing`, or there is none.

    Args:
        mesh: n cells, strings, one a study.
        rules: `corrected`, as a radiologist reads the codes, or `transchex`, as the public
            TransChex labels do; the dataset's card tells them apart.

    Returns:
        n structs with the 14 fields of `cxr_datasets.columns.LABELS`, in that order, each int8:
        1 positive, 0 not coded, null unknown. The struct itself is never null.

    Raises:
        OptionError: There are no such rules.
    """
    if rules not in tuple(MESH_RULES):
        raise OptionError.unknown("rules", rules, tuple(MESH_RULES))
    codes = _codes(mesh_terms(mesh))
    positive = _positive(MESH_RULES[rules], codes)
    every_term = np.ones(len(codes.study), dtype=np.bool_)
    not_indexed = codes.studies_with(_equals(codes.heading, NO_INDEXING))
    unknown = ~codes.studies_with(every_term) | not_indexed
    fields = [pa.array(positive[label].astype(np.int8), mask=unknown) for label in LABELS]
    return pa.StructArray.from_arrays(fields, names=list(LABELS))


class _Codes(NamedTuple):
    """The terms of all studies one after the other, in the form in which they are compared.

    Attributes:
        studies: Number of studies, with or without terms.
        study: The study of each term, 0 to `studies - 1`.
        heading: The heading of each term.
        qualifiers: The qualifiers of each term as `/qualifier/.../`, empty if it has none. Because
            of the outer slashes a whole one is found as `/qualifier/`, wherever it stands.
    """

    studies: int
    study: npt.NDArray[np.int64]
    heading: pa.StringArray
    qualifiers: pa.StringArray

    def studies_with(self, terms: _Mask) -> _Mask:
        """Say of each study whether one of its terms is marked in `terms`."""
        found = np.zeros(self.studies, dtype=np.bool_)
        found[self.study[terms]] = True
        return found


def _codes(terms: pa.ListArray) -> _Codes:
    flat = pc.utf8_lower(pc.list_flatten(terms))
    flat = pc.replace_substring_regex(flat, r"\s+", " ")
    flat = pc.replace_substring_regex(flat, r" ?/ ?", "/")
    return _Codes(
        studies=len(terms),
        study=np.asarray(pc.list_parent_indices(terms), dtype=np.int64),
        heading=pc.replace_substring_regex(flat, r"/.*", ""),
        qualifiers=pc.replace_substring_regex(
            pc.binary_join_element_wise(flat, "", "/"), r"^[^/]*", ""
        ),
    )


def _positive(chosen: RuleSet, codes: _Codes) -> dict[str, _Mask]:
    """Say for each label of which studies it is 1."""
    own = {
        label: codes.studies_with(_any(_matches(terms, codes) for terms in rule.terms))
        for label, rule in chosen.rules.items()
    }
    positive = {
        label: _any([own[label], *(own[other] for other in rule.labels)])
        for label, rule in chosen.rules.items()
    }
    findings = (found for label, found in positive.items() if label not in chosen.normal_with)
    return {**positive, NO_FINDING: ~_any(findings)}


def _matches(wanted: Terms, codes: _Codes) -> _Mask:
    """Say of each term whether it is a wanted one."""
    matched = np.zeros(len(codes.study), dtype=np.bool_)
    for part in wanted.containing:
        matched |= _contains(codes.heading, part)
    for part in wanted.but_not:
        matched &= ~_contains(codes.heading, part)
    for heading in wanted.headings:
        matched |= _equals(codes.heading, heading)
    if wanted.qualifiers:
        matched &= _qualified(codes, wanted.qualifiers)
    if wanted.without:
        matched &= ~_qualified(codes, wanted.without)
    if wanted.outside:
        matched &= ~_qualified(codes, wanted.outside) | _qualified(codes, IN_LUNG)
    return matched


def _qualified(codes: _Codes, qualifiers: Iterable[str]) -> _Mask:
    """Say of each term whether it has one of these qualifiers."""
    whole = f"/({'|'.join(map(re.escape, qualifiers))})/"
    return np.asarray(pc.match_substring_regex(codes.qualifiers, whole), dtype=np.bool_)


def _any(masks: Iterable[_Mask]) -> _Mask:
    return np.logical_or.reduce(list(masks))


def _equals(strings: pa.StringArray, value: str) -> _Mask:
    return np.asarray(pc.equal(strings, value), dtype=np.bool_)


def _contains(strings: pa.StringArray, part: str) -> _Mask:
    return np.asarray(pc.match_substring(strings, part), dtype=np.bool_)


def _split_at_semicolons(column: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    cells = pc.utf8_trim(combined(column).cast(pa.string()), characters="; \t\r\n")
    cells = null_where(pc.equal(cells, ""), cells)
    # Several separators in a row count as one, or an empty string would become a term.
    cells = pc.replace_substring_regex(cells, r"\s*;[\s;]*", ";")
    return pc.split_pattern(cells, ";")
