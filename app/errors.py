"""The errors that this package raises, and that its callers may catch.

    PneumoscopeError
    ├── ImageError (also a ValueError)      the image cannot be read; sending it again will not help
    │   ├── UnsupportedFormatError          not of a type that is read
    │   ├── UnreadableImageError            broken, truncated, or none that can be used
    │   ├── NoLungsError                    no lungs on it
    │   └── IncompleteDicomError            lacks what a result must refer to
    ├── UnavailableError                    not now; the same request may succeed later
    │   ├── BusyError                       as much is at work as can be held
    │   ├── NotReadyError                   the model has not passed its warm-up
    │   ├── NotRecordedError                the reading cannot be written into the record
    │   └── StoppingError                   the process is ending
    ├── NotReadError                        the model is not for this image; it has no result
    │   └── NotSelectedError                a rule leaves it out
    ├── UnreachableError                    the PACS did not answer, or is too busy
    │   ├── DeniedError                     it does not accept the credentials
    │   └── DeferredError                   it may store this object later, and others now
    │       └── FailedError                 it answered with an error
    │           └── MissingError            it has no such image
    ├── RefusedError                        the PACS will never store this object
    ├── SpoolFullError                      the queue has no room for an image
    ├── ServeError                          the service cannot start
    ├── CertificateError                    a file of certificates is not what it should be
    ├── RulesError                          the rules of what is read cannot be used
    ├── NodeError                           the DICOM node cannot start
    ├── ReadError                           a study cannot be read
    ├── ArchiveError                        an archive cannot be read on, or its table be written
    ├── ProfileError                        a site profile cannot be used
    └── VerifyError                         a report cannot be verified

What is said of the PACS holds of any destination of results. No message quotes what a client sent:
it may be shown, sent and logged. An error's `code` says the same to a program. A model that cannot
be served is a `model_store.store.ModelError`.
"""

from typing import ClassVar


class PneumoscopeError(Exception):
    """The root: whatever goes wrong here in a way that was foreseen."""


class ImageError(PneumoscopeError, ValueError):
    """The image cannot be read."""

    code: ClassVar[str] = "unreadable_image"


class UnsupportedFormatError(ImageError):
    """The bytes are not of an image type that is read."""

    code = "unsupported_format"


class UnreadableImageError(ImageError):
    """The image is of a type that is read, but broken, truncated, or none that can be used."""


class NoLungsError(ImageError):
    """The image shows no lungs, so that there is nothing to be read."""

    code = "not_a_chest_xray"

    def __init__(self) -> None:
        super().__init__(
            "No lungs were found in the image; a frontal chest X-ray is needed, upright and whole."
        )


class IncompleteDicomError(ImageError):
    """The DICOM image lacks what a result must refer to, or identifies nobody by text."""

    code = "incomplete_dicom"


class UnavailableError(PneumoscopeError):
    """The service cannot do this now; the same request may succeed later."""

    code: ClassVar[str]
    message: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.message)


class BusyError(UnavailableError):
    """As many requests are at work as can be held, or another client needs the place more."""

    code = "busy"
    message = "The service has as many requests as it can hold."


class NotReadyError(UnavailableError):
    """The model has not passed its warm-up."""

    code = "not_ready"
    message = "The model has not passed its warm-up."


class NotRecordedError(UnavailableError):
    """The reading cannot be written into the record, so its answer is not given."""

    code = "not_recorded"
    message = "The service cannot record the reading, and so gives no answer."


class StoppingError(UnavailableError):
    """The process is ending, and there is no answer yet."""

    code = "stopping"
    message = "The service is stopping."


class NotReadError(PneumoscopeError):
    """The image gets no result; `code` says why: a warning, a problem, or `own_result`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotSelectedError(NotReadError):
    """A rule of the operator's leaves the image out; `rule` is its name."""

    def __init__(self, rule: str) -> None:
        super().__init__("not_selected")
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.code}, by the rule {self.rule!r}"


class UnreachableError(PneumoscopeError):
    """The PACS did not answer, or is too busy for now; sending again may succeed."""


class DeniedError(UnreachableError):
    """The PACS does not accept the credentials; it may once somebody corrects them."""


class DeferredError(UnreachableError):
    """The PACS answered that it does not store this object, and may later; others it may store."""


class FailedError(DeferredError):
    """The PACS answered with an error, which may be of this request alone."""

    def __init__(self, status: int, who: str = "The PACS") -> None:
        super().__init__(f"{who} answered with status {status}.")
        self.status = status


class MissingError(FailedError):
    """The PACS answered that it has no such image; one that was listed may still come."""


class RefusedError(PneumoscopeError):
    """The PACS answered that it will never store this; the message quotes nothing of the object."""


class SpoolFullError(PneumoscopeError):
    """The queue has no room; `code` says of what: `queue_full`, `aside_full` or `disk_full`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ServeError(PneumoscopeError):
    """Why the service cannot start, in one sentence."""


class CertificateError(PneumoscopeError):
    """Why TLS cannot be spoken, in one sentence."""


class RulesError(PneumoscopeError):
    """Why the rules of what is read cannot be used, in one sentence."""


class NodeError(PneumoscopeError):
    """Why the node cannot start, in one sentence."""


class ReadError(PneumoscopeError):
    """Why a study was not read, in one sentence."""


class ArchiveError(PneumoscopeError):
    """Why an archive was not read to its end, in one sentence."""


class ProfileError(PneumoscopeError):
    """Why a site profile cannot be used, in one sentence."""


class VerifyError(PneumoscopeError):
    """Why nobody can say whether a report holds, in one sentence."""
