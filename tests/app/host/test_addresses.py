import pytest

from app.host.addresses import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "xray.example", ""])  # noqa: S104
def test_what_others_reach(host: str) -> None:
    assert not is_loopback(host)
