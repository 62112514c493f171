"""Results sent by C-STORE (PS3.4, annex B)."""

from collections.abc import Sequence
from itertools import product

from pydicom import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import AE
from pynetdicom.association import Association

from app.errors import DeferredError, RefusedError, UnreachableError
from app.pacs import network
from app.pacs.destinations import DUPLICATE, failure, parsed
from app.pacs.node.settings import StorageAddress
from app.pacs.tls import RequestingContext

_SOP_CLASSES = (SecondaryCaptureImageStorage, ComprehensiveSRStorage, SegmentationStorage)
_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_CONNECT_SECONDS = 10
_ASSOCIATE_SECONDS = 30
_STORE_SECONDS = 60

# PS3.7, annex C, and PS3.4, B.2.3.
_SUCCESS, _WARNING = 0x0000, 0xB


class StorageDestination:
    """A PACS that is reached by C-STORE."""

    def __init__(
        self, own_ae_title: str, address: StorageAddress, tls: RequestingContext | None = None
    ) -> None:
        """
        Args:
            own_ae_title: by which it calls.
            address: the PACS's.
            tls: to speak TLS with it.
        """
        network.make_no_text()
        self._address, self._tls = address, tls
        self._entity = entity = AE(own_ae_title)
        entity.connection_timeout = _CONNECT_SECONDS
        entity.acse_timeout = _ASSOCIATE_SECONDS
        entity.dimse_timeout = entity.network_timeout = _STORE_SECONDS
        # A context each, since of several syntaxes in one the PACS chooses: the results go as they
        # are wherever it takes that.
        for context in product(_SOP_CLASSES, _SYNTAXES):
            entity.add_requested_context(*context)

    def store(self, files: Sequence[bytes]) -> bool:
        """Store files; returns once the PACS has said that it stored every one.

        A warning counts as stored, and so does a duplicate.

        Returns:
            Whether it said of one that it holds such an object already.

        Raises:
            DeferredError: it does not take one of them now, or ends the association over it.
            UnreachableError: there is no association; it says so where TLS failed.
            RefusedError: the PACS takes no such object, or not this one.
        """
        datasets = [parsed(file) for file in files]
        association = self._associate()
        try:
            were_held = [_store(association, dataset) for dataset in datasets]
            return any(were_held)
        finally:
            if association.is_established:
                association.release()

    def _associate(self) -> Association:
        address, tls = self._address, self._tls
        if tls:
            tls.failure = None
        try:
            association = self._entity.associate(
                address.host,
                address.port,
                ae_title=address.ae_title,
                tls_args=(tls, address.host) if tls else None,
            )
        except OSError as error:
            raise UnreachableError("The PACS's host has no address.") from error
        if association.is_established:
            return association
        if association.is_rejected:
            raise UnreachableError("The PACS rejected the association.")
        if association.rejected_contexts:
            raise RefusedError("The PACS accepts no kind of result.")
        if tls and tls.failure:
            raise UnreachableError(f"TLS with the PACS failed: {tls.said()}.")
        raise UnreachableError("The PACS did not answer.")


def _store(association: Association, dataset: Dataset) -> bool:
    sop_class = dataset.SOPClassUID
    if sop_class not in [context.abstract_syntax for context in association.accepted_contexts]:
        raise RefusedError(f"The PACS does not accept {sop_class.name}.")
    try:
        status = association.send_c_store(dataset).get("Status")
    # The association ended since the file before.
    except RuntimeError as error:
        raise DeferredError("The PACS ended the association.") from error
    if status is None:
        raise DeferredError("The PACS did not answer the C-STORE request.")
    if status in DUPLICATE:
        return True
    if status == _SUCCESS or status >> 12 == _WARNING:
        return False
    raise failure(status, f"The PACS answered the C-STORE request with status {status:04X}.")
