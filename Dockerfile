# docker build .               the CPU image: OpenVINO, no TensorFlow
# docker build --target gpu .  the GPU image: TensorFlow, whose wheels bring CUDA

FROM python:3.12-slim AS base
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS build
ENV PIP_CONSTRAINT=constraints.txt \
    PIP_BUILD_CONSTRAINT=constraints.txt
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app app
COPY model_store/*.py model_store/
# OpenVINO wants its telemetry to be installed, and nothing here lets it load.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt '.[signing]' && pip uninstall -y openvino-telemetry

FROM build AS build-gpu
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install -c constraints.txt '.[gpu,signing]' && pip uninstall -y openvino-telemetry

# The wheels bring every library that they need beyond the C and C++ runtimes of the base image.
FROM base AS runtime
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pneumoscope \
    # A volume that is mounted here first takes over its owner.
    && install -d -o 10001 -g 10001 -m 700 /var/lib/pneumoscope
COPY model_store/pneumonia /srv/model_store/pneumonia
ENV HOME=/tmp \
    PNEUMOSCOPE_HOST=0.0.0.0 \
    PNEUMOSCOPE_PORT=8000 \
    PNEUMOSCOPE_MODEL_STORE=/srv/model_store
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
# A proxy from the environment would answer for 127.0.0.1 too, hence none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", \
    "from urllib.request import *; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/ready', timeout=2)"]
CMD ["pneumoscope", "serve"]

FROM runtime AS gpu
COPY --from=build-gpu /opt/venv /opt/venv

FROM runtime AS cpu
COPY --from=build /opt/venv /opt/venv
