# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""The SeccompProfile custom resource of the security-profiles-operator, read as a runtime-spec profile.

Its ``spec`` has the fields of runtime-spec and some of its own (in the operator's repository,
``api/seccompprofile/v1/seccompprofile_types.go``): ``baseProfileName`` and ``disabled``, and an ``errnoRet`` of 0 that
means absent.
"""

import re

import yaml

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.json_text import Document, Located, Number, Problem, quoted, step

KIND = "SeccompProfile"
GROUP = "security-profiles-operator.x-k8s.io/"
#: YAML is read by slow code, and a profile of every syscall there is has 10 KiB.
MAX_YAML_BYTES = 64 * 1024
MAX_DEPTH = 32

_LOOKS_LIKE = re.compile(rb"^kind:[ \t]*[\"']?SeccompProfile\b", re.MULTILINE)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_LITERALS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_PATHS = (("kind",), ("apiVersion",), ("spec",), ("spec", "baseProfileName"))
_OWN_FIELDS = ("baseProfileName", "disabled")


def looks_like_yaml(data: bytes) -> bool:
    """Whether ``data`` is a YAML manifest of a SeccompProfile (rather than JSON)."""
    return not data.lstrip().startswith(b"{") and _LOOKS_LIKE.search(data) is not None


def is_custom_resource(document: Document) -> bool:
    """Whether a document is a Kubernetes object and not a profile itself."""
    return isinstance(document.root.value, dict) and {"apiVersion", "kind"} <= document.root.value.keys()


def read_yaml(data: bytes, source: str) -> Document:
    """One YAML document, without the parts of YAML that can surprise: anchors, tags, duplicate keys, deep nesting.

    :param source: what to call the data in messages.
    :raises InvalidInput: not such a document.
    """
    if len(data) > MAX_YAML_BYTES:
        raise InvalidInput(f"{source} is larger than {MAX_YAML_BYTES // 1024} KiB.", why="No profile is that long.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{source} is not UTF-8 text.", why=f"Byte {error.start + 1} cannot be decoded.") from error
    try:
        return _YamlReader(text, source).document()
    except yaml.YAMLError as error:
        raise InvalidInput(f"{source} is not valid YAML.", why=_one_line(error)) from error


def profile_in(document: Document, source: str) -> Located:
    """The runtime-spec profile in the object ``document``; its fields are checked by whoever decodes it.

    :raises InvalidInput: another kind of object, or one that is not complete by itself.
    """
    kind, version, spec, base = (_at(document.root, path) for path in _PATHS)
    if kind != KIND or not isinstance(version, str) or not version.startswith(GROUP):
        raise InvalidInput(
            f"{source} is a Kubernetes object, but not a {KIND} of {GROUP.rstrip('/')}.",
            fix="Give a profile in runtime-spec JSON, or a SeccompProfile of the security-profiles-operator.",
        )
    if not isinstance(spec, dict):
        raise InvalidInput(f"{source}: /spec is missing or not an object.", fix="Give a complete SeccompProfile.")
    if base:
        raise InvalidInput(
            f"{source} extends another profile, {quoted(str(base))}.",
            why="The operator joins both in the cluster; alone this one is incomplete.",
            fix="Remove baseProfileName and join the two files with: az aks seccomp profile merge.",
        )
    kept = {key: value for key, value in spec.items() if key not in _OWN_FIELDS}
    rules = kept.get("syscalls")
    if rules and isinstance(rules.value, list):
        kept["syscalls"] = Located([_without_zero_errno(rule) for rule in rules.value], rules.offset)
    return Located(kept, document.root.offset)


def _at(located: Located | None, path: tuple[str, ...]) -> object:
    """The value at ``path`` below ``located``; None where there is none."""
    for key in path:
        located = located.value.get(key) if located and isinstance(located.value, dict) else None
    return located.value if located else None


def _without_zero_errno(rule: Located) -> Located:
    if isinstance(rule.value, dict) and _at(rule, ("errnoRet",)) == Number("0"):
        return Located({key: value for key, value in rule.value.items() if key != "errnoRet"}, rule.offset)
    return rule


class _YamlReader:
    """Builds located values from the parser's events; its recursion ends at MAX_DEPTH."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)
        self._problems: list[Problem] = []

    def document(self) -> Document:
        """The only document of the text."""
        starts = (event for event in self._events if isinstance(event, yaml.DocumentStartEvent))
        roots = [self._value(next(self._events), "") for _ in starts]
        if len(roots) != 1:
            raise InvalidInput(f"{self._source} does not hold exactly one object.", fix="Give a file with one profile.")
        return Document(self._text, roots[0], tuple(self._problems))

    def _value(self, event: yaml.Event, pointer: str, depth: int = 0) -> Located:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise self._refusal("anchors, aliases and tags are not read", event)
        if depth > MAX_DEPTH:
            raise self._refusal(f"the nesting is deeper than {MAX_DEPTH} levels", event)
        if isinstance(event, yaml.SequenceStartEvent):
            return Located(self._list(pointer, depth + 1), _offset(event))
        if isinstance(event, yaml.MappingStartEvent):
            return Located(self._object(pointer, depth + 1), _offset(event))
        assert isinstance(event, yaml.ScalarEvent)
        return Located(event.value if event.style else _plain_scalar(event.value), _offset(event))

    def _list(self, pointer: str, depth: int) -> list[Located]:
        items: list[Located] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, step(pointer, len(items)), depth))
        return items

    def _object(self, pointer: str, depth: int) -> dict[str, Located]:
        items: dict[str, Located] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refusal("a key that is not plain text", event)
            key = str(event.value)
            at = step(pointer, key)
            if key in items:
                self._problems.append(
                    Problem(at, self._line(event), f"The key {quoted(key)} occurs twice.", "Keep one.")
                )
            items[key] = self._value(next(self._events), at, depth)
        return items

    def _refusal(self, what: str, event: yaml.Event) -> InvalidInput:
        return InvalidInput(f"{self._source}: line {self._line(event)}: {what}.", fix="Write every value in full.")

    def _line(self, event: yaml.Event) -> int:
        return self._text.count("\n", 0, _offset(event)) + 1


def _offset(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _plain_scalar(text: str) -> str | Number | bool | None:
    """A scalar without quotes, as Kubernetes reads it: what looks like a number is one."""
    if text in _LITERALS:
        return _LITERALS[text]
    if _HEXADECIMAL.fullmatch(text):
        return Number(int(text, 16))
    return Number(text) if _INTEGER.fullmatch(text) else text


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:256]
