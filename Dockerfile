# syntax=docker/dockerfile:1
# A worker's image: `docker build .` compiles the wheel, half an hour on 2 cores; with
# `--build-arg WHEEL=dist` it takes the one that `make wheel` left in dist/.
ARG WHEEL=source
ARG PYTHON=3.13

FROM rust:1.95-bookworm AS source
WORKDIR /src
COPY . .
RUN make wheel

FROM scratch AS dist
COPY dist/*.whl /src/dist/

FROM ${WHEEL} AS wheel

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="dynamo-backend-common" \
    org.opencontainers.image.licenses="Apache-2.0"

# The files of the metrics extra are small; an engine's own packages go into an image made from this.
RUN --mount=type=bind,from=wheel,source=/src/dist,target=/dist \
    pip install --no-cache-dir "$(echo /dist/*.whl)[metrics]"

# No home is assumed: any user id runs it, also one that no file knows. Of its root nothing is written;
# models of the hub want a volume at /models, and temporary files one at /tmp.
ENV HOME=/tmp \
    HF_HOME=/models \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DYN_SYSTEM_HOST=0.0.0.0 \
    DYN_SYSTEM_PORT=9090
USER 65532:65532
WORKDIR /tmp
EXPOSE 9090

# Alive, not ready: a model that loads for an hour is no reason to start anew.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"DYN_SYSTEM_PORT\"]}/live')"]

# The exec form: SIGTERM reaches the worker, which then hands over.
ENTRYPOINT ["dynamo-backend"]
CMD ["serve", "--help"]
