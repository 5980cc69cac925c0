# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import json
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_seccomp.errors import InvalidInput
from azext_seccomp.profile.codec import decode, encode, inspect
from azext_seccomp.profile.json_text import MAX_BYTES, MAX_PROBLEMS, NotJson, read
from azext_seccomp.profile.model import Action, Arg, Op, Profile, Rule

GOOD = b"""{
  "defaultAction": "SCMP_ACT_ERRNO",
  "defaultErrnoRet": 13,
  "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  "flags": ["SECCOMP_FILTER_FLAG_LOG"],
  "listenerPath": "/run/listener",
  "listenerMetadata": "x",
  "syscalls": [
    {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": null},
    {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
      {"index": 0, "value": 18446744073709551615, "valueTwo": 7, "op": "SCMP_CMP_MASKED_EQ"}
    ]}
  ]
}"""


def test_every_field_is_read() -> None:
    assert decode(GOOD, "p.json") == Profile(
        default_action=Action.ERRNO,
        default_errno_ret=13,
        architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
        flags=("SECCOMP_FILTER_FLAG_LOG",),
        listener_path="/run/listener",
        listener_metadata="x",
        rules=(
            Rule(("read", "write"), Action.ALLOW),
            Rule(("clone3",), Action.ERRNO, 38),
            Rule(("clone",), Action.ALLOW, None, (Arg(0, 2**64 - 1, Op.MASKED_EQ, 7),)),
        ),
    )


def test_encoding_is_canonical_and_decodes_to_the_same() -> None:
    profile = decode(GOOD, "p.json")
    written = encode(profile)
    assert decode(written, "p.json") == profile
    assert encode(decode(written, "p.json")) == written
    assert list(json.loads(written)) == [
        "defaultAction",
        "defaultErrnoRet",
        "architectures",
        "flags",
        "listenerPath",
        "listenerMetadata",
        "syscalls",
    ]
    assert json.loads(encode(Profile(Action.ALLOW))) == {"defaultAction": "SCMP_ACT_ALLOW"}


def one_rule(rule: str) -> bytes:
    return f'{{"defaultAction": "SCMP_ACT_LOG",\n"syscalls": [\n{rule}\n]}}'.encode()


def one_arg(arg: str) -> bytes:
    return one_rule(f'{{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{arg}]}}')


BAD = [
    (b"", 1, "", "empty"),
    (b"  \n ", 1, "", "empty"),
    (b"[]", 1, "", "it has to be an object"),
    (b"\xef\xbb\xbf{}", 1, "", "byte order mark"),
    (b"\xff\xfe{\x00", 1, "", "byte order mark"),
    (b'{\n"defaultAction": "\xff"}', 2, "", "not UTF-8"),
    (b"{'defaultAction': 1}", 1, "", "stands where a key"),
    (b'{"defaultAction": NaN}', 1, "/defaultAction", '"NaN" stands where a value'),
    (b'{"defaultAction": "SCMP_ACT_LOG",}', 1, "", '"}" stands where a key'),
    (b'{"defaultAction": "SCMP_ACT_LOG"}\n{}', 2, "", "follows after the end"),
    (b'{"defaultAction": "SCMP_ACT_LOG"', 1, "", "ends where a comma"),
    (b'{"defaultAction": "SCMP_ACT_LOG', 1, "/defaultAction", "not closed"),
    (b'{"defaultAction": "\\ud800"}', 1, "/defaultAction", "surrogate"),
    (b'{"defaultAction": "SCMP_ACT_LOG",\n"defaultAction": "SCMP_ACT_LOG"}', 2, "/defaultAction", "twice"),
    (b"{}", 1, "", "switched off"),
    (b'{"defaultAction": null, "syscalls": []}', 1, "", "switched off"),
    (b'{"syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG"}]}', 1, "", "defaultAction is missing"),
    (b'{"defaultAction": "SCMP_ACT_DENY"}', 1, "/defaultAction", "no action that runc knows"),
    (b'{"defaultAction": 5}', 1, "/defaultAction", "has to be a string"),
    (b'{"defaultAction": "SCMP_ACT_LOG", "defaultErrnoRet": 4095}', 1, "/defaultErrnoRet", "no error number"),
    (b'{"defaultAction": "SCMP_ACT_LOG", "architectures": ["x86"]}', 1, "/architectures/0", "no architecture"),
    (b'{"defaultAction": "SCMP_ACT_LOG", "flags": ["LOG"]}', 1, "/flags/0", "no filter flag"),
    (b'{"defaultAction": "SCMP_ACT_LOG", "syscalls": {}}', 1, "/syscalls", "has to be a list"),
    (b'{"defaultAction": "SCMP_ACT_LOG", "archMap": []}', 1, "/archMap", "Docker's profile format"),
    (b'{"DefaultAction": "SCMP_ACT_LOG"}', 1, "/DefaultAction", "is spelt defaultAction"),
    (b'{"defaultAction": "SCMP_ACT_LOG", "a/b~c": 1}', 1, "/a~1b~0c", "no key of the runtime-spec"),
    (one_rule('{"name": "read", "action": "SCMP_ACT_LOG"}'), 3, "/syscalls/0/name", "Docker's profile format"),
    (one_rule('{"names": [], "action": "SCMP_ACT_LOG"}'), 3, "/syscalls/0", "names no syscall"),
    (one_rule('{"names": [""], "action": "SCMP_ACT_LOG"}'), 3, "/syscalls/0/names/0", "empty syscall name"),
    (one_rule('{"names": [null], "action": "SCMP_ACT_LOG"}'), 3, "/syscalls/0/names/0", "has to be a string"),
    (one_rule('{"names": ["read"]}'), 3, "/syscalls/0", "action is missing"),
    (one_arg('{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}'), 3, "/syscalls/0/args/0/index", "no argument 6"),
    (one_arg('{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}'), 3, "/syscalls/0/args/0/value", "whole number"),
    (one_arg('{"index": 0, "value": 1.0, "op": "SCMP_CMP_EQ"}'), 3, "/syscalls/0/args/0/value", "whole number"),
    (one_arg('{"index": 0, "value": 1e3, "op": "SCMP_CMP_EQ"}'), 3, "/syscalls/0/args/0/value", "whole number"),
    (
        one_arg('{"index": 0, "value": 18446744073709551616, "op": "SCMP_CMP_EQ"}'),
        3,
        "/syscalls/0/args/0/value",
        "whole",
    ),
    (one_arg('{"index": 0, "value": "1", "op": "SCMP_CMP_EQ"}'), 3, "/syscalls/0/args/0/value", "an integer"),
    (one_arg('{"index": 0, "value": 01, "op": "SCMP_CMP_EQ"}'), 3, "/syscalls/0/args/0/value", "leading zeros"),
    (one_arg('{"index": 0, "value": 1, "op": "=="}'), 3, "/syscalls/0/args/0/op", "no operator"),
    (one_arg('{"index": 0, "value": 1}'), 3, "/syscalls/0/args/0", "op is missing"),
]


@pytest.mark.parametrize(("data", "line", "pointer", "text"), BAD)
def test_a_bad_file_gets_one_clear_line(data: bytes, line: int, pointer: str, text: str) -> None:
    profile, problems = inspect(data)
    assert profile is None or problems
    assert (problems[0].line, problems[0].pointer) == (line, pointer)
    assert text in problems[0].what
    with pytest.raises(InvalidInput) as caught:
        decode(data, "p.json")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_docker_keys_name_the_option_that_converts() -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(b'{"defaultAction": "SCMP_ACT_LOG", "archMap": []}', "p.json")
    assert "--docker-format" in caught.value.fix


def test_all_problems_are_listed() -> None:
    data = b'{"defaultAction": "x",\n"flags": ["y"],\n"syscalls": [{"names": 1},\n{"action": "z"}]}'
    lines = [problem.line for problem in inspect(data)[1]]
    assert lines == sorted(lines)
    assert set(lines) == {1, 2, 3, 4}
    many = b'{"defaultAction": "SCMP_ACT_LOG", "syscalls": [' + b",".join([b"1"] * 5000) + b"]}"
    assert len(inspect(many)[1]) == MAX_PROBLEMS


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b"[" + b"0," * 400_000 + b"0]",
        b'"' + b"\\u0041" * 150_000 + b'"',
        b'{"' + b"k" * 900_000 + b'": 1}',
        b'{"defaultAction": ' + b"1" * 900_000 + b"}",
        b"{" + b",".join(b'"%d":0' % n for n in range(70_000)) + b"}",
        b" " * (100 * MAX_BYTES),
    ],
    ids=["deep lists", "deep objects", "many values", "escapes", "long key", "long number", "many keys", "100 MB"],
)
def test_hostile_input_is_refused_fast(data: bytes) -> None:
    before = time.process_time()
    problems = inspect(data)[1]
    assert time.process_time() - before < 3
    assert problems
    assert all(len(str(problem)) < 1000 for problem in problems)


def test_memory_is_bounded() -> None:
    tracemalloc.start()
    inspect(b"[" + b"[]," * 120_000 + b"0]")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_text_of_the_file_does_not_reach_a_terminal_raw() -> None:
    data = json.dumps({"defaultAction": "\x1b[31m\u202eX" + "y" * 500, "\x07": 1}).encode()
    with pytest.raises(InvalidInput) as caught:
        decode(data, "p.json")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert all(str(problem).isprintable() for problem in inspect(data)[1])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_profile_or_problems(data: bytes) -> None:
    profile, problems = inspect(data)
    assert (profile is None) == bool(problems)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
_words = st.sampled_from(
    ["defaultAction", "syscalls", "names", "action", "args", "index", "value", "op", "SCMP_ACT_ERRNO", "SCMP_CMP_EQ"]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_words, _json | _words | st.lists(st.dictionaries(_words, _json | _words), max_size=3)))
def test_any_json_gives_a_profile_or_problems(document: dict[str, object]) -> None:
    profile, problems = inspect(json.dumps(document).encode("utf-8", "surrogatepass"))
    assert (profile is None) == bool(problems)
    if profile is not None:
        assert decode(encode(profile), "p.json") == profile


@settings(max_examples=300, deadline=None)
@given(_json)
def test_the_reader_agrees_with_the_standard_library(value: object) -> None:
    data = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        expected = json.loads(data, parse_constant=_refuse)
        ok = True
    except ValueError:
        ok = False
    try:
        document = read(data)
    except NotJson:
        assert not ok or _has_surrogate(data)
    else:
        assert ok
        assert _plain(document.root.value) == _as_text(expected)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _has_surrogate(data: bytes) -> bool:
    return b"\xed" in data


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item.value) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item.value) for item in value]
    return value


def _as_text(value: object) -> object:
    """Numbers as they are written, like the reader leaves them."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return json.dumps(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
def test_a_damaged_profile_is_read_or_refused(at: int, damage: bytes) -> None:
    profile, problems = inspect(GOOD[:at] + damage + GOOD[at + 1 :])
    assert (profile is None) == bool(problems)
