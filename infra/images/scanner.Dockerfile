# syntax=docker/dockerfile:1
# clamd with its signatures. It reaches nothing while it runs, so the signatures come with the image: build it every day.
#
#   docker build --no-cache -f infra/images/scanner.Dockerfile -t skreg-scanner .

ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${DEBIAN_IMAGE}
LABEL org.opencontainers.image.title="skreg-scanner"
# hadolint ignore=DL3008 # the base image's release says which version
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates clamav-daemon clamav-freshclam clamdscan \
    && rm -rf /var/lib/apt/lists/* \
    && freshclam --foreground --stdout \
    && chmod -R a+rX /var/lib/clamav
COPY infra/images/clamd.conf /etc/clamav/clamd.conf
VOLUME ["/tmp"]
USER 65532:65532
EXPOSE 3310
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s CMD ["clamdscan", "--ping", "3"]
CMD ["clamd", "--foreground"]
