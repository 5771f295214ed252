"""Carry the agreement of rows on where `datasets` loses `info.license`.

That is in `to_iterable_dataset`, and in Parquet files: their schemas hold the features alone.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

import datasets
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.builder import DatasetBuilder
from datasets.io.parquet import ParquetDatasetWriter

from cxr_datasets.hooks.agreements import agreements_in, license_in, noted
from cxr_datasets.hooks.replacing import replace_once
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

_LOOKS_ELSEWHERE = 4
"""Most Parquet files in other places than this machine that are looked at before a load."""

_license_of_stream: ContextVar[str] = ContextVar("license_of_stream", default="")


def teach_agreements_to_stay() -> None:
    """Let every later stream and Parquet file keep it. Again changes nothing."""
    for kind, name, teach in (
        (datasets.Dataset, "to_iterable_dataset", _keeping),
        (datasets.IterableDataset, "to_parquet", _naming),
        (ParquetDatasetWriter, "__init__", _noting),
        (DatasetBuilder, "as_dataset", _reading),
        (DatasetBuilder, "as_streaming_dataset", _reading),
    ):
        replace_once(kind, name, teach)


def _keeping(original: Any) -> Any:
    @wraps(original)
    def to_iterable_dataset(self: Any, *args: Any, **kwargs: Any) -> Any:
        stream = original(self, *args, **kwargs)
        if agreements_in(self.info.license):
            stream.info.license = self.info.license
        return stream

    return to_iterable_dataset


def _naming(original: Any) -> Any:
    """A stream becomes a table first, which has no licence."""

    @wraps(original)
    def to_parquet(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _remembered(self.info.license):
            return original(self, *args, **kwargs)

    return to_parquet


@contextmanager
def _remembered(license: str) -> Iterator[None]:
    token = _license_of_stream.set(license)
    try:
        yield
    finally:
        _license_of_stream.reset(token)


def _noting(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, dataset: Any, *args: Any, **kwargs: Any) -> None:
        original(self, dataset, *args, **kwargs)
        license = dataset.info.license or _license_of_stream.get()
        if agreements_in(license):
            self.dataset = copy.copy(dataset)
            self.dataset._info = dataset.info.copy()
            self.dataset._info.features = _Noted(dataset.features, license)

    return __init__


class _Noted(datasets.Features):
    """Features whose schema names the licence too."""

    def __init__(self, features: datasets.Features, license: str) -> None:
        super().__init__(features)
        self._license = license

    def copy(self) -> _Noted:
        """The same; a dataset gives out copies of its features."""
        return _Noted(self, self._license)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema, with the note."""
        schema = super().arrow_schema
        return schema.with_metadata(noted(schema.metadata, self._license))


def _reading(original: Any) -> Any:
    @wraps(original)
    def load(self: Any, *args: Any, **kwargs: Any) -> Any:
        info = self.info
        if not agreements_in(info.license):
            licenses = list(dict.fromkeys(map(license_in, _schemas(self))))
            if any(map(agreements_in, licenses)):
                info.license = "\n\n".join(filter(None, [info.license, *licenses]))
        return original(self, *args, **kwargs)

    return load


def _schemas(builder: Any) -> Iterator[dict[bytes, bytes] | None]:
    """Read the notes of Parquet files that a builder loads: of one file in each folder."""
    asked_elsewhere = 0
    for address in _one_a_folder(builder):
        is_here = "://" not in address
        if not is_here:
            asked_elsewhere += 1
            if asked_elsewhere > _LOOKS_ELSEWHERE:
                return
        try:
            yield _schema(address, is_here, builder).metadata
        except Exception as error:  # it is not ours then, or the load itself will say so
            _logger.debug("A Parquet file was not looked at: %s", type(error).__name__)


def _schema(address: str, is_here: bool, builder: Any) -> pa.Schema:
    if is_here:
        return pq.read_schema(address)
    options = dict(builder.storage_options or {})
    if address.startswith("hf://"):
        options = {"token": builder.token, "endpoint": datasets.config.HF_ENDPOINT, **options}
    with fsspec.open(address, "rb", **options) as file:
        return pq.read_schema(file)


def _one_a_folder(builder: Any) -> list[str]:
    given: Any = getattr(builder.config, "data_files", None) or {}
    lists = given.values() if isinstance(given, dict) else [given]
    addresses = [
        os.fspath(file)
        for files in lists
        for file in ([files] if isinstance(files, (str, os.PathLike)) else files)
    ]
    first: dict[str, str] = {}
    for address in addresses:
        if builder.name == "parquet" or address.lower().endswith(".parquet"):
            first.setdefault(address.replace("\\", "/").rpartition("/")[0], address)
    return list(first.values())
