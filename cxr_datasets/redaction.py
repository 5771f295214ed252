"""What is secret in an address, and how one is written where others may read it.

One place decides: `holds_secret` for what is refused, `shown` and `shown_in` for what is printed.
Where it cannot be told which part of an address is a password, all of it is hidden.
"""

from __future__ import annotations

import re

CHAIN = "::"
BETWEEN_LINKS = re.compile(r"::(?![^\[\]/]*\])")
"""`::`, but for that of a number in brackets: `http://[::1]:8080/data` is one link."""

HIDDEN = "..."

_WEB = ("http", "https")
_WITHOUT_SERVER = ("file", "local", "zip", "memory")
_WITH_USER = ("sftp", "ssh", "ftp", "smb", "hdfs", "abfs", "abfss", "az", "adl", "github")
"""Protocols whose addresses name a user, an account or an owner before `@`, which is no secret."""

_BUCKETS = ("s3", "s3a", "gs", "gcs", "hf", "abfs", "abfss", "az", "adl", "github")
"""Protocols with an `@` in the names of files, or after that of a repository."""

_SERVER = re.compile(r"[^/\\?#]*")
_NAMED = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[\w-]+(\.[\w-]+)+|localhost)\.?")
"""A host that is no word of a password: it has a dot, or is a number, or this machine."""

_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d{0,5})?")
_VERSION = re.compile(r"\?versionId=[\w.-]*", re.IGNORECASE)
"""The one query that is no secret: which version of an object of S3 is meant."""

_PARAMETER = re.compile(r";[^/;=]+=.*", re.DOTALL)
_NAMES_OF_SECRETS = re.compile(
    r"""[?&;\#](
        x-(amz|goog|oss|cos)-[\w-]+ | (aws)?access_?key_?(id)? | googleaccessid | ossaccesskeyid
      | [\w-]*(sig|signature|token|secret|password|passwd|pwd|credential|credentials|apikey)
      | [\w-]*(api|account|shared|access|subscription|session|private)[_-]?key | key | key-pair-id
      | auth | authorization | code | jwt | sessionid | session | policy | sv | se | st | skoid
    )=""",
    re.IGNORECASE | re.VERBOSE,
)
_LOST_SCHEME = re.compile(
    r"\s*([\w+.%-]{2,}:(?!//)|\w:(?![/\\])|//[^/@]+(?=@)|\\\\[^/@]+(?=@)).*@", re.DOTALL
)
"""How an address with a password begins whose `://` is mistyped or missing, as `https:/a:b@host`.
A single letter before `:` may be a disk."""

_WORD = re.compile(r"((?:[\w.-]*=|[(\[{,;])*)([^\s'\"<>]+)")
"""A word of a text, and before it the name of an option or a bracket."""


def holds_secret(address: str) -> bool:
    """Whether an address holds a password, a token or a signature, or may hold one.

    Args:
        address: A path or an address, also a chain of several.
    """
    return any(_is_secret(link.strip()) for link in _links(address))


def _links(address: str) -> list[str]:
    """Cut an address into its links, but not within what may be a password with `::` in it."""
    links = BETWEEN_LINKS.split(address)
    for place, link in enumerate(links):
        has_server = _cut(link)[0] not in (None, *_WITHOUT_SERVER)
        if has_server and any("@" in rest and "://" not in rest for rest in links[place + 1 :]):
            return [*links[:place], CHAIN.join(links[place:])]
    return links


def _is_secret(link: str) -> bool:
    scheme, server, below = _cut(link)
    if scheme is None or scheme in _WITHOUT_SERVER:
        return bool(_NAMES_OF_SECRETS.search(link)) or (
            scheme is None and _LOST_SCHEME.match(link) is not None
        )
    user, at, _ = server.rpartition("@")
    if (at and (scheme not in _WITH_USER or ":" in user)) or _is_unclear(scheme, server, below):
        return True
    query = re.search(r"[?#].*", below, re.DOTALL)
    if scheme in _WEB:
        return bool(query and len(query[0]) > 1) or _PARAMETER.search(below) is not None
    return bool(query and "=" in query[0] and not _VERSION.fullmatch(query[0]))


def shown(address: str) -> str:
    """Write an address as it may be printed: without user, password and signature.

    A local path stays as it is.
    """
    written = []
    for link in _links(address):
        written.append(_shown_link(link))
        if written[-1] == HIDDEN or written[-1].endswith(f"://{HIDDEN}"):
            break  # what follows may be the rest of a password
    return CHAIN.join(written)


def shown_in(text: str) -> str:
    """Write a message or a line of a log as it may be printed: every address in it as `shown`.

    Some libraries log the path without the server. Its query is cut too.
    """
    return _WORD.sub(lambda word: word[1] + shown(word[2]), text)


def _shown_link(link: str) -> str:
    scheme, server, below = _cut(link)
    if scheme is None:
        if _LOST_SCHEME.match(link):
            return HIDDEN
        return _without_query(link) if _NAMES_OF_SECRETS.search(link) else link
    before = link[: link.index("://")]
    if scheme in _WITHOUT_SERVER:
        return f"{before}://{_without_query(server + below)}"
    if _is_unclear(scheme, server, below):
        return f"{before}://{HIDDEN}"
    below = _without_query(below)
    if scheme in _WEB or "=" in below:
        below = _PARAMETER.sub(f";{HIDDEN}", re.sub(r"#.+", f"#{HIDDEN}", below, flags=re.DOTALL))
    return f"{before}://{server.rpartition('@')[2]}{below}"


def _cut(link: str) -> tuple[str | None, str, str]:
    """Cut a link into its scheme in small letters, its server and the rest."""
    scheme, separator, rest = link.partition("://")
    if not separator or re.search(r"[/\\?#@]", scheme):
        return None, "", link
    server = _SERVER.match(rest)[0]  # type: ignore[index]  # it matches anything
    return scheme.strip().lower(), server, rest[len(server) :]


def _is_unclear(scheme: str, server: str, below: str) -> bool:
    """Whether a `/`, `?`, `#` or `@` may be one of a password, so that the server is none."""
    if "@" not in server + below:
        return False
    host = server.rpartition("@")[2]
    if not _PORT.fullmatch(host) and not host.startswith("arn:"):
        return True
    if "@" not in below:
        return False
    if scheme in _BUCKETS:
        return "@" in server or ":" in host
    return "@" in server or not _NAMED.fullmatch(host)


def _without_query(link: str) -> str:
    return re.sub(r"\?.+", f"?{HIDDEN}", link, flags=re.DOTALL)
