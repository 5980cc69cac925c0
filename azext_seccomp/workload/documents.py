# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""YAML and JSON documents of a manifest as plain JSON values, read as ``kubectl`` reads them and bounded in every way.

A manifest may come from anywhere: a few hundred bytes of YAML can stand for gigabytes (aliases of aliases), exhaust the
stack (nesting), or build objects that JSON does not have (dates, binary, sets).
"""

import json
import math
import re
from typing import Any

import yaml

from azext_seccomp.cluster.text import printable
from azext_seccomp.errors import InvalidInput

MAX_DEPTH = 64  # the deepest field of a pod template is at about 15
MAX_VALUES = 50_000  # those behind an alias are counted each time that it is used

_FIX = "Check it with: kubectl create --dry-run=client -o yaml -f FILE"
_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
_TAG = "tag:yaml.org,2002:"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _JsonLoader(_Loader):  # type: ignore[misc]  # libyaml's where there is one
    """Makes of plain words what Kubernetes' own parser (sigs.k8s.io/yaml, go-yaml v2) makes of them, and refuses a
    mapping that says a key twice.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """As the base class does, after a look at the keys."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
                raise yaml.MarkedYAMLError(
                    problem="a key is not a string; put it in quotes", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        found: dict[str, Any] = super().construct_mapping(node, deep)
        return found


# YAML 1.1 reads 22:22 as a number to the base of 60 and 2026-01-01 as a date; go-yaml takes both for text.
_REPLACED = (f"{_TAG}int", f"{_TAG}float", f"{_TAG}timestamp")
_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in _REPLACED]
    for first, known in _Loader.yaml_implicit_resolvers.items()
}
_JsonLoader.add_implicit_resolver(
    f"{_TAG}int", re.compile(r"[-+]?(0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"), list("-+0123456789")
)
_JsonLoader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)([eE][-+]?[0-9]+)?$|[-+]?[0-9]+[eE][-+]?[0-9]+$|\.nan$|[-+]?\.inf$"
    ),
    list("-+.0123456789"),
)


def read_documents(data: bytes, source: str) -> list[Any]:
    """Every document that is not empty, as JSON values that share nothing with each other.

    :param source: what to call the data in messages.
    :raises InvalidInput: it is no YAML and no JSON, or it goes past a bound.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{source} is not UTF-8 text (byte {error.start}).", fix=_FIX) from None
    documents = _read_json(text, source)
    if documents is None:
        documents = _read_yaml(text, source)
    budget = _Budget(source)
    for document in documents:
        budget.spend(document, 0)
    return [json.loads(json.dumps(document)) for document in documents if document is not None]


def _read_json(text: str, source: str) -> list[Any] | None:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return [json.loads(text)]
    except RecursionError:
        raise _nested(source) from None
    except ValueError:
        return None  # YAML in flow style looks like JSON


def _read_yaml(text: str, source: str) -> list[Any]:
    try:
        _bound_nesting(text, source)
        return list(yaml.load_all(text, Loader=_JsonLoader))
    except yaml.MarkedYAMLError as error:
        line = f"{source}, line {error.problem_mark.line + 1}" if error.problem_mark else source
        raise InvalidInput(f"{line}: {printable(error.problem or 'not YAML')}.", fix=_FIX) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:  # a reader's error; an explicit tag on a wrong value
        raise InvalidInput(f"{source} cannot be read as YAML: {printable(str(error))}", fix=_FIX) from None


def _bound_nesting(text: str, source: str) -> None:
    """Look at the stream of events first: the loader recurses for each level, in C without a bound of its own."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, _STARTS):
            depth += 1
        elif isinstance(event, _ENDS):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _nested(source)
        if number > 2 * MAX_VALUES:
            raise _too_many(source)


class _Budget:
    """Walks values as they would be written out, so that aliases cost what they stand for."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._left = MAX_VALUES

    def spend(self, value: Any, depth: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise _too_many(self._source)
        if depth > MAX_DEPTH:
            raise _nested(self._source)
        if isinstance(value, dict):
            for inner in value.values():
                self.spend(inner, depth + 1)
        elif isinstance(value, list):
            for inner in value:
                self.spend(inner, depth + 1)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidInput(f"{self._source}: {value} is not a number that JSON has.", fix=_FIX)
        elif value is not None and not isinstance(value, (str, int, float)):
            raise InvalidInput(f"{self._source}: JSON has no {type(value).__name__}.", fix="Put such values in quotes.")


def _nested(source: str) -> InvalidInput:
    return InvalidInput(f"{source} is nested more than {MAX_DEPTH} levels deep.", fix=_FIX)


def _too_many(source: str) -> InvalidInput:
    return InvalidInput(f"{source} holds more than {MAX_VALUES} values.", fix="Split the manifest.")
