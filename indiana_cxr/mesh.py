"""MeSH codes of the Indiana reports: their terms, and the 14 CheXpert labels they imply.

A cell is `term(;term)*` with `term = heading(/qualifier)*`. Headings may hold `", "`; qualifiers
are a set, in no fixed order. Human indexers coded positive findings only (Demner-Fushman et al.,
J Am Med Inform Assoc 2016;23(2):304-310, doi 10.1093/jamia/ocv080), so a label made from them is 1
or 0, never -1 (uncertain).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.columns import LABELS

_Mask = npt.NDArray[np.bool_]

NO_FINDING: Final = "No Finding"
NO_INDEXING: Final = "no indexing"


@dataclass(frozen=True)
class Rule:
    """What makes one label positive: one of these conditions, met by one term of a study.

    Everything is compared in lower case, and several blanks in a row count as one.

    Attributes:
        headings: The term's heading is one of these.
        containing: The term's heading contains one of these, and none of `but_not`.
        but_not: What the heading must not contain, if it contains one of `containing`.
        qualified: Heading and qualifier; the term has both.
        labels: The study meets the own conditions of one of these other labels.
    """

    headings: tuple[str, ...] = ()
    containing: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    qualified: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()


RULES: Final[Mapping[str, Rule]] = {
    "Atelectasis": Rule(headings=("pulmonary atelectasis",)),
    "Cardiomegaly": Rule(headings=("cardiomegaly",)),
    "Consolidation": Rule(headings=("consolidation", "pneumonia")),
    "Edema": Rule(headings=("pulmonary edema",)),
    "Enlarged Cardiomediastinum": Rule(
        headings=("cardiomegaly",), qualified=(("cardiac shadow", "enlarged"),)
    ),
    "Fracture": Rule(headings=("fractures, bone",)),
    "Lung Lesion": Rule(headings=("nodule", "mass")),
    "Lung Opacity": Rule(
        qualified=(("opacity", "lung"), ("density", "lung")),
        labels=("Atelectasis", "Consolidation", "Edema", "Lung Lesion", "Pneumonia"),
    ),
    "Pleural Effusion": Rule(containing=("effusion",), but_not=("pericardial effusion",)),
    "Pleural Other": Rule(qualified=(("thickening", "pleura"), ("cicatrix", "pleura"))),
    "Pneumonia": Rule(headings=("pneumonia",)),
    "Pneumothorax": Rule(containing=("pneumothorax",)),
    "Support Devices": Rule(
        headings=("catheters, indwelling", "implanted medical device", "medical device")
    ),
}
"""The rule of each label but `NO_FINDING`, which is the absence of these 13.

They give the public TransChex labels of this collection, but for one correction here (a
pericardial effusion is not a pleural one) and one in `chexpert_labels` (`No Indexing` is unknown,
not free of findings).
"""


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


def chexpert_labels(mesh: pa.Array | pa.ChunkedArray) -> pa.StructArray:
    """Turn the column `MeSH` into the 14 CheXpert labels, by `RULES`.

    A label is 1 where a term meets its rule and 0 elsewhere. `No Finding` is 1 where none of the
    other 13 is. So it means "none of these 13 findings", not "a normal film": a study coded only
    with, say, scoliosis or a pericardial effusion has `No Finding` 1.

    All 14 are null where the indexers gave no code: the term is `No Indexing`, or there is none.
    Hydro- and hemopneumothorax are Pneumothorax and, as in the source of the rules, not Pleural
    Effusion.

    Args:
        mesh: n cells, strings, one a study.

    Returns:
        n structs with the 14 fields of `cxr_datasets.columns.LABELS`, in that order, each int8:
        1 positive, 0 not coded, null unknown. The struct itself is never null.
    """
    codes = _codes(mesh_terms(mesh))
    direct = {label: codes.studies_with(_matches(rule, codes)) for label, rule in RULES.items()}
    positive = {
        label: np.logical_or.reduce([direct[label], *(direct[other] for other in rule.labels)])
        for label, rule in RULES.items()
    }
    positive[NO_FINDING] = ~np.logical_or.reduce(list(positive.values()))
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
        path: Each term as `/heading/qualifier/.../`. Because of the outer slashes a whole qualifier
            is found as `/qualifier/`, wherever it stands.
    """

    studies: int
    study: npt.NDArray[np.int64]
    heading: pa.StringArray
    path: pa.StringArray

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
        path=pc.binary_join_element_wise("", flat, "", "/"),
    )


def _matches(rule: Rule, codes: _Codes) -> _Mask:
    """Say of each term whether it meets a condition of the rule other than `labels`."""
    matched = np.zeros(len(codes.study), dtype=np.bool_)
    for part in rule.containing:
        matched |= _contains(codes.heading, part)
    for part in rule.but_not:
        matched &= ~_contains(codes.heading, part)
    for heading in rule.headings:
        matched |= _equals(codes.heading, heading)
    for heading, qualifier in rule.qualified:
        matched |= _equals(codes.heading, heading) & _contains(codes.path, f"/{qualifier}/")
    return matched


def _equals(strings: pa.StringArray, value: str) -> _Mask:
    return np.asarray(pc.equal(strings, value), dtype=np.bool_)


def _contains(strings: pa.StringArray, part: str) -> _Mask:
    return np.asarray(pc.match_substring(strings, part), dtype=np.bool_)


def _split_at_semicolons(column: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    cells = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    cells = pc.utf8_trim(cells.cast(pa.string()), characters="; \t\r\n")
    cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
    # Several separators in a row count as one, or an empty string would become a term.
    cells = pc.replace_substring_regex(cells, r"\s*;[\s;]*", ";")
    return pc.split_pattern(cells, ";")
