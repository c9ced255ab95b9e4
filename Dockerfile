# syntax=docker/dockerfile:1
# Two stages: everything is installed from lock files with their hashes, and only the result is shipped. Builds for amd64
# and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg EXTRAS="fast parquet" --tag renderwatch .
#
# For a build that can be repeated, pin the base image by its digest:
#   digest=$(docker buildx imagetools inspect python:3.12-slim --format '{{.Manifest.Digest}}')
#   docker buildx build --build-arg BASE=python:3.12-slim@$digest …
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
# Any of: fast (checks through libcurl), parquet (renderwatch export --format parquet). An empty text for none.
ARG EXTRAS="fast"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /venv
COPY requirements.lock requirements-*.lock ./
RUN pip --python /venv/bin/python install --require-hashes -r requirements.lock \
 && for extra in ${EXTRAS}; do \
      pip --python /venv/bin/python install --require-hashes -r "requirements-${extra}.lock" || exit 1; \
    done
COPY pyproject.toml README.md LICENSE celeryconfig.py renderwatch_entry.py ./
COPY worker worker
COPY migrations migrations
# The build backend is in the lock file, and of no use in the image.
RUN pip --python /venv/bin/python install --no-deps --no-build-isolation . \
 && pip --python /venv/bin/python uninstall --yes hatchling pathspec pluggy tomlkit trove-classifiers \
 && /venv/bin/renderwatch --version

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Renderwatch" \
      org.opencontainers.image.description="Tracks Magic Hour projects until their status and their credits are final" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="The Renderwatch developers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing is installed in a running container.
RUN pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/renderwatch renderwatch
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RENDERWATCH_STATE_DIR=/var/lib/renderwatch \
    RENDERWATCH_LOG_FORMAT=json
WORKDIR /var/lib/renderwatch
USER 10001:10001
STOPSIGNAL SIGTERM
EXPOSE 8321
CMD ["renderwatch", "worker"]
