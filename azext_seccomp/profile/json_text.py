# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Strict JSON that remembers where everything stood, for text that nobody has checked yet.

The standard decoders answer neither of the questions an author of a profile asks ("which rule, which line?"), take the
last of two equal keys in silence, and leave with RecursionError when the nesting is deep. What is accepted here is what
RFC 8259 and Go's encoding/json have in common.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

#: A profile is a few kilobytes; the kubelet, ConfigMaps and containers' specs all end at about this size.
MAX_BYTES = 1024 * 1024
#: A profile nests five levels deep, a custom resource around one eight.
MAX_DEPTH = 32
#: A file of syscall names that is as large as it may be has fewer.
MAX_VALUES = 100_000
#: Enough to repair a file in one go, few enough to be read.
MAX_PROBLEMS = 100

_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERAL = re.compile(r"true|false|null")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4}))')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = {"true": True, "false": False, "null": None}
#: Values this package does not read as JSON although many programs write them.
_NOT_JSON = re.compile(r"-?(?:NaN|Infinity)\b|[A-Za-z_][A-Za-z0-9_]*|[+.][0-9]|'|//|/\*|#")


class Number(str):
    """A JSON number as it is written: the reader decides which numbers it can hold."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Located:
    """One JSON value and the offset, in characters, at which it starts."""

    value: "str | Number | bool | list[Located] | dict[str, Located] | None"
    offset: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a file that is wrong: where, what, and what to do about it.

    :param pointer: JSON pointer (RFC 6901) of the value; empty for the whole document.
    :param line: counted from 1.
    """

    pointer: str
    line: int
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"line {self.line}{f', {self.pointer}' if self.pointer else ''}: {self.what}"


class NotJson(Exception):
    """The text cannot be read as JSON at all; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Document:
    """Text that was read: its root value, and the keys that occur twice in one object."""

    text: str
    root: Located
    problems: tuple[Problem, ...]

    def line(self, offset: int) -> int:
        """The line, from 1, of a character offset."""
        return self.text.count("\n", 0, offset) + 1

    def lines(self) -> dict[str, int]:
        """The line of every value by its JSON pointer."""
        ends = [match.start() for match in re.finditer("\n", self.text)]
        return {pointer: bisect_right(ends, located.offset) + 1 for pointer, located in _walk("", self.root)}


def read(data: bytes) -> Document:
    """Read ``data`` as JSON.

    :raises NotJson: larger than :data:`MAX_BYTES`, not UTF-8, not JSON, nested deeper than :data:`MAX_DEPTH`, or more
        than :data:`MAX_VALUES` values.
    """
    if len(data) > MAX_BYTES:
        raise NotJson(
            Problem(
                "",
                1,
                f"The file is larger than {MAX_BYTES} bytes.",
                "A profile is a few kilobytes: check which file this is.",
            )
        )
    if data.startswith(_BOMS):
        raise NotJson(
            Problem(
                "",
                1,
                "The file starts with a byte order mark, which containerd refuses.",
                "Save it as UTF-8 without BOM.",
            )
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotJson(
            Problem("", line, f"Byte {error.start + 1} of the file is not UTF-8.", "Save the file as UTF-8.")
        ) from None
    return _Reader(text).document()


def quoted(text: str, limit: int = 60) -> str:
    """``text`` of a file for a message: bounded, and with everything that is not plain escaped."""
    shown = text if len(text) <= limit else text[:limit] + "..."
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else ascii(c)[1:-1] for c in shown) + '"'


def step(pointer: str, token: str | int) -> str:
    """``pointer`` one level deeper (RFC 6901; a long key is cut, it comes from a file)."""
    key = quoted(str(token))[1:-1].replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{key}"


def _walk(pointer: str, located: Located) -> Iterator[tuple[str, Located]]:
    yield pointer, located
    if isinstance(located.value, dict):
        for key, item in located.value.items():
            yield from _walk(step(pointer, key), item)
    elif isinstance(located.value, list):
        for index, item in enumerate(located.value):
            yield from _walk(step(pointer, index), item)


class _Reader:
    """Recursive descent over the text; the recursion ends at MAX_DEPTH, everything at MAX_VALUES."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._values = 0
        self._path: list[str | int] = []
        self._problems: list[Problem] = []

    def document(self) -> Document:
        self._skip_space()
        if self._at == len(self._text):
            raise NotJson(Problem("", 1, "The file is empty."))
        root = self._value()
        self._skip_space()
        if self._at < len(self._text):
            raise self._error("Something follows after the end of the JSON value.")
        return Document(self._text, root, tuple(self._problems))

    def _value(self) -> Located:
        text, start = self._text, self._at
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._error(f"The file has more than {MAX_VALUES} values.")
        first = text[start : start + 1]
        if first == '"':
            return Located(self._string(), start)
        if first == "{":
            return Located(self._object(), start)
        if first == "[":
            return Located(self._array(), start)
        if match := _NUMBER.match(text, start):
            self._at = match.end()
            if text[self._at : self._at + 1].isalnum():
                raise self._error("A number has leading zeros or ends in a letter, which JSON does not have.")
            return Located(Number(match.group()), start)
        if match := _LITERAL.match(text, start):
            self._at = match.end()
            return Located(_LITERALS[match.group()], start)
        raise self._unexpected("a value")

    def _object(self) -> dict[str, Located]:
        self._enter()
        items: dict[str, Located] = {}
        if self._closed("}"):
            return items
        while True:
            if self._text[self._at : self._at + 1] != '"':
                raise self._unexpected("a key in double quotes")
            key_at = self._at
            key = self._string()
            self._expect(":")
            self._path.append(key)
            if key in items:
                self._note(
                    Problem(
                        self._pointer(), self._line(key_at), f"The key {quoted(key)} occurs twice.", "Keep one of them."
                    )
                )
            items[key] = self._value()
            self._path.pop()
            if self._closed("}"):
                return items
            self._expect(",")

    def _array(self) -> list[Located]:
        self._enter()
        items: list[Located] = []
        if self._closed("]"):
            return items
        while True:
            self._path.append(len(items))
            items.append(self._value())
            self._path.pop()
            if self._closed("]"):
                return items
            self._expect(",")

    def _string(self) -> str:
        self._at += 1
        start, pieces = self._at, []
        while True:
            plain = _PLAIN.match(self._text, self._at)
            if plain:
                pieces.append(plain.group())
                self._at = plain.end()
            if self._text[self._at : self._at + 1] == '"':
                self._at += 1
                break
            if not (escape := _ESCAPE.match(self._text, self._at)):
                raise self._error("A string is not closed, or holds a control character or an unknown escape.")
            pieces.append(_ESCAPES[escape.group(1)] if escape.group(1) else chr(int(escape.group(2), 16)))
            self._at = escape.end()
        string = "".join(pieces)
        if "\\u" in self._text[start : self._at]:
            string = self._joined_surrogates(string)
        return string

    def _joined_surrogates(self, string: str) -> str:
        try:
            return string.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise self._error("A string holds half of a surrogate pair.") from None

    def _enter(self) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise self._error(f"The nesting is deeper than {MAX_DEPTH} levels.")
        self._at += 1
        self._skip_space()

    def _closed(self, bracket: str) -> bool:
        self._skip_space()
        if self._text[self._at : self._at + 1] != bracket:
            return False
        self._at += 1
        return True

    def _expect(self, character: str) -> None:
        self._skip_space()
        if self._text[self._at : self._at + 1] != character:
            raise self._unexpected({":": 'a ":" after the key', ",": "a comma or the closing bracket"}[character])
        self._at += 1
        self._skip_space()

    def _skip_space(self) -> None:
        if match := _SPACE.match(self._text, self._at):
            self._at = match.end()

    def _unexpected(self, wanted: str) -> NotJson:
        if self._at >= len(self._text):
            return self._error(f"The file ends where {wanted} should follow.")
        word = _NOT_JSON.match(self._text, self._at)
        found = quoted(word.group() if word else self._text[self._at])
        return self._error(f"{found} stands where {wanted} should.")

    def _error(self, what: str) -> NotJson:
        return NotJson(Problem(self._pointer(), self._line(self._at), what, "Make the file valid JSON."))

    def _note(self, problem: Problem) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(problem)

    def _pointer(self) -> str:
        pointer = ""
        for token in self._path:
            pointer = step(pointer, token)
        return pointer

    def _line(self, offset: int) -> int:
        return self._text.count("\n", 0, offset) + 1
