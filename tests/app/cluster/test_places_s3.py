"""The same files in object storage that speaks S3: a real server, with moto's code."""

from collections.abc import Iterator

import pytest

from app.cluster import places
from app.errors import ArchiveError

pytest.importorskip("moto.server", reason="pip install 'moto[s3]' flask-cors")

from tests.app.cluster.object_storage import Storage, serving

FILES = {
    f"xrays/{key}": key.encode()
    for key in ("a.png", "2019/b.dcm", "2019/deep/c.dcm", "2019/.hidden.png")
}


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    with serving() as made:
        made.put(FILES)
        yield made


def _names(uri: str) -> set[str]:
    return {file.name for file in places.under([uri])}


def test_a_uri_says_all_of_the_connection(storage: Storage) -> None:
    found = list(places.under([storage.uri("xrays/2019")]))
    assert {file.name for file in found} == {"s3://xrays/2019/b.dcm", "s3://xrays/2019/deep/c.dcm"}
    assert {places.read(file, 100) for file in found} == {b"2019/b.dcm", b"2019/deep/c.dcm"}
    assert {places.read(file, 4) for file in found} == {None}


def test_a_bucket_or_an_object_may_be_given(storage: Storage) -> None:
    assert len(_names(storage.uri("xrays"))) == 3
    assert _names(storage.uri("xrays/a.png")) == {"s3://xrays/a.png"}


def test_the_environment_says_it_as_well(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in storage.environment.items():
        monkeypatch.setenv(name, value)
    (file,) = places.under(["s3://xrays/a.png"])
    assert places.read(file, 100) == b"a.png"


@pytest.mark.parametrize(
    ("path", "keys", "said"),
    [
        ("missing/x", {}, "s3://missing/x cannot be listed: there is no such bucket."),
        ("xrays/gone", {}, "s3://xrays/gone cannot be listed: No such file or directory."),
        ("xrays", {"key": "stranger"}, "s3://xrays cannot be listed: the storage refuses"),
        ("xrays", {"secret": "wrong"}, "s3://xrays cannot be listed: the storage refuses"),
    ],
)
def test_what_cannot_be_listed_is_one_sentence(
    storage: Storage, path: str, keys: dict[str, str], said: str
) -> None:
    with pytest.raises(ArchiveError) as caught:
        _names(storage.uri(path, **keys))
    assert str(caught.value).startswith(said)
    for secret in (storage.key, storage.secret, "stranger", "wrong", storage.endpoint):
        assert secret not in str(caught.value)


def test_no_server_is_one_sentence(storage: Storage) -> None:
    nobody = storage.uri("xrays").replace(storage.endpoint.removeprefix("http://"), "127.0.0.1:1")
    with pytest.raises(
        ArchiveError, match=r"^s3://xrays cannot .*: the storage does not answer\.$"
    ):
        _names(nobody)


def test_an_object_that_cannot_be_read_says_why(storage: Storage) -> None:
    uri = storage.uri("xrays")
    with pytest.raises(OSError, match="xrays/gone") as caught:
        places.read(places.Place(uri, "xrays/gone.png"), 100)
    assert caught.value.strerror == "No such file or directory"
    stranger = places.Place(storage.uri("xrays", secret="wrong"), "xrays/a.png")  # noqa: S106
    with pytest.raises(OSError, match="the storage refuses the credentials"):
        places.read(stranger, 100)
