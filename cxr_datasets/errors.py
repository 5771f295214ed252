"""The errors a reader can meet, all of them `CxrError`.

Each message says what is wrong and where (file, column, id), what was expected and found, and
what to do next. They are raised before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from cxr_datasets.wording import safe

_FEW = 6
"""So many names are seen at a glance; of more, the one that was meant is told."""

_NEAR = 0.75
"""How like two names are, from 0 to 1, of which one may be a slip for the other."""


class CxrError(Exception):
    """Base class of every error this project raises on purpose.

    Its message is written by `wording.safe`: whatever name or address it quotes, nothing in it is a
    secret of an address, and nothing makes a terminal act.
    """

    def __init__(self, *args: object):
        super().__init__(*(safe(arg) if isinstance(arg, str) else arg for arg in args))


class OptionError(CxrError, ValueError):
    """An option has a name or a value that does not exist."""

    @classmethod
    def unknown(
        cls, option: str, value: object, allowed: Iterable[object], more: str = ""
    ) -> OptionError:
        """Build the error for a value that is not among the allowed ones.

        Args:
            option: Name of the option, such as `missing`.
            value: What was given.
            allowed: Every value that would have been right.
            more: A sentence to end with.
        """
        right = list(allowed)
        choices = ", ".join(map(repr, right))
        near = get_close_matches(str(value), [str(choice) for choice in right], 1, _NEAR)
        meant = f" Did you mean {near[0]!r}?" if near and len(right) > _FEW else ""
        return cls(
            f"{option}={value!r} is not known. Choose from: {choices}.{meant} {more}".rstrip()
        )


class PackageError(CxrError):
    """The package of a dataset is installed and cannot be used."""


class ReleaseError(CxrError):
    """`data_dir` is not given, not there, empty, or not a copy of the dataset."""


class TableError(CxrError):
    """A table is missing or damaged, or holds what it must not hold."""


class ReportsError(CxrError):
    """The reports are not where they should be, or cannot be read."""


class MissingImagesError(CxrError):
    """Image files that the tables list are not there."""


class ImageError(CxrError):
    """An image file is there, but damaged or no image; or `decode` was given something else."""


class ScriptError(CxrError):
    """The folder named in `load_dataset` holds another version of the loading script."""


class StoreError(CxrError):
    """A store refuses a file, failed again and again, or sent a page for it; or a disk failed.

    Attributes:
        refused: Whether the store says that this user may not read it.
    """

    refused = False


class CacheError(CxrError):
    """The cache cannot be read or written, or a dataset in it was changed since it was built."""


class ResumeError(CxrError, ValueError):
    """What was loaded into a stream or a sampler is no state of it, or would be lost."""

    @classmethod
    def of_other_steps(cls) -> ResumeError:
        """The state is of a stream made by other steps, or no state at all."""
        return cls(
            "What was loaded is no state of this stream: expected what state_dict() gives of one "
            "made by the same steps (shuffle, take, filter, map and others) in the same order. "
            "Make the stream as it was made then."
        )


class DownloadError(CxrError):
    """A download cannot begin, or cannot go on; what came whole is kept."""


class ExportError(CxrError):
    """An export cannot begin, or stopped before its end; what it finished is kept."""


class HubError(CxrError):
    """A copy cannot be pushed to the Hub, must not be, or did not arrive as it was sent.

    Attributes:
        conflict: Whether somebody else changed the repository in between.
    """

    conflict = False
