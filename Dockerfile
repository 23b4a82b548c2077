# The worker as an image: no compiler, no root, nothing that is not needed at run time.
#   docker build -t oss-saveas-worker:0.1.0 .
#   docker build -t oss-saveas-worker:0.1.0-local --build-arg EXTRA=local .    with the local OSS, and a font for CJK
# BASE is any Debian with Python 3.11 or newer in its archive.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG EXTRA=runtime
# hadolint ignore=DL3008 # the release of BASE names the versions
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/local.txt requirements/
# The lock files are complete, and name the hash of every file: pip has nothing to resolve.
# As `make` installs them: what is no wheel is built with the setuptools of build.txt, which go again at the end.
RUN python3 -m venv /opt/oss-saveas \
 && /opt/oss-saveas/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.txt \
 && /opt/oss-saveas/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --require-hashes \
      -r "requirements/${EXTRA}.txt"
COPY pyproject.toml README.md LICENSE ./
COPY worker worker
RUN /opt/oss-saveas/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/oss-saveas/bin/python -m pip uninstall --yes pip setuptools \
 && /opt/oss-saveas/bin/python -m compileall -q /opt/oss-saveas/lib

FROM ${BASE}
ARG EXTRA=runtime
# hadolint ignore=DL3008 # the release of BASE names the versions
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-minimal libpython3-stdlib ca-certificates tzdata \
 && if [ "${EXTRA}" = local ]; then apt-get install --yes --no-install-recommends fonts-wqy-zenhei; fi \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/oss-saveas /opt/oss-saveas
ENV PATH=/opt/oss-saveas/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /work
# No shell between: SIGTERM comes to the worker, which is process 1.
ENTRYPOINT ["/opt/oss-saveas/bin/oss-saveas"]
CMD ["--help"]
