"""Which form an export has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.errors import OptionError
from cxr_datasets.export.forms.form import PARQUET, Form
from cxr_datasets.export.forms.llava import LLAVA, Llava
from cxr_datasets.export.forms.r2gen import R2GEN, R2Gen
from cxr_datasets.export.forms.rexrank import REXRANK, ReXrank
from cxr_datasets.export.forms.texts import Texts
from cxr_datasets.export.forms.webdataset import WEBDATASET, WebDataset
from cxr_datasets.labels.texts import PREFER

if TYPE_CHECKING:
    from cxr_datasets.export.options import ExportOptions

_TASKS = {R2GEN: R2Gen, LLAVA: Llava, REXRANK: ReXrank}
_TARGETS = {R2GEN: ("findings",), REXRANK: ("findings",)}
"""What these files are made of, where it is not `PREFER`."""

_OF_TEXTS = ("target", "clean")
_OF_TASKS = (*_OF_TEXTS, "write_images")

FORMS = {
    PARQUET: (),
    WEBDATASET: _OF_TEXTS,
    R2GEN: _OF_TASKS,
    LLAVA: (*_OF_TASKS, "template"),
    REXRANK: _OF_TASKS,
}
"""Form -> the options that it has beyond those of every export."""


def form_of(options: ExportOptions, builder: CxrBuilder) -> Form:
    """Give the form that the options ask for.

    Raises:
        OptionError: The form has no such option, or the rows cannot have it.
    """
    name = options.form
    if name not in FORMS:
        raise OptionError.unknown("form", name, FORMS)
    for option in (*_OF_TASKS, "template"):
        if getattr(options, option) is not None and option not in FORMS[name]:
            forms = [form for form, own in FORMS.items() if option in own]
            raise OptionError(
                f"{option} is no option of form {name!r}, but of {', '.join(map(repr, forms))}."
            )
    form = _made(name, options, builder)
    form.check(builder)
    return form


def _made(name: str, options: ExportOptions, builder: CxrBuilder) -> Form:
    if name == PARQUET:
        return Form()
    clean = options.clean and _several(options.clean)
    texts = Texts(_several(options.target or _TARGETS.get(name, PREFER)), clean or None)
    if name == WEBDATASET:
        return WebDataset(texts)
    written = options.write_images
    if written is None:
        written = builder.config.image_size is not None
    more = {"template": options.template} if name == LLAVA else {}
    return _TASKS[name](texts, written and builder.config.name != "reports", **more)


def form_of_manifest(header: dict[str, Any]) -> type[Form]:
    """Give the kind of form of an export that is there, by the header of its manifest."""
    name = header["identity"]["options"].get("as", PARQUET)
    return {PARQUET: Form, WEBDATASET: WebDataset, **_TASKS}[name]


def _several(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
