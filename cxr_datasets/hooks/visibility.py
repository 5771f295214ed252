"""Who would see rows that are sent to the Hub: a look at the place before anything goes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import datasets
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from cxr_datasets.errors import HubError

_BUCKETS = "buckets/"
_KINDS = {"datasets/": "dataset", "spaces/": "space", "models/": "model", _BUCKETS: "bucket"}

_LOGIN = "Log in with `hf auth login`, or give the token of one who may write there."


@dataclass(frozen=True)
class Place:
    """Where on the Hub rows are to go.

    Attributes:
        id: `owner/name`; a bare `name` means one of whoever the token belongs to.
        kind: `dataset`, `model`, `space` or `bucket`.
        token: The token that they are sent with; None or True: the stored one.
        endpoint: Address of the Hub; None: the one of `datasets`.
        is_made: Whether the call makes the place if it is not there.
        private: What the call says about a place that it makes.
    """

    id: str
    kind: str = "dataset"
    token: str | bool | None = None
    endpoint: str | None = None
    is_made: bool = False
    private: bool | None = None

    @classmethod
    def of_push(cls, repo_id: str, private: bool | None, token: Any) -> Place:
        """Take what `push_to_hub` was given."""
        kind = "dataset"
        if repo_id.startswith(_BUCKETS) and hasattr(HfApi, "bucket_info"):
            kind, repo_id = "bucket", "/".join(repo_id.split("/")[1:3])
        return cls(repo_id, kind, token, is_made=True, private=private)

    @classmethod
    def of_address(cls, address: str, options: Mapping[str, Any]) -> Place | None:
        """Take the address of a file or folder; None: it is not on the Hub.

        Args:
            address: Such as `hf://datasets/owner/name@branch/folder/file`.
            options: `storage_options` of the call.
        """
        _, found, path = address.partition("hf://")
        if not found:
            return None
        prefix = next((prefix for prefix in _KINDS if path.startswith(prefix)), "")
        parts = path.removeprefix(prefix).split("/")[:2]
        id = "/".join(part.partition("@")[0] for part in parts)
        return cls(id, _KINDS.get(prefix, "model"), options.get("token"), options.get("endpoint"))

    @property
    def url(self) -> str:
        """Its page."""
        prefix = {"dataset": "datasets/", "space": "spaces/", "bucket": _BUCKETS}.get(self.kind, "")
        return f"{self._endpoint}/{prefix}{self.id}"

    @property
    def _endpoint(self) -> str:
        return self.endpoint or datasets.config.HF_ENDPOINT

    def check_private(self, agreements: list[str]) -> None:
        """Require that nobody but its owners sees the place, or that it is made so.

        Args:
            agreements: Addresses of the agreements that the rows carry.

        Raises:
            HubError: Others can see it, or could see it once it is made, or nobody can say.
        """
        seen = self._look()
        if seen is None and "/" not in self.id and self.kind == "dataset":
            # The call would write into this one, as visible as it is.
            own = Place(self._in_own_name(), token=self.token, endpoint=self.endpoint,
                        is_made=self.is_made, private=self.private)  # fmt: skip
            own.check_private(agreements)
        elif seen is None and self.is_made and self.private is not True:
            raise self._refused(
                f"does not exist, and with private={self.private!r} it would be created public, "
                "or as visible as an organization has its new repositories",
                "Give private=True",
                agreements,
            )
        elif seen:
            other = (
                "give private=True and the name of one that is not there yet"
                if self.is_made
                else "name a private one"
            )
            step = f"Set it to private at {self.url}/settings, or {other}"
            raise self._refused(f"is {seen}", step, agreements)

    def _refused(self, found: str, step: str, agreements: list[str]) -> HubError:
        return HubError(
            f"{self.id} {found}, and these rows may only be shared with people who signed "
            f"{' and '.join(agreements)}. Nothing was sent. {step}; or make an export and send it "
            "with `cxr push`, which looks again while it sends."
        )

    def _look(self) -> str | None:
        """How others see it: "" not at all; None if it is not there."""
        api = HfApi(endpoint=self._endpoint, token=self.token, library_name="cxr-datasets")
        try:
            if self.kind == "bucket":
                info: Any = api.bucket_info(self.id)
            else:
                info = api.repo_info(self.id, repo_type=self.kind)
        except GatedRepoError:
            return "public, with gated access"
        except RepositoryNotFoundError:
            return None
        except Exception as error:
            if type(error).__name__ == "BucketNotFoundError":  # older clients have no such class
                return None
            raise self._unseen(error) from None
        if info.private is True:
            return ""
        gated = getattr(info, "gated", False)
        return f"public, with gated access ({gated})" if gated else "public"

    def _in_own_name(self) -> str:
        api = HfApi(endpoint=self._endpoint, token=self.token, library_name="cxr-datasets")
        try:
            return f"{api.whoami()['name']}/{self.id}"
        except Exception as error:
            raise self._unseen(error) from None

    def _unseen(self, error: Exception) -> HubError:
        answer = getattr(getattr(error, "response", None), "status_code", None)
        said = f"the Hub answers {answer}" if answer else type(error).__name__
        if answer in (401, 403):
            step = _LOGIN
        elif answer or isinstance(error, (HfHubHTTPError, ConnectionError, TimeoutError)):
            step = "Check the connection, and call it again."
        else:
            step = "Check the name, the token and the connection, and call it again."
        return HubError(
            f"Who can see {self.id} could not be found out ({said}), and these rows may only go to "
            f"a private place. Nothing was sent. {step}"
        )
