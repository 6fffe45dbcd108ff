# syntax=docker/dockerfile:1
#
#   docker build --tag bge-m3-node .                                  the server
#   docker build --target development --tag bge-m3-node:dev .         compilers, tools, tests
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/bge-m3-node --push .
#
# docs/docker.md says how to run it.

# To pin the very bytes, add the digest that this prints:
#   docker buildx imagetools inspect node:22.20.0-bookworm-slim
# as --build-arg NODE_IMAGE=node:22.20.0-bookworm-slim@sha256:...
ARG NODE_IMAGE=node:22.20.0-bookworm-slim

FROM ${NODE_IMAGE} AS base
WORKDIR /app

# Compilers and what fetches llama.cpp: in no image that is shipped.
FROM base AS tools
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates cmake g++ git ninja-build \
    && rm -rf /var/lib/apt/lists/*

# Every package of the lock file, compilers and tests included: the source is mounted over /app.
FROM tools AS development
COPY .ci/packages .ci/packages
RUN bash .ci/packages && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm install --no-save --ignore-scripts --no-audit --no-fund
ENV NODE_ENV=development
VOLUME ["/root/.cache/bge-m3-node"]
EXPOSE 8080
CMD ["npm", "test"]

FROM tools AS build
ARG TARGETARCH
COPY package.json package-lock.json ./
RUN npm install --no-save --ignore-scripts --no-audit --no-fund
COPY . .
# llama.cpp's source and objects outlive the build, one folder per architecture
RUN --mount=type=cache,id=bge-m3-node-${TARGETARCH},target=/root/.cache/bge-m3-node \
    node scripts/build.mjs

# What runs: the package's dependencies and those optional ones that the server uses.
FROM base AS packages
COPY package.json package-lock.json ./
COPY docker/server-packages.mjs docker/
RUN node docker/server-packages.mjs > manifest.json \
    && mv manifest.json package.json \
    && npm install --no-save --ignore-scripts --no-audit --no-fund --omit=dev

FROM base AS runtime
LABEL org.opencontainers.image.title="bge-m3-node" \
    org.opencontainers.image.description="bge-m3 embeddings over HTTP, on CPU" \
    org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    BGE_M3_HOST=0.0.0.0 \
    BGE_M3_PORT=8080 \
    BGE_M3_CACHE_DIR=/cache \
    BGE_M3_DISK_CACHE=on
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/build/Release/bge_m3_node.node build/Release/
COPY --from=build /app/dist dist
COPY package.json LICENSE THIRD_PARTY_NOTICES.md ./
COPY docker/healthcheck.mjs docker/
# new volumes take over the owner of the folders they are mounted on
RUN mkdir -p /cache/models && chown -R node:node /cache
USER node
# the model; and what may be thrown away, such as the disk cache
VOLUME ["/cache/models", "/cache"]
EXPOSE 8080
STOPSIGNAL SIGTERM
# 635 MB are read before it is ready
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --start-interval=2s --retries=3 \
    CMD ["node", "docker/healthcheck.mjs"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["serve"]
