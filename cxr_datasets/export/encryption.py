"""Secrets that were given as options go to the workers of a cluster encrypted, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

from cxr_datasets.errors import ExportError
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.storage.secret_options import secret_names

_PROTECTED = ("tls", "wss", "inproc")
"""Protocols of Dask that nobody can listen to; the last one stays within a process."""

_WAYS_OUT = """
There are two ways out. Leave the secrets out, and let each worker find its own, as the tools of the
store do: from its environment, ~/.aws, gcloud, ~/.netrc or ~/.ssh. Or let the cluster encrypt with
TLS. From Python, SLURMCluster(..., security=True) and LocalCluster(security=True) do all of it.
With certificates of your own it takes three lines:
  dask scheduler --protocol tls --tls-ca-file CA --tls-cert CERT --tls-key KEY
  dask worker tls://HOST:8786 --tls-ca-file CA --tls-cert CERT --tls-key KEY
  client = distributed.Client("tls://HOST:8786", security=distributed.Security(tls_ca_file="CA", \
tls_client_cert="CERT", tls_client_key="KEY"))
For --dask tls://HOST:8786 set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..._TLS__CLIENT__CERT and
..._TLS__CLIENT__KEY instead of the third."""


def require_encryption(addresses: Sequence[str], options: ExportOptions) -> None:
    """Require that no secret would go over a connection that others can read.

    Args:
        addresses: Addresses of the scheduler.
        options: Their `storage_options` and `out_options` are what may hold secrets.

    Raises:
        ExportError: One would. Neither it nor anything else is sent.
    """
    plain = [address for address in addresses if not _is_protected(address)]
    secrets = told_secrets(options)
    if plain and secrets:
        raise ExportError(
            f"{secrets}, which must not go to the Dask cluster at {plain[0]}: the connection is "
            f"not encrypted, and whoever reaches it can read them.{_WAYS_OUT}"
        )


def told_secrets(options: ExportOptions) -> str:
    """Say by name which options hold secrets; an empty text if none does."""
    given = {"storage_options": options.storage_options, "out_options": options.out_options}
    return " and ".join(
        f"{name} has {', '.join(found)}"
        for name, held in given.items()
        if (found := secret_names(held or {}))
    )


def _is_protected(address: str) -> bool:
    protocol, separator, _ = address.partition("://")
    return bool(separator) and protocol in _PROTECTED  # without one, Dask takes tcp


def scheduler_addresses(client: Any) -> list[str]:
    """List all addresses that a cluster's scheduler can be reached at.

    It may offer a plain one beside the one of the client, and workers take what they like.

    Raises:
        ExportError: The scheduler cannot tell.
    """
    try:
        client.run_on_scheduler(resolve_name, f"{__name__}:_listening")
    except (ImportError, AttributeError) as error:
        raise ExportError(
            f"The Dask scheduler at {client.scheduler.address} lacks cxr-datasets, or has another "
            "version, and cannot tell whether all its connections are encrypted. Secrets go to its "
            "workers only if they are. Install cxr-datasets there too, and start it anew."
        ) from error
    return client.run_on_scheduler(_listening)


def _listening(dask_scheduler: Any) -> list[str]:
    """Runs on the scheduler."""
    return [listener.contact_address for listener in dask_scheduler.listeners]
