# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Pages of lists."""

from collections.abc import Iterator

from azext_seccomp.cluster.interface import JsonObject


def items_of(page: JsonObject) -> Iterator[JsonObject]:
    """The objects of a list page, each with the ``kind`` and ``apiVersion`` that the server leaves out in lists."""
    items = page.get("items")
    kind = str(page.get("kind", "")).removesuffix("List")
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and isinstance(item.get("metadata"), dict):
            yield {"apiVersion": page.get("apiVersion", ""), "kind": kind, **item}
