# docker build .                 the CPU image: OpenVINO, no TensorFlow
# docker build --target gpu .    the GPU image: TensorFlow, whose wheels bring CUDA
# docs/operate.md tells how the base is pinned, what is in the images, and what was taken out.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS base

# What runs needs no package manager, and Python's library as byte code, since nobody can write it later.
FROM base AS system
# hadolint ignore=SC2046
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pneumoscope \
    # A volume that is mounted here first takes over its owner.
    && install -d -o 10001 -g 10001 -m 700 /var/lib/pneumoscope \
    && dpkg --purge --force-depends --force-remove-essential apt perl-base \
        $(dpkg-query --show --showformat='${binary:Package} ' 'libapt-pkg*' sqv gpgv 2>/dev/null) \
    && rm -rf /usr/local/bin/pip* /usr/local/include /usr/local/lib/python3.*/site-packages/* \
        /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/idlelib /usr/local/lib/python3.*/lib2to3 \
        /usr/local/lib/python3.*/pydoc_data /usr/local/lib/python3.*/turtledemo \
    && python -m compileall -q -x '/test/' --invalidation-mode unchecked-hash /usr/local/lib/python3.*

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    # Each file is the one whose SHA-256 was written down. The lists are whole, so nothing else is looked for.
    INSTALL="install --require-hashes --no-deps --no-compile" \
    # What reads mail addresses, signs for others or colours a terminal is hardly ever loaded.
    COMPILE="-q -j 0 --invalidation-mode unchecked-hash -x /(dns|google|pygments|rich|sigstore|websockets)/"
WORKDIR /src
COPY requirements/build.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip $INSTALL -r build.txt && python -m venv --without-pip /opt/venv

# OpenVINO wants its telemetry to be installed, and nothing here lets it load.
FROM build AS dependencies-cpu
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
COPY requirements/cpu.txt deploy/image/slim.py ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/venv/bin/python $INSTALL -r cpu.txt \
    && python -m pip --python /opt/venv/bin/python check \
    && python -m pip --python /opt/venv/bin/python uninstall -y openvino-telemetry \
    && python slim.py /opt/venv/lib/python3.*/site-packages \
    && python -m compileall $COMPILE /opt/venv/lib

FROM build AS dependencies-gpu
COPY requirements/gpu.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/venv/bin/python $INSTALL -r gpu.txt \
    && python -m pip --python /opt/venv/bin/python check \
    && python -m pip --python /opt/venv/bin/python uninstall -y openvino-telemetry \
    && python -m compileall $COMPILE /opt/venv/lib

FROM build AS package
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY model_store/*.py model_store/
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
    && python -m pip --python /opt/venv/bin/python install --no-deps --no-compile --root /package wheel/*.whl \
    && python -m compileall $COMPILE /package

FROM base AS model
COPY model_store/pneumonia /srv/model_store/pneumonia
# For whoever the image runs as, whatever the checkout's own permissions.
RUN chmod -R a+rX /srv/model_store

# What the image is made of, and under which licences: /usr/share/doc/pneumoscope.
FROM dependencies-cpu AS about-cpu
COPY pyproject.toml deploy/image/about.* ./
RUN --mount=type=bind,from=package,source=/package,target=/package \
    --mount=type=bind,from=model,source=/srv/model_store,target=/model_store \
    --mount=type=bind,from=system,source=/var/lib/dpkg,target=/dpkg \
    sh about.sh

FROM dependencies-gpu AS about-gpu
COPY pyproject.toml deploy/image/about.* ./
RUN --mount=type=bind,from=package,source=/package,target=/package \
    --mount=type=bind,from=model,source=/srv/model_store,target=/model_store \
    --mount=type=bind,from=system,source=/var/lib/dpkg,target=/dpkg \
    sh about.sh

# From nothing, since a layer above the base cannot make it smaller. The wheels bring every library that
# they need beyond the C and C++ runtimes.
FROM scratch AS runtime
# hadolint ignore=DL3067
COPY --from=system / /
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PNEUMOSCOPE_HOST=0.0.0.0 \
    PNEUMOSCOPE_PORT=8000 \
    PNEUMOSCOPE_HEARTBEAT=/tmp/pneumoscope.alive \
    PNEUMOSCOPE_MODEL_STORE=/srv/model_store
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
# Whichever command runs, on whichever ports: it writes the file every 5 s once its model answers.
# hadolint ignore=DL3025
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD test -n "$(find "$PNEUMOSCOPE_HEARTBEAT" -mmin -0.5)"
CMD ["pneumoscope", "serve"]
ARG PYTHON_IMAGE
LABEL org.opencontainers.image.title="pneumoscope" \
      org.opencontainers.image.description="Reads frontal chest X-rays for pneumonia. For research use only: not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="/usr/share/doc/pneumoscope" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

FROM runtime AS gpu
COPY --from=dependencies-gpu /opt/venv /opt/venv
COPY --from=model /srv /srv
COPY --from=package /package /
COPY --from=about-gpu /about /usr/share/doc/pneumoscope
# `make image` tells them.
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# A layer for each thing that changes by itself: a change of the code costs its own megabyte.
FROM runtime AS cpu
COPY --from=dependencies-cpu /opt/venv /opt/venv
COPY --from=model /srv /srv
COPY --from=package /package /
COPY --from=about-cpu /about /usr/share/doc/pneumoscope
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
