"""Which column of a Parquet file holds the images, which their labels, and the names of these."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.sources.grammar import as_texts
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy, require_certain
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.tables import names as known

_IMAGE_NAMES = frozenset(("image", "images", "img", "jpg", "jpeg", "png", "webp", "picture"))


@dataclass(frozen=True, kw_only=True)
class ImageColumns:
    """The columns of a file of images, by their roles.

    nested: whether `image` is a struct of bytes and path. classes: names of the numbers in
    `label`, () where it has none. extra: what is carried into rows.csv.
    """

    image: str
    nested: bool
    label: str | None = None
    classes: tuple[str, ...] = ()
    split: str | None = None
    group: str | None = None
    extra: tuple[str, ...] = field(default=())

    @property
    def read(self) -> tuple[str, ...]:
        """All that have to be read, the image first."""
        wanted = (self.image, self.label, self.split, *self.extra)
        return tuple(dict.fromkeys(name for name in wanted if name is not None))


def image_columns(schema: Any) -> list[str]:
    """The columns that may hold images: structs of bytes and path, and bytes by such a name, or
    the only bytes that there are."""
    features = _features(schema)
    named = [
        each.name
        for each in schema
        if _is_nested(each.type)
        or (
            _is_binary(each.type)
            and (known.folded(each.name) in _IMAGE_NAMES or _kind(features, each.name) == "Image")
        )
    ]
    binary = [each.name for each in schema if _is_binary(each.type)]
    return named or (binary if len(binary) == 1 else [])


def find_image_columns(
    path: str, schema: Any, given: Iterable[tuple[str, str]], *, labels: bool
) -> ImageColumns:
    """Which column is which.

    Args:
        path: For errors.
        schema: Of the file, with Hugging Face's description of its features if it has one.
        given: (role, column) pairs by the user.
        labels: Whether labels are wanted.

    Raises:
        UsageError: A given column does not exist.
        InputError: Two columns could be it.
    """
    roles = _roles(path, schema, given)
    image = roles.get("image") or _only(path, "image", image_columns(schema), {})
    assert image is not None
    label = roles.get("label")
    if label is None and labels:
        label = _only(path, "label", _label_columns(schema, {image, *roles.values()}), roles)
    if labels:
        _require_no_lists(path, schema, label)
    split = roles.get("split") or _split_column(schema, {image, label, *roles.values()})
    taken = {image, label, split}
    extra = tuple(n for n in _plain(schema) if n not in taken and n.lower() not in ROW_COLUMNS)
    if "group" in roles and roles["group"] not in extra:
        raise UsageError(
            f"{option('columns')}: {roles['group']} cannot be the group",
            hint="The group needs a column of its own, which is not one of rows.csv.",
        )
    return ImageColumns(
        image=image,
        nested=_is_nested(schema.field(image).type),
        label=label if labels else None,
        classes=_class_names(schema, label),
        split=split,
        group=roles.get("group"),
        extra=extra,
    )


def _roles(path: str, schema: Any, given: Iterable[tuple[str, str]]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for role, column in given:
        if role == "path" or column not in schema.names or role in roles:
            raise UsageError(
                f"{option('columns')}: {role}={column} is not possible; the columns of {path} are "
                f"{', '.join(schema.names)}",
                hint="Name each once: image=image,label=label,split=split,group=patient.",
            )
        roles[role] = column
    return roles


def _only(path: str, role: str, names: Sequence[str], given: dict[str, str]) -> str | None:
    """The one column; InputError with the options that decide where there are several."""
    if len(names) < 2:
        return names[0] if names else None
    remedies = tuple(
        Remedy({"columns": ",".join(as_texts({**given, role: name}))}, f"the {role}s are in {name}")
        for name in names
    )
    evidence = f"the columns {listed(names)} of {path} may all hold the {role}s"
    require_certain([Doubt(f"{role}-column", evidence, remedies)])
    return None


def _label_columns(schema: Any, taken: set[str]) -> list[str]:
    """Columns of classes by their description, or else those that are called so."""
    features = _features(schema)
    names = [name for name in _plain(schema) if name not in taken]
    described = [name for name in names if _kind(features, name) == "ClassLabel"]
    return described or [name for name in names if known.folded(name) in known.LABEL_NAMES]


def _split_column(schema: Any, taken: set[str | None]) -> str | None:
    """The one column that is called so."""
    found = [
        name
        for name in _plain(schema)
        if name not in taken and known.folded(name) in known.SPLIT_NAMES
    ]
    return found[0] if len(found) == 1 else None


def _require_no_lists(path: str, schema: Any, label: str | None) -> None:
    """A doubt where each cell of the label holds several, or of what is called so where there is
    no other."""
    from pyarrow import types

    for column in schema:
        name = column.name
        is_label = name == label if label else known.folded(name) in known.LABEL_NAMES
        if is_label and (types.is_list(column.type) or types.is_large_list(column.type)):
            evidence = f"the column {name} of {path} holds lists, which are not read as labels"
            require_certain([Doubt("label-lists", evidence, (UNLABELED,))])


def _class_names(schema: Any, label: str | None) -> tuple[str, ...]:
    names = _features(schema).get(label or "", {}).get("names", ())
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _plain(schema: Any) -> list[str]:
    """Columns whose cells are a number or a text."""
    from pyarrow import types

    return [
        each.name for each in schema if not types.is_nested(each.type) and not _is_binary(each.type)
    ]


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_nested(kind: Any) -> bool:
    from pyarrow import types

    if not types.is_struct(kind):
        return False
    fields = {kind.field(index).name: kind.field(index).type for index in range(kind.num_fields)}
    return "bytes" in fields and _is_binary(fields["bytes"])


def _kind(features: dict[str, Any], name: str) -> str:
    found = features.get(name)
    return str(found.get("_type", "")) if isinstance(found, dict) else ""


def _features(schema: Any) -> dict[str, Any]:
    """What Hugging Face's library notes of the columns."""
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}
