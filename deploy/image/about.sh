#!/bin/sh
# In the Dockerfile: write the bill of materials and the licences of what lies in /opt/venv, /package,
# /model_store and the dpkg folder /dpkg, to /about.
set -eu
mkdir /about
cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o /about/bom.cdx.json /opt/venv/bin/python
python about.py /about/bom.cdx.json /model_store /dpkg
PYTHONPATH=$(echo /package/opt/venv/lib/python3.*/site-packages) \
    /opt/venv/bin/python -c 'from app.cli import cli; cli()' licences >/about/licences.txt
