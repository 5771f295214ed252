"""Which options of a file system are secret.

The names of harmless options are known; every other one counts as a secret, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxr_datasets.storage.addresses import shown

_HARMLESS = frozenset(
    {
        # Where the store is, and how it is spoken to.
        "endpoint_url", "host", "port", "region", "region_name", "project", "profile",
        "account_name", "access", "consistency", "location", "default_location",
        "signature_version", "addressing_style", "verify", "encoded",
        # How much at once, how long and how often.
        "block_size", "default_block_size", "cache_type", "default_cache_type", "max_concurrency",
        "listings_expiry_time", "timeout", "requests_timeout", "connect_timeout", "read_timeout",
        "total", "retries", "max_attempts", "max_pool_connections", "mode",
    }
)  # fmt: skip
"""Options whose texts and numbers tell no secret. `profile` names a section of ~/.aws."""

_CHAINS = frozenset({"anon", "cloud", "google_default"})
"""Values of `token` by which gcsfs looks for credentials itself, or takes none."""


def secret_names(options: Mapping[str, Any]) -> list[str]:
    """List which options hold a secret, or may.

    Args:
        options: Options of a file system as fsspec takes them, or such options by protocol.

    Returns:
        Their names in order. One within another is named with both, as `client_kwargs.headers`.
    """
    found = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += [f"{name}.{inner}" for inner in secret_names(value)]
        elif not _is_harmless(str(name).lower(), value):
            found.append(str(name))
    return found


def _is_harmless(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if name == "token" and value in _CHAINS:
        return True
    if isinstance(value, str):
        return name in _HARMLESS and shown(value) == value  # no user, password or signature
    return name in _HARMLESS and isinstance(value, (int, float))
