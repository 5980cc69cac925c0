# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The SeccompProfile custom resource of the security-profiles-operator, read as a runtime-spec document.

Its ``spec`` has the fields of runtime-spec and three of its own (operator,
``api/seccompprofile/v1/seccompprofile_types.go``): ``baseProfileName`` and ``disabled``, and an ``errnoRet`` of 0
that means absent.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from azext_seccomp.errors import InvalidInput

KIND = "SeccompProfile"
GROUP = "security-profiles-operator.x-k8s.io/"
#: YAML is read by slow code: a profile of every syscall there is has 10 KiB.
MAX_BYTES = 64 * 1024
MAX_DEPTH = 32

_LOOKS_LIKE = re.compile(rb"^kind:[ \t]*[\"']?SeccompProfile\b", re.MULTILINE)
_OWN_FIELDS = ("baseProfileName", "disabled")


def looks_like_yaml(data: bytes) -> bool:
    """Whether ``data`` is a YAML manifest of a SeccompProfile (rather than JSON)."""
    return not data.lstrip().startswith(b"{") and _LOOKS_LIKE.search(data) is not None


def is_custom_resource(document: dict[str, Any]) -> bool:
    """Whether a parsed document is a Kubernetes object and not a profile itself."""
    return "apiVersion" in document and "kind" in document


def parse_yaml(data: bytes, source: str) -> dict[str, Any]:
    """One YAML document, without the parts of YAML that can surprise: anchors, tags, duplicate keys, deep nesting.

    :raises InvalidInput: not such a document.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInput(
            f"{source} is larger than {MAX_BYTES // 1024} KiB.", why="No SeccompProfile in YAML is that long."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{source} is not UTF-8 text.", why=f"Byte {error.start} cannot be decoded.") from error
    try:
        _refuse_surprises(text, source)
        documents = list(yaml.load_all(text, Loader=_StrictLoader))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: numbers and dates that only look like ones
        raise InvalidInput(f"{source} is not valid YAML.", why=_one_line(error)) from error
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise InvalidInput(
            f"{source} does not hold exactly one object.", fix="Give a file with a single SeccompProfile."
        )
    document: dict[str, Any] = documents[0]
    return document


def to_document(resource: dict[str, Any], source: str) -> dict[str, Any]:
    """The profile in ``resource`` as a runtime-spec document; its fields are checked by whoever decodes it.

    :raises InvalidInput: another kind of object, or one that is not complete by itself.
    """
    kind, version, spec = resource.get("kind"), resource.get("apiVersion"), resource.get("spec")
    if kind != KIND or not isinstance(version, str) or not version.startswith(GROUP):
        raise InvalidInput(
            f"{source} is a Kubernetes object, but not a {KIND} of {GROUP.rstrip('/')}.",
            fix="Give a profile in runtime-spec JSON, or a SeccompProfile of the security-profiles-operator.",
        )
    if not isinstance(spec, dict):
        raise InvalidInput(f"{source}: /spec is missing or not an object.")
    base = spec.get("baseProfileName")
    if base:
        raise InvalidInput(
            f"{source} extends another profile ({_one_line(base)}).",
            why="The operator joins both in the cluster; alone this one is incomplete.",
            fix="Remove baseProfileName and join the two files with: az aks seccomp profile merge.",
        )
    document = {key: value for key, value in spec.items() if key not in _OWN_FIELDS}
    rules = document.get("syscalls")
    if isinstance(rules, list):
        document["syscalls"] = [_without_zero_errno(rule) for rule in rules]
    return document


def _without_zero_errno(rule: object) -> object:
    if isinstance(rule, dict) and rule.get("errnoRet") == 0:
        return {key: value for key, value in rule.items() if key != "errnoRet"}
    return rule


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that takes a key given twice for a mistake, as the API server does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def _refuse_surprises(text: str, source: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise InvalidInput(
                f"{source}: anchors, aliases and tags are not read.", why=_place(event), fix="Write it out."
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InvalidInput(f"{source} is nested more than {MAX_DEPTH} levels deep.", why=_place(event))


def _place(event: yaml.Event) -> str:
    return f"See line {event.start_mark.line + 1}." if event.start_mark else ""


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:256]
