"""What an actor does, without a cluster."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np

from app.cluster.worker import COLUMNS, Worker
from app.settings import Settings


def test_every_row_names_the_model_whatever_became_of_the_file(
    settings: Settings, tmp_path: Path, xray: bytes
) -> None:
    files = {"a.png": xray, "known.png": xray, "large.png": bytes(2 * len(xray))}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    known = {"known.png": sha256(xray).hexdigest()}
    lines = [
        (str(tmp_path), str(tmp_path / name), known.get(name)) for name in [*files, "gone.png"]
    ]
    batch = {
        name: np.array(column, object)
        for name, column in zip(COLUMNS.names, zip(*lines, strict=True), strict=True)
    }
    worker = Worker(settings.model_dump(), max_bytes=2 * len(xray) - 1)

    found = worker(batch)

    rows = {Path(row["path"]).name: row for row in map(json.loads, found["row"])}
    assert {name: row["problem"] for name, row in rows.items()} == {
        "a.png": None,
        "known.png": None,
        "large.png": "too_large",
        "gone.png": "unreadable_file",
    }
    assert rows["gone.png"]["detail"] == "No such file or directory."
    assert {row["model_digest"] for row in rows.values()} == {rows["a.png"]["model_digest"]}
    assert rows["a.png"]["model_digest"] is not None
    assert sorted(found["known"]) == [False, False, False, True]
