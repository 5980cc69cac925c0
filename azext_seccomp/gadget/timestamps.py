# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
"""RFC 3339 timestamps with nanoseconds, which ``datetime`` cannot hold, as kubelet and gadget write them."""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SECOND = 1_000_000_000
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, where datetime ends


@lru_cache(maxsize=256)
def epoch_second(stamp: str, zone: str) -> int | None:
    """Seconds since 1970 of ``2026-11-28T09:00:00`` in ``Z`` or ``+01:00``; None when that is no time.

    Cached, because the lines of one second ask for the same.
    """
    try:
        moment = datetime.fromisoformat(stamp + ("+00:00" if zone == "Z" else zone))
        return (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None


def nanoseconds(text: str) -> int | None:
    """Nanoseconds since 1970 of an RFC 3339 timestamp; None when it is none."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    stamp, fraction, zone = match.groups()
    second = epoch_second(stamp, zone)
    return None if second is None else second * _SECOND + int((fraction or "").ljust(9, "0"))


def utc_second(second: int) -> str:
    """``2026-11-28T09:00:00Z`` for seconds since 1970, the granularity of a log request's ``sinceTime``."""
    return (_EPOCH + timedelta(seconds=min(max(second, 0), LAST_SECOND))).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_millisecond(timestamp_ns: int) -> str:
    """``2026-11-28T09:00:00.123Z`` for nanoseconds since 1970; empty for 0, which stands for an unknown time."""
    if timestamp_ns <= 0:
        return ""
    second, fraction = divmod(timestamp_ns, _SECOND)
    return f"{utc_second(second)[:-1]}.{fraction // 1_000_000:03d}Z"
