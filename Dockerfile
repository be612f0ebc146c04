# A small SpotLab image: locked and hashed packages, no compiler, no root; can run read-only.
# Build: docker build --tag spotlab:0.1.0 .
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/spotlab
COPY requirements/main.txt /tmp/requirements/main.txt
RUN /opt/spotlab/bin/pip install --require-hashes --no-deps --only-binary :all: -r /tmp/requirements/main.txt
# Tests and headers make up a tenth of the packages' size.
RUN find /opt/spotlab -type d \( -name tests -o -name test -o -name include -o -name __pycache__ \) \
      -path "*/site-packages/*" -not -path "*/numpy/*" -prune -exec rm -rf {} + \
 && rm -rf /opt/spotlab/lib/python3.11/site-packages/pip /opt/spotlab/bin/pip*

FROM python:${PYTHON} AS spotlab
# LightGBM needs libgomp1; PostgreSQL's client is needed to make and restore backups.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 postgresql-client \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 spotlab \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/spotlab --create-home --shell /usr/sbin/nologin spotlab \
 && chmod 0700 /var/lib/spotlab
COPY --from=packages /opt/spotlab /opt/spotlab
WORKDIR /srv/spotlab
COPY --chmod=a+rX app.py LICENSE ./
COPY --chmod=a+rX .streamlit ./.streamlit
COPY --chmod=a+rX pages ./pages
COPY --chmod=a+rX models ./models
COPY --chmod=a+rX spotlab ./spotlab
# Run from the checkout, so that the code finds pages and models. The import writes the bytecode of the
# packages needed at start: a read-only container cannot, and would compile them at every start.
RUN printf '#!/opt/spotlab/bin/python\nimport sys\n\nsys.path.insert(0, "/srv/spotlab")\nfrom spotlab.cli import main\n\nsys.exit(main())\n' > /opt/spotlab/bin/spotlab \
 && chmod 0755 /opt/spotlab/bin/spotlab \
 && /opt/spotlab/bin/python -m compileall -q /srv/spotlab/spotlab \
 && cd /srv/spotlab \
 && /opt/spotlab/bin/python -c "import alembic.command, boto3, httpx, limits.storage, spotlab.api.server, spotlab.scheduling.job_runs, spotlab.demo.server, streamlit.web.bootstrap"
ENV PATH=/opt/spotlab/bin:$PATH \
    PYTHONPATH=/srv/spotlab \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    SPOTLAB_HOME=/var/lib/spotlab \
    SPOTLAB_AUTH=accounts
USER 10001:10001
VOLUME ["/var/lib/spotlab"]
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
ENTRYPOINT ["spotlab"]
CMD ["serve", "--address", "0.0.0.0", "--port", "8501"]
