#!/bin/sh
# Runs mosquitto, and makes it read its certificate and revocation list again when they change.
set -eu

conf=$1
folder=$(dirname "$conf")
look() { cksum "$folder/crl.pem" "$folder/server.crt" "$folder/ca.crt" 2>/dev/null || true; }

read_already=$(look)
mosquitto -c "$conf" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT
while kill -0 "$broker" 2>/dev/null; do
  # a sleep that a signal ends at once
  sleep 1 & wait $! || true
  now=$(look)
  if [ "$now" != "$read_already" ]; then
    read_already=$now
    kill -HUP "$broker" || true
  fi
done
wait "$broker"
