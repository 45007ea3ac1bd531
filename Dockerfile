# One image for the server, the worker and the swarm; what runs is said by the command:
#
#   gameserver run (the default) | persistence-worker run | persistence-worker migrate | botswarm …
#
# Everything installed is locked by hash. The process is an ordinary user's and writes no file, so
# the root file system can be read-only. Commands are in exec form: signals reach the process.
#
# Both bases need the same Python, in the same place. Pin them by digest when you build for keeps:
# --build-arg BASE=python:3.13-slim-bookworm@sha256:…
ARG BASE=python:3.13-slim-bookworm
ARG BUILD_BASE=python:3.13-bookworm

FROM ${BUILD_BASE} AS build
# A mirror of the package index, or a directory of wheels mounted into the build, may be named here.
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# The environment that is shipped has no pip: nothing can be installed in what runs.
RUN python3 -m venv /tools && \
    python3 -m venv --without-pip /opt/gameserver && \
    /tools/bin/python -m pip install --quiet --only-binary :all: --require-hashes \
        --requirement requirements-build.lock && \
    /tools/bin/python -m pip --python /opt/gameserver/bin/python install --quiet \
        --only-binary :all: --require-hashes --requirement requirements.lock
COPY . .
# The last command fails where the hot loops were not compiled: without them it would start, slowly.
RUN /tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /tools/bin/python -m pip --python /opt/gameserver/bin/python install --quiet \
        --no-deps --no-index /wheels/*.whl && \
    /opt/gameserver/bin/python -I -c 'import gameserver.games.arena, gameserver.hot, gameserver.wire._shown; assert gameserver.games.arena.COMPILED and gameserver.hot.COMPILED'

FROM ${BASE}
LABEL org.opencontainers.image.title="gameserver" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/gameserver /opt/gameserver
COPY deploy/trust /etc/gameserver/trust
# The one place that a task may write to, if it makes its certificate itself: a volume, else unused.
RUN install -d -o 65532 -g 65532 -m 700 /tls
VOLUME /tls
ENV PATH=/opt/gameserver/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A number, so that Kubernetes can see that it is not root. There is no such user, and no home.
USER 65532:65532
WORKDIR /
# WebSocket and HTTP API of the server; health and metrics of the worker.
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
# Of the server. ECS, Kubernetes and Compose name their own, for each of the two (see deploy/).
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-m", "gameserver.healthcheck"]
CMD ["gameserver", "run"]
