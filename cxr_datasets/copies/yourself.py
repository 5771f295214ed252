"""The command line of wget that fetches what is lacking, for those who run it themselves."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

import pyarrow as pa

from cxr_datasets.builder import Publisher
from cxr_datasets.copies.checked import look
from cxr_datasets.copies.folder import CopyFolder
from cxr_datasets.copies.results import Command
from cxr_datasets.copies.run import Wanted
from cxr_datasets.copies.sites import at_site
from cxr_datasets.copies.wget import words_for
from cxr_datasets.errors import OptionError
from cxr_datasets.tables.keys import combined

_LIST = "wanted.txt"


def command_for(wanted: Wanted, copy: CopyFolder, publisher: Publisher) -> Command:
    """Write the list of what a copy lacks, and give the command that fetches it.

    Nothing is asked of the site. Where the tables are not there yet, the list is of them: which
    images are wanted shows only then.

    Raises:
        OptionError: The site is not one that wget reads, or the options leave no image.
        TableError: A table is broken.
        DownloadError: The folder cannot be written to.
    """
    if not publisher.fetcher.endswith(":Wget"):
        raise OptionError(f"print_wget: {publisher.name} is not read by wget.")
    address = at_site(publisher.address.format(version=wanted.version))
    with copy.locked():
        names, then = _lacking_tables(wanted, copy), _THEN_TABLES
        if not names:
            names, then = _lacking_images(wanted, copy), _THEN_IMAGES
        names += _lacking_reports(wanted, copy, publisher)
        copy.write(copy.note / _LIST, "".join(f"{name}\n" for name in names).encode())
    return Command(
        listed=str(copy.note / _LIST),
        files=len(names),
        command=shlex.join(_words(address, copy)),
        then=then if names else "Nothing is lacking.",
    )


_THEN_TABLES = (
    "They are the tables, by which images are chosen. Run this, then the same cxr command again:"
)
_THEN_IMAGES = (
    "Put your own name for YOU and run this; the same cxr command without --print-wget then "
    "compares what came with the checksums:"
)


def _words(address: str, copy: CopyFolder) -> list[str]:
    folders = len([part for part in urlsplit(address).path.split("/") if part])
    # A file that was cut has a time of change after the server's: without this option it stays cut.
    return ["wget", *words_for(folders), "--no-if-modified-since", "--user", "YOU",
            "--ask-password", "-P", str(copy.root), "-i", str(copy.note / _LIST),
            f"--base={address}"]  # fmt: skip


def _lacking_tables(wanted: Wanted, copy: CopyFolder) -> list[str]:
    tables = [table for table in wanted.tables
              if not any(copy.place(name).is_file() for name in table.files)]  # fmt: skip
    if not any(table.required for table in tables):
        return []
    sums = [wanted.checksums] if wanted.checksums else []
    return [*sums, *(table.files[0] for table in tables)]


def _lacking_images(wanted: Wanted, copy: CopyFolder) -> list[str]:
    if not wanted.images:
        return []
    paths = combined(wanted.wanted_images(copy.root)["path"])
    absent = look(copy.root, paths).sizes <= 0
    names: list[str] = paths.filter(pa.array(absent)).to_pylist()
    return names


def _lacking_reports(wanted: Wanted, copy: CopyFolder, publisher: Publisher) -> list[str]:
    reports = publisher.reports
    if not wanted.reports or reports is None or copy.place(reports.file).is_file():
        return []
    address = at_site(reports.address.format(version=reports.versions[wanted.version]))
    return [address + reports.file]
