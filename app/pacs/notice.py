"""What a worklist is told of a reading that is not to wait: JSON in the form of Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from datetime import datetime

from app.codes import Label
from app.dicom_results.instance import instance_uid
from app.dicom_results.source import Source
from app.reading.reading import Reading

_TYPE = "reading.urgent"
_DECIMALS = 6


def is_urgent(reading: Reading) -> bool:
    """Whether a person should look before the others: pneumonia is found, or a review asked for."""
    return reading.label == Label.PNEUMONIA or reading.review


def notice(source: Source, reading: Reading, made: datetime) -> bytes:
    """The message, in JSON.

    It names the image and its order, and nothing else of the patient.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image.
        made: when, in UTC.
    """
    model = reading.model
    message = {
        # The same whenever it is sent, so that a receiver can tell.
        "id": str(instance_uid(source, model, "webhook")),
        "type": _TYPE,
        "timestamp": made.isoformat(timespec="seconds"),
        "data": {
            "accession_number": str(source.get("AccessionNumber") or ""),
            "study": str(source.StudyInstanceUID),
            "series": str(source.SeriesInstanceUID),
            "image": str(source.SOPInstanceUID),
            "label": reading.label,
            "probability": round(reading.probability, _DECIMALS),
            "prediction_set": reading.prediction_set,
            "review": reading.review,
            "reasons": reading.reasons,
            "model": {
                "name": model.manifest.name,
                "version": model.manifest.version,
                "digest": model.digest,
            },
        },
    }
    return json.dumps(message).encode()
