"""MeSH codes of the Indiana reports: their terms, and the 14 CheXpert labels they imply.

A ``MeSH`` cell is ``term(;term)*`` with ``term = heading(/qualifier)*``. Headings may hold
``", "``; qualifiers are a set, in no fixed order. Human indexers coded positive findings only
(Demner-Fushman et al., J Am Med Inform Assoc 2016;23(2):304-310, doi 10.1093/jamia/ocv080), so
a label made from them is 1 or 0, never -1 (uncertain).
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
    """What makes one label positive: any one of its conditions, met by any one term of a study.

    Everything is compared in lower case with runs of blanks made one.

    Attributes:
        headings: The term's heading is one of these.
        containing: The term's heading contains one of these ...
        but_not: ... and none of these.
        qualified: The term has this heading and, among its qualifiers, this qualifier.
        labels: The study meets the conditions that stand under one of these other labels.
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

They reproduce the public TransChex labels of this collection, with one correction here (a
pericardial effusion is not a pleural one) and one in `chexpert_labels` (``No Indexing`` is
unknown, not free of findings).
"""


def mesh_terms(mesh: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Split the ``MeSH`` column into its terms.

    Args:
        mesh: The ``MeSH`` column, strings, one cell a study.

    Returns:
        ``list<string>`` of the same length: each study's terms in the column's order, verbatim
        (case and inner blanks too) but for blanks round a ``;``. Null where the cell is null or
        holds no term.
    """
    return _split_at_semicolons(mesh)


def problem_list(problems: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """Split the ``Problems`` column, which repeats the headings of ``MeSH``, into its entries.

    Args:
        problems: The ``Problems`` column, strings, one cell a study.

    Returns:
        ``list<string>`` of the same length: each study's headings in the column's order,
        verbatim but for blanks round a ``;``. Null where the cell is null or holds no heading.
    """
    return _split_at_semicolons(problems)


def chexpert_labels(mesh: pa.Array | pa.ChunkedArray) -> pa.StructArray:
    """Map the ``MeSH`` column to the 14 CheXpert labels by `RULES`.

    A label is 1 where a term meets its rule and 0 elsewhere. ``No Finding`` is 1 where none of
    the other 13 is, so it means "none of these 13 findings", not "a normal film": a study coded
    only with, say, scoliosis or a pericardial effusion has ``No Finding`` 1.

    All 14 are null where the indexers left no code: the term ``No Indexing``, or no term at all.
    Hydro- and hemopneumothorax are Pneumothorax and, as in the rules' source, not Pleural
    Effusion.

    Args:
        mesh: The ``MeSH`` column, strings, one cell a study.

    Returns:
        Struct of the same length with the 14 fields of `cxr_datasets.columns.LABELS`, in that
        order, each int8: 1 positive, 0 not coded, null unknown. The struct itself is never null.
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
    """The terms of all studies in one flat run, in the form in which they are compared.

    Attributes:
        studies: The number of studies, with or without terms.
        study: For each term the position of its study, 0 to ``studies - 1``.
        heading: For each term its heading.
        path: For each term ``/heading/qualifier/.../``; the outer slashes let a whole qualifier
            be found as ``/qualifier/``, wherever it stands.
    """

    studies: int
    study: npt.NDArray[np.int64]
    heading: pa.StringArray
    path: pa.StringArray

    def studies_with(self, terms: _Mask) -> _Mask:
        """For each study, whether ``terms`` picks one of its terms."""
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
    """For each term, whether it meets one of the rule's own conditions (not those by label)."""
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
    # Taking doubled separators as one keeps an empty string from becoming a term.
    cells = pc.replace_substring_regex(cells, r"\s*;[\s;]*", ";")
    return pc.split_pattern(cells, ";")
