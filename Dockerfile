# One image for every process; the command picks which:
#
#   docker build -t apiproxy .
#   docker run -p 8080:8080 -v apiproxy:/data apiproxy start
#   docker run … apiproxy control-plane | data-plane | prober
#
# All of them together, with what they need: docker-compose.yml.

# The version of package.json's optionalDependencies, which the tests run on. glibc: the same build.
FROM node:24.21.0-trixie-slim AS base
WORKDIR /app

FROM base AS packages
COPY .npmrc package.json package-lock.json ./
# No tools, no Node of our own beside the image's, and no code of others while building.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts

FROM base
# A container's loopback reaches nobody, so client traffic is taken from everywhere; what is reachable is
# what is published. The admin API stays on loopback until it is told otherwise.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/.compile-cache \
    APIPROXY_HOST=0.0.0.0 \
    APIPROXY_DATA_DIR=/data
COPY --from=packages /app/node_modules node_modules
COPY LICENSE package.json ./
COPY bin bin
COPY contracts contracts
COPY control-plane control-plane
COPY data-plane data-plane
COPY prober prober
# Volumes take over the owner of the folder they cover: these are ours to write to, without being root.
RUN install -d -o node -g node -m 700 /data /secrets .compile-cache \
 && install -d -o node -g node -m 755 /database \
 && ln -s /app/bin/apiproxy.js /usr/local/bin/apiproxy
USER node
# Compiles the code now, so that a container starts in half the time. A process without its configuration
# loads everything, opens nothing and ends with 64.
RUN for process in control-plane data-plane prober start; do \
      APIPROXY_DATA_DIR=/tmp/warm APIPROXY_PORT=none node bin/apiproxy.js $process 2>/dev/null; \
      [ $? -eq 64 ] || exit 1; \
    done; \
    node bin/apiproxy.js --help >/dev/null && rm -r /tmp/warm
VOLUME /data
EXPOSE 8080 8081 8090 8070
STOPSIGNAL SIGTERM
# Node itself, never npm, which keeps SIGTERM to itself.
ENTRYPOINT ["node", "/app/bin/apiproxy.js"]
CMD ["start"]
