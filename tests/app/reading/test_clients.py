import pytest

from app.reading.clients import key_of


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:1:2:3"),
        ("", "testclient"),
    ],
)
def test_addresses_of_one_client(one: str, another: str) -> None:
    assert key_of(one) == key_of(another)


@pytest.mark.parametrize(
    ("one", "another"),
    [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1"), ("", "192.0.2.1")],
)
def test_addresses_of_two_clients(one: str, another: str) -> None:
    assert key_of(one) != key_of(another)
