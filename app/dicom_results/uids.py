"""UIDs that follow from what they identify, so that the same reading has the same."""

from uuid import UUID, uuid5

from pydicom.uid import UID

# Drawn once. Another namespace would give every object another UID.
_NAMESPACE = UUID("6c0b1f0e-5a3c-4b57-9d3e-2f1c7f0a8d41")
_MOST_NUMBERS = 999_999


def derive(*parts: str) -> UID:
    """A UID under 2.25, of the name-based UUID of the parts (PS3.5, annex B.2; RFC 9562, 5.5)."""
    return UID(f"2.25.{uuid5(_NAMESPACE, chr(0).join(parts)).int}")


def uuid_of(uid: UID) -> UUID:
    """The UUID of a UID under 2.25."""
    return UUID(int=int(uid.rpartition(".")[2]))


def number(uid: UID) -> int:
    """An instance number, from 1, that follows from the instance's UID.

    The images of a study may come in any order, and their own numbers start anew with each series:
    neither would keep two results in one series apart.
    """
    return int(uid.rpartition(".")[2]) % _MOST_NUMBERS + 1
