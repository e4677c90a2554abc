# Perdure, for a PostgreSQL and a Redis or Valkey of your own. One image; what it runs is its command:
#   python -m controlplane.web (the default), python -m controlplane.worker, python manage.py migrate
# Nothing is written while it runs, so that it can run with a read-only root filesystem: see deploy/compose.yaml.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/perdure
COPY requirements.txt /tmp/requirements.txt
RUN /opt/perdure/bin/pip install --require-hashes --no-deps --requirement /tmp/requirements.txt

FROM python:3.11-slim-bookworm
ENV PATH=/opt/perdure/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=controlplane.settings.production \
    STATIC_ROOT=/srv/perdure/staticfiles \
    PERDURE_HOME=/tmp/perdure \
    PERDURE_HOST=0.0.0.0 \
    PERDURE_PORT=8000
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin perdure
WORKDIR /srv/perdure
COPY --from=build /opt/perdure /opt/perdure
COPY manage.py ./
COPY controlplane ./controlplane
COPY agents ./agents
COPY intents ./intents
COPY templates ./templates
COPY static ./static
# The settings of production want their secrets; collecting files uses none of them. With a path prefix, which the names
# of the files contain, build with --build-arg PERDURE_PATH_PREFIX=/perdure.
ARG PERDURE_PATH_PREFIX=""
ENV PERDURE_PATH_PREFIX=$PERDURE_PATH_PREFIX
RUN SECRET_KEY=only-for-collecting PERDURE_KEY_PEPPER=only-for-collecting ALLOWED_HOSTS=localhost \
    DATABASE_URL=postgresql://nobody@localhost/none REDIS_URL=redis://localhost \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q /srv/perdure
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PERDURE_PORT']), timeout=2); c.request('GET', '/healthz/live'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "controlplane.web"]
