"""The description of an export for machines, in Croissant 1.0 (mlcommons.org/croissant).

It is written without the package `mlcroissant`; the tests validate it with that package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cxr_datasets.export.card import exported_package, finished_splits, own_card
from cxr_datasets.export.forms import PARQUET, Form, form_of_manifest
from cxr_datasets.export.forms.task import PART
from cxr_datasets.export.layers import cited_layers
from cxr_datasets.export.manifest import Manifest

CROISSANT = "croissant.json"

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_MEDIA = {".parquet": "application/x-parquet", ".tar": "application/x-tar", PART: "text/plain"}
"""End of a file's name -> its media type. A part of a task is lines of JSON, two values a line."""

_TYPES = {"string": "sc:Text", "image": "sc:ImageObject", "bool": "sc:Boolean"}


def write_croissant(manifests: Sequence[Manifest]) -> str:
    """Describe an export.

    Args:
        manifests: Manifests of its configs, as `card.finished` gives them.

    Returns:
        JSON-LD.
    """
    said = manifests[0].header["description"]
    own = own_card(exported_package(manifests)).data.to_dict()
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifests[0].header["identity"]["dataset"],
        "description": f"{own['pretty_name']} as {_told_forms(manifests)} files."
        f"{cited_layers(manifests)}",
        "license": own.get("license_link") or _spdx(own["license"]),
        "url": said["homepage"],
        "citeAs": said["citation"],
        "datePublished": _year(said["citation"]),
        "creator": {"@type": "Organization", "name": said["citation"].partition(".")[0]},
        "keywords": list(own.get("tags", [])),
        "version": said["versions"]["cxr-datasets"],
        "distribution": [_files(manifest, split) for manifest in manifests
                         for split in finished_splits(manifest)],
        "recordSet": [_records(manifest, split) for manifest in manifests
                      for split in finished_splits(manifest) if _form(manifest).name == PARQUET],
    }  # fmt: skip
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _form(manifest: Manifest) -> type[Form]:
    return form_of_manifest(manifest.header)


def _told_forms(manifests: Sequence[Manifest]) -> str:
    return " and ".join(dict.fromkeys(_form(manifest).told for manifest in manifests))


def _year(citation: str) -> str:
    years = re.findall(r"\b(?:19|20)\d\d\b", citation)
    return years[0] if years else ""


def _spdx(names: str | list[str]) -> str | list[str]:
    if isinstance(names, list):
        return [f"https://spdx.org/licenses/{name.upper()}.html" for name in names]
    return f"https://spdx.org/licenses/{names.upper()}.html"


def _files(manifest: Manifest, split: str) -> dict[str, Any]:
    lines = manifest.lines_of(split)
    return {
        "@type": "cr:FileSet",
        "@id": f"{manifest.config}-{split}-files",
        "name": f"{manifest.config}-{split}-files",
        "description": f"{len(lines)} files, {sum(line.bytes for line in lines)} bytes.",
        "encodingFormat": _MEDIA[_form(manifest).suffix],
        "includes": f"{manifest.config}/{split}-*{_form(manifest).suffix}",
    }


def _records(manifest: Manifest, split: str) -> dict[str, Any]:
    name = f"{manifest.config}-{split}"
    rows = sum(line.rows for line in manifest.lines_of(split))
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Config {manifest.config}, split {split}: {rows} rows.",
        "field": [_field(name, column) for column in manifest.header["description"]["features"]],
    }


def _field(records: str, column: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a column, as `datasets` writes it into a card, into a field of a record set."""
    name = column["name"]
    source = {"fileSet": {"@id": f"{records}-files"}, "extract": {"column": name}}
    return _described(f"{records}/{name}", column, source, [])


def _described(
    id: str, column: Mapping[str, Any], source: dict[str, Any], path: list[str]
) -> dict[str, Any]:
    """Describe a column, or a part of one.

    Args:
        id: Id of the field.
        column: Name and type of the column or part, as `datasets` writes them.
        source: Where the column is.
        path: Names that lead to the part within the column.
    """
    field: dict[str, Any] = {"@type": "cr:Field", "@id": id, "name": column["name"]}
    kind, repeated = _of_a_list(column)
    if isinstance(kind, list):
        field["subField"] = [
            _described(f"{id}/{_plain(part['name'])}", part, source, [*path, part["name"]])
            for part in kind
        ]
    else:
        field["dataType"] = _type(kind)
    if isinstance(kind, Mapping):
        names = kind["class_label"]["names"]
        field["description"] = ", ".join(f"{number} {label}" for number, label in names.items())
    if repeated:
        field["repeated"] = True
    if not isinstance(kind, list):
        steps = ["bytes"] if kind == "image" else [_json_path(step) for step in path]
        field["source"] = (
            {**source, "transform": {"jsonPath": ".".join(steps)}} if steps else source
        )
    return field


def _of_a_list(column: Mapping[str, Any]) -> tuple[Any, bool]:
    """The type of a column without lists around it, and whether there was one.

    Returns:
        The name of a type, a mapping of a class label, or a list of the parts of a struct.
    """
    repeated = False
    kind: Any = column
    while isinstance(kind, Mapping) and ("list" in kind or "struct" in kind or "dtype" in kind):
        repeated |= "list" in kind
        kind = next(kind[name] for name in ("list", "struct", "dtype") if name in kind)
    return kind, repeated


def _type(kind: Any) -> str:
    if isinstance(kind, Mapping):  # class labels are stored as numbers
        return "sc:Integer"
    if re.match("float|decimal", kind):
        return "sc:Float"
    return _TYPES.get(kind, "sc:Integer" if re.match(r"u?int", kind) else "sc:Text")


def _json_path(name: str) -> str:
    return f"'{name}'" if " " in name else name


def _plain(name: str) -> str:
    return name.replace(" ", "_")
