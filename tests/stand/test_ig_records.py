# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Reading the kernel's seccomp audit records."""

import pytest

from tests.stand.ig.records import Record, parse, serial

TEXT = (
    "audit(1795462521.131:2): auid=4294967295 uid=1000 gid=100 ses=4294967295 pid=21752 comm={comm} "
    'exe="/bin/syscaller" sig=0 arch=c000003e syscall=83 compat=0 ip=0x438dc7 code=0x7ffc0000'
)


def test_a_record_is_read() -> None:
    assert parse(TEXT.format(comm='"syscaller"')) == Record(
        serial=2,
        time_ns=1795462521131000000,
        pid=21752,
        uid=1000,
        gid=100,
        comm="syscaller",
        syscall=83,
        code=0x7FFC0000,
    )


@pytest.mark.parametrize(
    ("written", "comm"),
    [
        ('"runc:[2:INIT]"', "runc:[2:INIT]"),
        ("612062", "a b"),
        ("2261", '"a'),
        ("1B5B33316D", "\x1b[31m"),
        ('"a=b"', "a=b"),
        ('"pid=1"', "pid=1"),
    ],
)
def test_a_name_is_read_quoted_or_hexadecimal(written: str, comm: str) -> None:
    record = parse(TEXT.format(comm=written))
    assert record is not None
    assert (record.comm, record.pid) == (comm, 21752)


def test_a_program_cannot_forge_a_field_by_its_path() -> None:
    forged = TEXT.format(comm='"x"').replace("/bin/syscaller", "/tmp/syscall=1,code=0x0")
    record = parse(forged)
    assert record is not None
    assert (record.syscall, record.code) == (83, 0x7FFC0000)


def test_fields_of_security_modules_are_passed_over() -> None:
    with_label = TEXT.format(comm='"x"').replace(" ses=4294967295", " ses=4294967295 subj=unconfined")
    record = parse(with_label)
    assert record is not None
    assert record.pid == 21752


@pytest.mark.parametrize("text", ["", "audit(1.002:3): pid=1", "audit: type=1326", 'audit(1.002:3): comm="x" pid=x'])
def test_what_is_no_record_is_left_out(text: str) -> None:
    assert parse(text) is None


def test_every_audit_record_has_a_serial_number() -> None:
    assert serial("audit(1795462521.131:4711): op=login") == 4711
    assert serial("op=login") is None
