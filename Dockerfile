# docker build .               the CPU image: OpenVINO, no TensorFlow
# docker build --target gpu .  the GPU image: TensorFlow, whose wheels bring CUDA

FROM python:3.12-slim AS base
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS build
WORKDIR /src
RUN python -m venv /opt/venv
# Each file that is installed is the one whose SHA-256 was written down, what builds the package too.
COPY requirements requirements
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/cpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY model_store/*.py model_store/
# OpenVINO wants its telemetry to be installed, and nothing here lets it load.
RUN pip install --no-deps --no-build-isolation . && pip uninstall -y openvino-telemetry

FROM build AS build-gpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/gpu.txt && pip uninstall -y openvino-telemetry

# The wheels bring every library that they need beyond the C and C++ runtimes of the base image.
FROM base AS runtime
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pneumoscope \
    # A volume that is mounted here first takes over its owner.
    && install -d -o 10001 -g 10001 -m 700 /var/lib/pneumoscope
COPY model_store/pneumonia /srv/model_store/pneumonia
ENV HOME=/tmp \
    PNEUMOSCOPE_HOST=0.0.0.0 \
    PNEUMOSCOPE_PORT=8000 \
    PNEUMOSCOPE_HEARTBEAT=/tmp/pneumoscope.alive \
    PNEUMOSCOPE_MODEL_STORE=/srv/model_store
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
# Whichever command runs, on whichever ports: it writes the file every 5 s once its model answers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD test -n "$(find "$PNEUMOSCOPE_HEARTBEAT" -mmin -0.5)"
CMD ["pneumoscope", "serve"]

FROM runtime AS gpu
COPY --from=build-gpu /opt/venv /opt/venv

FROM runtime AS cpu
COPY --from=build /opt/venv /opt/venv
