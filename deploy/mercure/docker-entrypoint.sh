#!/bin/sh
# mercure sends on every .dcm file that it finds in MERCURE_OUT_DIR. The table is none, so it stays behind.
set -e
exec pneumoscope archive "$MERCURE_IN_DIR" --out "$(mktemp -d)/rows.jsonl" --dicom "$MERCURE_OUT_DIR"
