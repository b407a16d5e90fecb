#!/bin/bash
# Builds Telegraf 1.37.2 with only what the ingest comparison needs. OUT is the folder for it.
set -euo pipefail
mkdir -p "$OUT" && out=$(cd "$OUT" && pwd)
GOBIN=$out go install \
  -ldflags "-s -w -X github.com/influxdata/telegraf/internal.Version=1.37.2" \
  -tags "custom,inputs.mqtt_consumer,outputs.influxdb_v2,parsers.json_v2,parsers.json,serializers.influx" \
  github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
