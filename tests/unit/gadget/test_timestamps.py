# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""Timestamps with nanoseconds."""

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_seccomp.gadget.timestamps import epoch_second, nanoseconds, utc_millisecond, utc_second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-28 09:00:00", None),
        ("٢٠٢٦-11-28T09:00:00Z", None),
        ("", None),
    ],
)
def test_nanoseconds(text: str, expected: int | None) -> None:
    assert nanoseconds(text) == expected


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 31), timezones=st.just(timezone.utc)))
def test_a_second_survives_writing_and_reading(moment: datetime) -> None:
    second = int(moment.timestamp())
    assert epoch_second(utc_second(second)[:-1], "Z") == second


def test_milliseconds_for_people() -> None:
    assert utc_millisecond(1_500_999_999) == "1970-01-01T00:00:01.500Z"
    assert utc_millisecond(0) == ""
    assert utc_millisecond(2**63 - 1) == "2262-04-11T23:47:16.854Z"


def test_times_out_of_range_are_kept_in_it() -> None:
    assert utc_second(-5) == "1970-01-01T00:00:00Z"
    assert utc_second(10**15) == "9999-12-31T23:59:59Z"
