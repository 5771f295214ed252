"""A plain reading of the official rules of sections, one step after the other.

It imports nothing of the project: its names are written out once more, so that a slip in the
package shows.
"""

from __future__ import annotations

SECTION_COLUMNS = (
    *("indication", "comparison", "findings", "impression", "examination", "technique"),
    *("history", "recommendations", "notification", "addendum", "wet_read", "comment"),
    "last_paragraph",
)

# The official table, by section.
OFFICIAL_SPELLINGS = {
    "preamble": "preamble",
    "date": "date",
    "comment": "comment",
    "addendum": "addendum",
    "technique": "technique",
    "notification": "notification",
    "wet_read": "wet read|wetread",
    "examination": "examination|exam|type of examination",
    "recommendations": "recommendations|recommendation|recommendation(s)",
    "history": "history|clinical history|clinical information|patient history|pfi",
    "indication": "indication|reason for examination|reason for exam|clinical indication|idication",
    "comparison": "comparison|comparisons|reference exam|comparison exam|comparison film"
    "|comparision|comparsion|comparrison|comparisions",
    "findings": "findings|chest, two views|finding|findins|findindgs|findgings|findngs|findnings"
    "|finidngs|reference findings",
    "impression": "impression|conclusion|findings and impression|findings/impression"
    "|findings/ impression|ndication|impresson|imprression|imoression|impressoin|imprssion"
    "|impresion|imperssion|mpression|impession",
}

OFFICIAL_PROCEDURES = (
    *("chest", "portable", "pa and lateral", "lateral and pa", "ap and lateral", "lateral and ap"),
    *("frontal and", "two views", "frontal view", "pa view", "ap view", "one view"),
    *("lateral view", "bone window", "frontal upright", "frontal semi-upright", "ribs"),
    "pa and lat",
)


def reference_headers(text: str) -> list[tuple[int, int, str]]:
    """Find headers without a regular expression: (start, end, what stands before the colon)."""
    found = []
    at = text.find("\n ")
    while at != -1:
        colon = text.find(":", at)
        name = text[at + 2 : colon]
        capitals = name and all(c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ ()/,-" for c in name)
        if colon != -1 and capitals and text[colon + 1 : colon + 2].isspace():
            found.append((at, colon + 2, name))
            at = text.find("\n ", colon + 2)
        else:
            at = text.find("\n ", at + 1)
    return found


def reference_name(header: str) -> str:
    name = header.lower().strip()
    if name == "ndication":
        return "indication"
    for section, spellings in OFFICIAL_SPELLINGS.items():
        if name in spellings.split("|"):
            return section
    for section in ("impression", "findings", "history", "comparison", "addendum"):
        if section in name:
            return section
    for procedure in OFFICIAL_PROCEDURES:
        if procedure in name:
            return "findings"
    return name


def reference_sections(report: str) -> dict[str, str]:
    """Read one report by the rules, step by step."""
    text = report.replace("\r\n", "\n").replace("\r", "\n")
    headers = reference_headers(text)
    if headers:
        first_name = headers[0][0] + len("\n ")
        sections = [("preamble", text[:first_name])]
        ends = [start for start, _, _ in headers[1:]] + [len(text)]
        for (_, begin, header), end in zip(headers, ends, strict=True):
            sections.append((reference_name(header), text[begin:end]))
    else:
        sections = [("full report", text)]

    main = ("findings", "impression")
    sections = [(name, body) for name, body in sections if name not in main or body.strip() != ""]
    if not any(name in main for name, _ in sections):
        name, body = sections[-1]
        if "\n \n" in body:
            cut = body.index("\n \n")
            sections[-1] = (name, body[:cut])
            sections.append(("last_paragraph", body[cut + len("\n \n") :]))

    of_name = {name: body.strip() for name, body in sections}
    return {name: of_name[name] for name in SECTION_COLUMNS if of_name.get(name)}
