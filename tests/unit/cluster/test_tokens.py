# --------------------------------------------------------------------------------------------
# Copyright (c) the az-aks-seccomp authors. Licensed under the MIT License.
# --------------------------------------------------------------------------------------------
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from azext_seccomp.cluster.tokens import AccessToken, FixedToken, RenewedToken
from azext_seccomp.errors import Unauthenticated


class Issuer:
    """Issues numbered tokens that live for an hour."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.issued = 0

    def __call__(self) -> AccessToken:
        self.issued += 1
        return AccessToken(f"token-{self.issued}", self.now + 3600)

    def source(self) -> RenewedToken:
        return RenewedToken(self, clock=lambda: self.now)


def test_is_kept_until_it_is_about_to_end() -> None:
    issuer = Issuer()
    source = issuer.source()
    assert [source.token(), source.token()] == ["token-1", "token-1"]
    issuer.now += 3299
    assert source.token() == "token-1"
    issuer.now += 2
    assert source.token() == "token-2"


def test_is_replaced_when_refused() -> None:
    source = Issuer().source()
    first = source.token()
    assert source.token(refused=first) == "token-2"
    assert source.token(refused=first) == "token-2", "somebody else's refusal of the old one does not matter any more"


def test_threads_do_not_all_ask() -> None:
    issuer = Issuer()
    source = issuer.source()
    start = threading.Barrier(8)

    def ask() -> str:
        start.wait()
        return source.token()

    with ThreadPoolExecutor(8) as pool:
        assert {request.result() for request in [pool.submit(ask) for _ in range(8)]} == {"token-1"}
    assert issuer.issued == 1


@pytest.mark.parametrize("value", ["", "a b", "token\r\nX-Evil: 1", "tök", "x" * 70_000])
def test_a_token_that_would_break_a_header_is_refused_unseen(value: str) -> None:
    with pytest.raises(Unauthenticated) as fixed:
        FixedToken(value)
    with pytest.raises(Unauthenticated) as renewed:
        RenewedToken(lambda: AccessToken(value, 9e9)).token()
    for error in (fixed.value, renewed.value):
        assert not value or value not in str(vars(error))


def test_its_value_is_not_in_its_repr() -> None:
    assert "secret" not in repr(AccessToken("secret", 1.0))
