# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""From located JSON to a profile, noting every problem on the way instead of stopping at the first.

What a key means is runtime-spec's ``LinuxSeccomp``; what is refused follows runc: ``SetupSeccomp`` in
``libcontainer/specconv/spec_linux.go``, ``libcontainer/seccomp/config.go`` for the known words, and
``libcontainer/seccomp/seccomp_linux.go``.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from azext_seccomp.profile.json_text import MAX_PROBLEMS, Document, Located, Number, Problem, quoted, step
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule

#: ``libcontainer/seccomp/config.go`` of runc 1.5. runc takes no other, although the runtime-spec names some more.
ARCHITECTURES = (
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_LOONGARCH64",
)
FLAGS = (
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
)
#: Keys of Docker's profile format (moby ``profiles/seccomp``): containerd drops them without a word.
DOCKER_KEYS = frozenset({"archMap", "includes", "excludes", "name", "comment", "minKernel"})
#: libseccomp refuses greater ones, and with it runc the container (``src/system.c``, ``sys_chk_seccomp_action``).
MAX_ERRNO = 4094
MAX_ARGUMENT_INDEX = 5
_MAX_64 = 2**64 - 1
_DIGITS_64 = len(str(_MAX_64))

_PROFILE_KEYS = (
    "defaultAction",
    "defaultErrnoRet",
    "architectures",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "syscalls",
)
_RULE_KEYS = ("names", "action", "errnoRet", "args")
_ARG_KEYS = ("index", "value", "valueTwo", "op")

_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=Enum)
_Fields = dict[str, Located]


class ProfileReader:
    """Turns located JSON into a profile and notes every problem on the way, instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.problems: list[Problem] = []
        self._document = document

    def profile(self, pointer: str, located: Located) -> Profile | None:
        fields = self._object(pointer, located, _PROFILE_KEYS)
        if fields is None:
            return None
        default = None
        if "defaultAction" not in fields or fields["defaultAction"].value in (None, ""):
            self._no_default(pointer, located, fields.get("syscalls"))
        else:
            default = self._action(step(pointer, "defaultAction"), fields["defaultAction"])
        rules = self._optional(fields, "syscalls", pointer, self._rules)
        profile = Profile(
            default_action=default or Action.ERRNO,
            default_errno_ret=self._optional(fields, "defaultErrnoRet", pointer, self._errno),
            architectures=self._optional(fields, "architectures", pointer, self._words("architecture", ARCHITECTURES))
            or (),
            flags=self._optional(fields, "flags", pointer, self._words("filter flag", FLAGS)) or (),
            listener_path=self._optional(fields, "listenerPath", pointer, self._string) or None,
            listener_metadata=self._optional(fields, "listenerMetadata", pointer, self._string) or None,
            rules=rules or (),
        )
        return None if default is None or self.problems else profile

    def _no_default(self, pointer: str, located: Located, rules: Located | None) -> None:
        if rules and rules.value:
            self._note(
                pointer, located, "defaultAction is missing; runc refuses the container.", "Add a defaultAction."
            )
        else:
            what = "There is no defaultAction and no rule: runc takes that as seccomp switched off."
            self._note(
                pointer, located, what, 'Write the rules, or use the seccomp type "Unconfined" if that is meant.'
            )

    def _rules(self, pointer: str, located: Located) -> tuple[Rule, ...] | None:
        return self._list(pointer, located, self._rule)

    def _rule(self, pointer: str, located: Located) -> Rule | None:
        fields = self._object(pointer, located, _RULE_KEYS)
        if fields is None:
            return None
        names = self._optional(fields, "names", pointer, self._names)
        if names == () or ("names" not in fields and "name" not in fields) or self._is_null(fields, "names"):
            self._note(
                pointer, located, "The rule names no syscall, so it does nothing.", "Add names, or remove the rule."
            )
        action = self._required(fields, "action", pointer, located, self._action)
        errno_ret = self._optional(fields, "errnoRet", pointer, self._errno)
        args = self._optional(fields, "args", pointer, lambda at, value: self._list(at, value, self._arg)) or ()
        return Rule(names, action, errno_ret, args) if names and action else None

    def _arg(self, pointer: str, located: Located) -> Arg | None:
        fields = self._object(pointer, located, _ARG_KEYS)
        if fields is None:
            return None
        index = self._required(fields, "index", pointer, located, self._index)
        value = self._required(fields, "value", pointer, located, self._integer)
        value_two = self._optional(fields, "valueTwo", pointer, self._integer) or 0
        op = self._required(fields, "op", pointer, located, self._op)
        return None if index is None or value is None or op is None else Arg(index, value, op, value_two)

    def _names(self, pointer: str, located: Located) -> tuple[str, ...] | None:
        return self._list(pointer, located, self._name)

    def _name(self, pointer: str, located: Located) -> str | None:
        name = self._string(pointer, located)
        if name == "":
            self._note(pointer, located, "An empty syscall name; runc refuses the container.", "Remove it.")
        return name or None

    def _action(self, pointer: str, located: Located) -> Action | None:
        return self._enum(pointer, located, "action", Action)

    def _op(self, pointer: str, located: Located) -> Op | None:
        return self._enum(pointer, located, "operator", Op)

    def _enum(self, pointer: str, located: Located, kind: str, words: type[_Word]) -> _Word | None:
        known = {str(member.value): member for member in words}
        word = self._word(pointer, located, kind, tuple(known))
        return None if word is None else known[word]

    def _words(self, kind: str, known: tuple[str, ...]) -> Callable[[str, Located], tuple[str, ...] | None]:
        return lambda pointer, located: self._list(pointer, located, lambda at, item: self._word(at, item, kind, known))

    def _word(self, pointer: str, located: Located, kind: str, known: tuple[str, ...]) -> str | None:
        word = self._string(pointer, located)
        if word is None or word in known:
            return word
        self._note(pointer, located, f"{quoted(word)} is no {kind} that runc knows.", f"Known are {', '.join(known)}.")
        return None

    def _errno(self, pointer: str, located: Located) -> int | None:
        number = self._integer(pointer, located)
        if number is not None and number > MAX_ERRNO:
            self._note(
                pointer,
                located,
                f"{number} is no error number.",
                f"Error numbers end at {MAX_ERRNO}; 1 is EPERM, 38 is ENOSYS.",
            )
            return None
        return number

    def _index(self, pointer: str, located: Located) -> int | None:
        number = self._integer(pointer, located)
        if number is not None and number > MAX_ARGUMENT_INDEX:
            self._note(
                pointer,
                located,
                f"A syscall has no argument {number}; runc refuses the container.",
                "Arguments are counted from 0 to 5.",
            )
            return None
        return number

    def _integer(self, pointer: str, located: Located) -> int | None:
        """An unsigned 64-bit integer, written the way Go's strconv.ParseUint reads it: digits alone."""
        text = located.value
        if not isinstance(text, Number):
            self._expected("an integer", pointer, located)
            return None
        if text.isdigit() and len(text) <= _DIGITS_64 and int(text) <= _MAX_64:
            return int(text)
        self._note(
            pointer, located, f"{quoted(text)[1:-1]} is not a whole number from 0 to {_MAX_64}, written in digits."
        )
        return None

    def _string(self, pointer: str, located: Located) -> str | None:
        if isinstance(located.value, str) and not isinstance(located.value, Number):
            return located.value
        self._expected("a string", pointer, located)
        return None

    def _list(self, pointer: str, located: Located, item: Callable[[str, Located], _T | None]) -> tuple[_T, ...] | None:
        """The items that could be read; None when there were items and none of them could be."""
        if not isinstance(located.value, list):
            self._expected("a list", pointer, located)
            return None
        items = [item(step(pointer, index), value) for index, value in enumerate(located.value) if not self._full()]
        return tuple(value for value in items if value is not None) or (None if items else ())

    def _object(self, pointer: str, located: Located, known: tuple[str, ...]) -> _Fields | None:
        fields = located.value
        if not isinstance(fields, dict):
            self._expected("an object", pointer, located)
            return None
        for key, value in fields.items():
            if key not in known and not self._full():
                self._unknown_key(step(pointer, key), value, key, known)
        return fields

    def _unknown_key(self, pointer: str, located: Located, key: str, known: tuple[str, ...]) -> None:
        same = [name for name in known if name.lower() == key.lower()]
        if key in DOCKER_KEYS:
            what = f"{quoted(key)} belongs to Docker's profile format; containerd ignores it, whatever it was to do."
            self._note(pointer, located, what, "Convert the file with --docker-format, or remove the key.")
        elif same:
            self._note(pointer, located, f"{quoted(key)} is spelt {same[0]} in the runtime-spec.", f"Write {same[0]}.")
        else:
            what = f"{quoted(key)} is no key of the runtime-spec; containerd ignores it."
            self._note(pointer, located, what, f"Remove it. Known here are {', '.join(known)}.")

    def _required(
        self, fields: _Fields, key: str, pointer: str, parent: Located, reader: Callable[[str, Located], _T | None]
    ) -> _T | None:
        if key not in fields or self._is_null(fields, key):
            self._note(pointer, parent, f"{key} is missing.", f"Add {key}.")
            return None
        return reader(step(pointer, key), fields[key])

    def _optional(
        self, fields: _Fields, key: str, pointer: str, reader: Callable[[str, Located], _T | None]
    ) -> _T | None:
        """Go takes null for an absent field; so does this."""
        if key not in fields or self._is_null(fields, key):
            return None
        return reader(step(pointer, key), fields[key])

    @staticmethod
    def _is_null(fields: _Fields, key: str) -> bool:
        return key in fields and fields[key].value is None

    def _expected(self, wanted: str, pointer: str, located: Located) -> None:
        self._note(pointer, located, f"Here stands {_kind(located)}, it has to be {wanted}.")

    def _full(self) -> bool:
        return len(self.problems) >= MAX_PROBLEMS

    def _note(self, pointer: str, located: Located, what: str, fix: str = "Correct the file.") -> None:
        if not self._full():
            self.problems.append(Problem(pointer, self._document.line(located.offset), what, fix))


def _kind(located: Located) -> str:
    match located.value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case Number():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
