# The platform for one product: `docker build -t product-intelligence .`; see docs/online.md.
FROM python:3.12-slim AS built
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN make setup
RUN .venv/bin/uv pip install --quiet --python .venv/bin/python --constraint requirements-dev.lock --editable '.[postgres]'

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home intelligence && mkdir /data && chown intelligence /data
COPY --from=built --chown=intelligence /app /app
USER intelligence
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH INTELLIGENCE_DATA=/data
VOLUME /data
ENTRYPOINT ["intelligence"]
CMD ["--help"]
