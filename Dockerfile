# One static binary and nothing else: no shell, no libraries, not root.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/muster ./cmd/muster \
 && mkdir -p /out/data /out/tmp && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/tmp /tmp
COPY --from=build /out/muster /muster
USER 65532:65532
# In a container every interface is the container's own; what reaches it is the
# publisher's choice. There is no redis-server in here: set MUSTER_REDIS_URL.
ENV MUSTER_DATA=/data MUSTER_MQTT_ADDR=:1883 MUSTER_HTTP_ADDR=:8080
VOLUME /data
EXPOSE 1883 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/muster", "health"]
ENTRYPOINT ["/muster"]
CMD ["serve"]
