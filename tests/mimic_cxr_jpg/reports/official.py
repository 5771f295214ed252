"""A plain reading of both sets of rules of sections, one step after the other.

It imports nothing of the project: its names are written out once more, so that a slip in the
package shows. Headers are found without a regular expression.
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


CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ ()/,-"

WITHOUT_COLUMN = ("preamble", "date")

KNOWN = [
    spelling
    for section, spellings in OFFICIAL_SPELLINGS.items()
    if section not in WITHOUT_COLUMN
    for spelling in spellings.split("|")
]


def reference_sections(report: str, rules: str = "corrected") -> dict[str, str]:
    """Read one report; sections that it does not have, or that are blank, are left out."""
    if rules == "official":
        return official_sections(report)
    parts = corrected_parts(report)
    found: dict[str, list[str]] = {}
    for what, text in parts:
        if text.strip():
            found.setdefault(what, []).append(text.strip())
    return {name: "\n\n".join(found[name]) for name in SECTION_COLUMNS if name in found}


def with_plain_line_ends(report: str) -> str:
    return report.replace("\r\n", "\n").replace("\r", "\n")


def reference_name(header: str, ndication: str) -> str:
    """Name the section that a header opens; `ndication` says which one that typo does."""
    name = header.lower().strip()
    if name == "ndication":
        return ndication
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


# --- official -------------------------------------------------------------------------------------


def official_headers(text: str) -> list[tuple[int, int, str]]:
    """Find headers: (start, end, what stands before the colon)."""
    found = []
    at = text.find("\n ")
    while at != -1:
        colon = text.find(":", at)
        name = text[at + 2 : colon]
        capitals = name and all(c in CAPITALS for c in name)
        if colon != -1 and capitals and text[colon + 1 : colon + 2].isspace():
            found.append((at, colon + 2, name))
            at = text.find("\n ", colon + 2)
        else:
            at = text.find("\n ", at + 1)
    return found


def official_sections(report: str) -> dict[str, str]:
    text = with_plain_line_ends(report)
    headers = official_headers(text)
    if headers:
        first_name = headers[0][0] + len("\n ")
        sections = [("preamble", text[:first_name])]
        ends = [start for start, _, _ in headers[1:]] + [len(text)]
        for (_, begin, header), end in zip(headers, ends, strict=True):
            sections.append((reference_name(header, "impression"), text[begin:end]))
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


# --- corrected ------------------------------------------------------------------------------------


def corrected_parts(report: str) -> list[tuple[str, str]]:
    """Cut a report into parts, which put together are the report again.

    Returns:
        What each part is, and its text. A part is `<opening>`, `<header>`, `<ruler>`, a section of
        `SECTION_COLUMNS`, `date` or `preamble`, or else the name of a header that no rule knows.
    """
    lines = with_plain_line_ends(report).split("\n")
    parts = [["<opening>", ""]]
    for place, line in enumerate(lines):
        end = "\n" if place else ""
        header = line_header(lines, place, parts[-1][0])
        if header is None:
            parts[-1][1] += end + line
            continue
        name = reference_name(line[:header], "indication")
        if is_unknown(name) and parts[-1][0] == "findings":
            parts[-1][1] += end + line
            continue
        parts += [["<header>", end + line[: header + 1]], [name, line[header + 1 :]]]
    return without_rulers(with_last_paragraph([(what, text) for what, text in parts]))


def line_header(lines: list[str], place: int, section: str) -> int | None:
    """Where the colon of a header is that begins a line in a section; None if it is none."""
    line = lines[place]
    colon = line.find(":")
    if colon == -1:
        return None
    official = line[1:colon]
    is_followed = line[colon + 1 : colon + 2].isspace() or colon + 1 == len(line)
    if line[0] == " " and official and all(c in CAPITALS for c in official) and is_followed:
        return colon
    name = line[:colon].lstrip(" \t")
    if not name.isascii() or name.lower() not in KNOWN:
        return None
    if name == name.upper():
        return colon
    main = ("findings", "impression")
    if section in main and reference_name(name, "indication") not in main:
        return None
    return colon if sentence_can_begin(lines, place) else None


def sentence_can_begin(lines: list[str], place: int) -> bool:
    if place == 0:
        return True
    before = lines[place - 1]
    if before in ("", " ") or before.endswith(("REPORT", "ADDENDUM")):
        return True
    return before.removesuffix(" ").endswith(tuple(".:;!?_"))


def is_unknown(name: str) -> bool:
    return name not in SECTION_COLUMNS and name not in WITHOUT_COLUMN


def with_last_paragraph(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    filled = [(what, without_ruler(text)[0]) for what, text in parts]
    sections = [
        place for place, (what, text) in enumerate(filled) if what != "<header>" and text.strip()
    ]
    if any(filled[place][0] in ("findings", "impression") for place in sections):
        return parts
    place = sections[-1] if sections else 0
    what, text = parts[place]
    lines = text.split("\n")
    for number in range(1, len(lines) - 1):
        if lines[number].strip(" \t") == "":
            head = "\n".join(lines[:number])
            tail = "\n" + "\n".join(lines[number:])
            return [*parts[:place], (what, head), ("last_paragraph", tail), *parts[place + 1 :]]
    return parts


def without_rulers(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    divided = []
    for what, text in parts:
        text, ruler = without_ruler(text)
        divided += [(what, text), ("<ruler>", ruler)]
    return divided


def without_ruler(text: str) -> tuple[str, str]:
    """Divide a text from the line of underscores that ends it, and a title below that."""
    lines = text.split("\n")
    last = last_filled(lines)
    words = lines[last].strip()
    if words.endswith(("REPORT", "ADDENDUM")) and set(words) <= set(CAPITALS[:27]):
        last = last_filled(lines[:last])
    words = lines[last].strip()
    if set(words) != {"_"} or len(words) < 10:
        return text, ""
    head = "\n".join(lines[:last])
    return head, text[len(head) :]


def last_filled(lines: list[str]) -> int:
    return max((place for place, line in enumerate(lines) if line.strip()), default=0)
