"""How the headers of MIMIC-CXR reports are spelled, and which section each of them opens.

The names are facts read in MIT-LCP's `txt/section_parser.py` (MIT licence), the parser that made
`mimic_cxr_sectioned.csv`. One entry differs on purpose: the official table takes the typo
`ndication` for an impression (`OFFICIAL_SPELLINGS`); in `SPELLINGS` it is an indication, as the
word says.
"""

from __future__ import annotations

from collections.abc import Mapping

_SPELLINGS_OF: dict[str, tuple[str, ...]] = {
    "preamble": ("preamble",),
    "indication": (
        "indication",
        "clinical indication",
        "reason for exam",
        "reason for examination",
        "idication",
        "ndication",
    ),
    "history": (
        "history",
        "clinical history",
        "clinical information",
        "patient history",
        "pfi",
    ),
    "comparison": (
        "comparison",
        "comparisons",
        "comparison exam",
        "comparison film",
        "reference exam",
        "comparision",
        "comparisions",
        "comparrison",
        "comparsion",
    ),
    "findings": (
        "findings",
        "finding",
        "chest, two views",
        "reference findings",
        "findgings",
        "findindgs",
        "findins",
        "findnings",
        "findngs",
        "finidngs",
    ),
    "impression": (
        "impression",
        "conclusion",
        "findings and impression",
        "findings/impression",
        "findings/ impression",
        "imoression",
        "imperssion",
        "impession",
        "impresion",
        "impressoin",
        "impresson",
        "imprression",
        "imprssion",
        "mpression",
    ),
    "examination": ("examination", "exam", "type of examination"),
    "technique": ("technique",),
    "recommendations": ("recommendations", "recommendation", "recommendation(s)"),
    "notification": ("notification",),
    "addendum": ("addendum",),
    "wet_read": ("wet read", "wetread"),
    "comment": ("comment",),
    "date": ("date",),
}

SPELLINGS: dict[str, str] = {
    spelling: section for section, spellings in _SPELLINGS_OF.items() for spelling in spellings
}
"""Known spelling of a header, of which there are 58 -> the section that it opens."""

OFFICIAL_SPELLINGS: dict[str, str] = {**SPELLINGS, "ndication": "impression"}
"""The same as the official parser has it."""

CONTAINED: tuple[str, ...] = ("impression", "findings", "history", "comparison", "addendum")
"""Sections that a longer header opens if it names them; if it names two, the first one here."""

PROCEDURES: tuple[str, ...] = (
    "chest",
    "portable",
    "pa and lateral",
    "lateral and pa",
    "ap and lateral",
    "lateral and ap",
    "frontal and",
    "two views",
    "frontal view",
    "pa view",
    "ap view",
    "one view",
    "lateral view",
    "bone window",
    "frontal upright",
    "frontal semi-upright",
    "ribs",
    "pa and lat",
)
"""Parts of the names of procedures. A header that holds one of them opens the findings."""


def section_of(header: str, spellings: Mapping[str, str] = SPELLINGS) -> str:
    """Name the section that a header opens.

    Three rules, tried in this order: a known spelling, a section named inside the header
    (`CONTAINED`), a procedure named inside it (`PROCEDURES`).

    Args:
        header: What stands before the colon, in any case, with or without white space around it.
        spellings: The known spellings: `SPELLINGS` or `OFFICIAL_SPELLINGS`.

    Returns:
        The section, in lower case and with underscores. For a header that no rule knows, the
        header itself, in lower case and stripped; as a report's headers hold no underscore, it is
        never taken for `wet_read` or `last_paragraph`.
    """
    name = header.lower().strip()
    known = spellings.get(name)
    if known is not None:
        return known
    for section in CONTAINED:
        if section in name:
            return section
    if any(procedure in name for procedure in PROCEDURES):
        return "findings"
    return name
