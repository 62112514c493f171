#!/bin/sh
# Reads the images; `show app` and `show pkg` print the manifests, `extract` copies them.
set -e
case "${1:-}" in
    "") exec pneumoscope archive "$HOLOSCAN_INPUT_PATH" \
        --out "$HOLOSCAN_OUTPUT_PATH/results.jsonl" --dicom "$HOLOSCAN_OUTPUT_PATH" ;;
    show) exec cat "/etc/holoscan/${2:-app}.json" ;;
    extract) exec cp /etc/holoscan/app.json /etc/holoscan/pkg.json /var/run/holoscan/export/config ;;
    *) exec "$@" ;;
esac
