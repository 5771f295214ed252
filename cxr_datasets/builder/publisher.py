"""Where the publisher of a dataset gives its release to people, and how it is fetched from there.

A dataset declares it as data. How the bytes come is the work of a *fetcher*, which is named and is
imported only when something is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Companion:
    """A file of another project of the same publisher, such as the reports.

    Attributes:
        file: Its name.
        address: Address of the folder that it is in, with `{version}` in it.
        versions: Version of the release -> version of that project.
        homepage: Page of that project.
    """

    file: str
    address: str
    versions: Mapping[str, str]
    homepage: str


@dataclass(frozen=True)
class Publisher:
    """Where a release is fetched from.

    Attributes:
        name: Name of the site in messages.
        address: Address of the folder of a release, with `{version}` in it. Where the site's own
            variable names another host (`Site.host_variable`), that host is asked.
        fetcher: `module:class` of the `cxr_datasets.copies.fetcher.Fetcher` that fetches from
            there.
        homepage: The page of the release, with `{version}` in it, for messages.
        most_connections: Most connections at once. More lead to time-outs, or block an account.
        connections: How many are used where a user does not say.
        refusals: HTTP status -> what it means here and what to do, in whole sentences. `{version}`
            and `{homepage}` in it are those of the project that refuses.
        reports: The texts of the reports, where they are another project.
        archive: Name of the file that has all of the release in one, where the fetcher brings
            such a one; None: it does not.
    """

    name: str
    address: str
    fetcher: str
    homepage: str
    most_connections: int = 8
    connections: int = 4
    refusals: Mapping[int, str] = field(default_factory=dict)
    reports: Companion | None = None
    archive: str | None = None
