# syntax=docker/dockerfile:1
# A static binary in an empty image: no shell, no package manager, no root. deploy/check-image.sh checks what it says
# without a Docker engine.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/candor ./cmd/candor
RUN mkdir -p /out/etc/ssl/certs /out/data && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && echo "candor:x:65532:65532::/data:/candor" > /out/etc/passwd

FROM scratch
COPY --from=build /out/etc /etc
COPY --from=build /out/candor /candor
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8433 8434
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/candor", "healthcheck", "--server", "127.0.0.1:8433"]
ENTRYPOINT ["/candor"]
CMD ["serve", "--config", "/data/candor.yaml"]
