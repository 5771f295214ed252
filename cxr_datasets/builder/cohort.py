"""The rows of a release that a dataset has: the rules that its options make, in their order.

First `ids`; then the splits, of `split_file`, `split_by` or the release, without what is in none;
then `fraction` of the patients of train; then `views`; then what `require` names, one rule each.
What `missing` leaves out comes last, where files are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.cohort_options import BY_PATIENT
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.features import Column, config_features
from cxr_datasets.builder.rows import keep_views
from cxr_datasets.cohorts.lists import IdList, examples, named, read_ids, read_splits, unknown_ids
from cxr_datasets.cohorts.patients import TRAIN, folded, in_fraction, splits_of
from cxr_datasets.cohorts.rules import Rule
from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.layers.joined import Layers, columns_of, place_of
from cxr_datasets.layers.reading import BOX
from cxr_datasets.layers.stored import StoredLayer
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.tables.id_forms import IdForm
from cxr_datasets.tables.keys import combined, numbered
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

_STUDIES_AT_ONCE = 4_096

WithTexts = Callable[[pa.Table, Collection[str]], pa.Table]
"""Adds to rows of the index what is read from reports, for some columns."""


@dataclass(frozen=True)
class Cohort:
    """What decides which rows there are.

    Attributes:
        config: The options.
        ids: The list of the option `ids`.
        splits: The list of the option `split_file`.
    """

    config: CxrConfig
    ids: IdList | None
    splits: IdList | None

    def rules(
        self,
        raw_view_column: str | None,
        own: tuple[Column, ...],
        with_texts: WithTexts,
        layers: Layers,
        in_a_split: bool = True,
    ) -> Iterator[Rule]:
        """Give the rules in their order.

        Args:
            raw_view_column: Column with the dataset's own names of views.
            own: The dataset's own columns, without those of layers.
            with_texts: Reads the reports of rows.
            layers: The layers, of which rows of the index tell the places.
            in_a_split: Whether rows in no split are left out.

        Raises:
            OptionError: `require` names what is no column and no label.
        """
        config = self.config
        if self.ids is not None:
            yield Rule(
                f"ids={self.ids.told}", partial(_with_ids, self.ids),
                "none of the {images} in the tables is of one of these ids. Give ids of this "
                "release.",
            )  # fmt: skip
        yield from self._of_splits(in_a_split)
        if config.fraction is not None:
            yield Rule(
                f"fraction={config.fraction}{_of_seed(config.seed)}",
                partial(_in_fraction, config.fraction, config.seed), "",
            )  # fmt: skip
        if config.views is not None:
            yield Rule(
                f"views={config.views}",
                lambda images: images.filter(_of_views(images, config, raw_view_column)),
                "none of the {images} in the tables has such a view. Choose other views, or leave "
                "the option out for all.",
            )
        for name in config.require or ():
            yield Rule(
                f"require={name}", _needing(name, own, with_texts, layers),
                "none of the {images} before this rule has it. Leave it out, or see why it is "
                "null: a table or the reports may not be there.",
            )  # fmt: skip

    def _of_splits(self, in_a_split: bool) -> Iterator[Rule]:
        config = self.config
        if self.splits is not None:
            yield Rule(
                f"split_file={self.splits.told}",
                partial(_split_by_list, self.splits, config.allow_shared_patients),
                "none of the {images} before this rule is listed there. Give a list of ids of "
                "this release.",
            )  # fmt: skip
        elif config.split_by == BY_PATIENT:
            yield Rule(_told_split(config), partial(_split_by_patient, config), "")
        elif in_a_split:
            by = "release's splits" if config.split_by is None else f"split_by={config.split_by}"
            yield Rule(
                by, _in_a_split,
                "all of the {images} before this rule are in no split. Choose another split_by, "
                "or other ids.", is_quiet=True,
            )  # fmt: skip


def read_cohort(
    config: CxrConfig, forms: tuple[IdForm, ...], options: StorageOptions | None
) -> Cohort:
    """Read the lists that options name, and note in the config what they hold.

    Args:
        config: The options, checked.
        forms: The forms of the dataset's ids.
        options: Storage options.

    Raises:
        CxrError: A list is not there, or is none.
    """
    ids = None if config.ids is None else read_ids(config.ids, forms, options)
    splits = None if config.split_file is None else read_splits(config.split_file, forms, options)
    told = {"ids": ids and ids.told, "split_file": splits and splits.told}
    config.told_lists = {name: text for name, text in told.items() if text}
    return Cohort(config, ids, splits)


def _of_seed(seed: int) -> str:
    return f", seed={seed}" if seed else ""


def _told_split(config: CxrConfig) -> str:
    shares = f" {tuple(config.shares)}" if config.shares else ""
    folds = "" if config.folds is None else f", fold {config.fold} of {config.folds}"
    return f"split_by={config.split_by}{shares}{folds}{_of_seed(config.seed)}"


def _with_ids(listed: IdList, images: pa.Table) -> pa.Table:
    column = combined(images[listed.form.column])
    _tell_unknown(listed, column)
    return images.filter(pc.is_in(column, value_set=listed.ids))


def _tell_unknown(listed: IdList, column: pa.Array) -> None:
    unknown = unknown_ids(listed, column)
    if len(unknown):
        _logger.warning(
            "%d of %d %s in %s are not in the tables, or left out before, first %s",
            len(unknown), len(listed.ids), named(listed.form, len(listed.ids)), listed.place,
            examples(unknown),
        )  # fmt: skip


def _split_by_list(listed: IdList, shared_allowed: bool, images: pa.Table) -> pa.Table:
    assert listed.splits is not None
    column = combined(images[listed.form.column])
    _tell_unknown(listed, column)
    split = listed.splits.take(pc.index_in(column, value_set=listed.ids))
    images = _with_splits(images, split)
    images = images.filter(combined(images["split"]).is_valid())
    _check_patients(listed, shared_allowed, images)
    _tell_empty(listed, images)
    return images


def _tell_empty(listed: IdList, images: pa.Table) -> None:
    there = pc.unique(images["split"]).to_pylist()
    empty = [name for name in pc.unique(listed.splits).to_pylist() if name not in there]
    if empty and images.num_rows:
        _logger.warning(
            "%s of %s has no row here, and is left out", " and ".join(empty), listed.place
        )


def _check_patients(listed: IdList, allowed: bool, images: pa.Table) -> None:
    """Require that no patient is in two splits, or count those that are."""
    patient, first = numbered(combined(images["subject_id"]))
    split = combined(images["split"])
    differs = pc.not_equal(split, split.take(first).take(patient))
    row = pc.index(differs, True).as_py()
    if row < 0:
        return
    shared = pc.unique(images["subject_id"].filter(differs))
    id, other = images["subject_id"][row].as_py(), split[row].as_py()
    one = split[first[patient[row].as_py()].as_py()].as_py()
    if not allowed:
        raise OptionError(
            f"{listed.place}: {len(shared)} of {len(first)} patients are in two splits or more, "
            f"such as patient {id} in {one} and {other}. What is learnt of a patient would be "
            "tested on the same one. Move each patient into one split, or give "
            "allow_shared_patients=True."
        )
    _logger.warning(
        "%d of %d patients are in two splits of %s or more, such as %s: scores on these splits "
        "are too good", len(shared), len(first), listed.place, id,
    )  # fmt: skip


def _split_by_patient(config: CxrConfig, images: pa.Table) -> pa.Table:
    patients, split = images["subject_id"], images["split"]
    if config.shares is not None:
        split = splits_of(patients, config.shares, config.seed)
    if config.folds is not None and config.fold is not None:
        split = folded(patients, split, config.folds, config.fold, config.seed)
    images = _with_splits(images, split)
    return _in_a_split(images)


def _with_splits(images: pa.Table, split: pa.Array) -> pa.Table:
    return images.set_column(images.column_names.index("split"), "split", split)


def _in_a_split(images: pa.Table) -> pa.Table:
    if not images["split"].null_count:  # as nearly always: to filter would copy all columns
        return images
    return images.filter(combined(images["split"]).is_valid())


def _in_fraction(fraction: float, seed: int, images: pa.Table) -> pa.Table:
    is_train = pc.fill_null(pc.equal(combined(images["split"]), TRAIN), False)
    if not pc.any(is_train).as_py():
        raise OptionError(
            f"fraction={fraction} is of the patients of train, and no row is in train. Leave it "
            "out, or choose other splits."
        )
    chosen, kept, patients = in_fraction(
        combined(images["subject_id"].filter(is_train)), fraction, seed
    )
    _logger.info("fraction=%s: %d of %d patients of train", fraction, kept, patients)
    stays = np.ones(images.num_rows, bool)
    stays[is_train.to_numpy(zero_copy_only=False)] = chosen.to_numpy(zero_copy_only=False)
    return images.filter(pa.array(stays))


def _of_views(images: pa.Table, config: CxrConfig, raw_view_column: str | None) -> pa.Array:
    raw = images[raw_view_column] if raw_view_column else None
    return keep_views(images["view"], raw, config.views or ())


# What `require` names.


def _needing(
    name: str, own: tuple[Column, ...], with_texts: WithTexts, layers: Layers
) -> Callable[[pa.Table], pa.Table]:
    """Give the function that keeps the rows that have what a name of `require` means."""
    for layer in layers:
        if name in (layer.name, *(column.name for column in columns_of(layer))):
            return partial(_with_layer, layer, name)
    return partial(_with_value, _needed(name, own, layers), with_texts)


def _needed(name: str, own: tuple[Column, ...], layers: Layers) -> tuple[str, str | None]:
    """Give the column that a name means, and the label in it."""
    features = config_features("images", own)
    columns = [column for column, feature in features.items() if not _is_image(feature)]
    structs = [column for column, feature in features.items() if isinstance(feature, dict)]
    column, _, label = name.partition(".")
    if name in columns:
        return name, None
    if name in LABELS:
        return "labels", name
    if column in structs and label in features[column]:
        return column, label
    of_layers = (column.name for column in layers.columns())
    more = "A column that an option adds is known only with that option."
    raise OptionError.unknown("require", name, (*columns, *of_layers, *LABELS), more)


def _with_layer(layer: StoredLayer, name: str, images: pa.Table) -> pa.Table:
    """Keep the rows that have a row of a layer, or a value in one of its columns."""
    places = combined(images[place_of(layer)])
    field = name.removeprefix(f"{layer.name}_")
    if field in {plain.name for plain in layer.fields} - {BOX} and not layer.several:
        return images.filter(_is_there(combined(layer.take(places)[field]), None))
    return images.filter(places.is_valid())


def _is_image(feature: Any) -> bool:
    one = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    return isinstance(one, datasets.Image)


def _with_value(
    needed: tuple[str, str | None], with_texts: WithTexts, images: pa.Table
) -> pa.Table:
    column, label = needed
    if column in images.column_names:
        return images.filter(_is_there(combined(images[column]), label))
    # Of the reports: once for each study, and never all in memory.
    study, first = numbered(combined(images["study_id"]))
    found = [
        _is_there(combined(with_texts(some, [column])[column]), label)
        for some in _parts(images, first)
    ]
    return images.filter(pa.concat_arrays(found).take(study))


def _parts(images: pa.Table, rows: pa.Array) -> Iterator[pa.Table]:
    for start in range(0, len(rows), _STUDIES_AT_ONCE):
        yield images.take(rows.slice(start, _STUDIES_AT_ONCE))


def _is_there(values: pa.Array, label: str | None) -> pa.Array:
    """Mark what is told: a value, a text that is not blank; of a list or of labels one of them."""
    kind = values.type
    if pa.types.is_struct(kind):
        names = [label] if label else [kind.field(place).name for place in range(kind.num_fields)]
        there = pa.array(np.zeros(len(values), bool))
        for name in names:
            there = pc.or_(there, pc.struct_field(values, name).is_valid())
        return pc.and_(there, values.is_valid())
    if pa.types.is_list(kind):
        there = np.zeros(len(values), bool)
        parents = pc.list_parent_indices(values).filter(pc.list_flatten(values).is_valid())
        there[parents.to_numpy()] = True
        return pa.array(there)
    if pa.types.is_string(kind):
        text = pc.utf8_trim_whitespace(values)
        return pc.fill_null(pc.greater(pc.binary_length(text), 0), False)
    return values.is_valid()
