#!/bin/sh
# What the centre needs before its processes start: authority, certificates, the broker's files.
# It may run at every start: what is there and good stays; what grows old is made again.
set -eu

config=${HAIDANG_FLEET_CONFIG:-/etc/haidang/fleet.yaml}
catalogue=${HAIDANG_CATALOGUE:-/etc/haidang/catalogue}
centre=${HAIDANG_CENTRE:?the id of the centre}
state=${HAIDANG_STATE:-/var/lib/haidang}
password=${HAIDANG_POSTGRES_PASSWORD_FILE:-/run/secrets/postgres_password}
by="--config $config --by prepare"

[ -e "$state/fleet/ca.key" ] || haidang fleet ca make $by
for process in ingest:w1 worker:w1; do
  haidang fleet service "${process%%:*}" --name "${process##*:}" --centre "$centre" --offline $by
done
haidang fleet broker config --catalogue "$catalogue" $by

# libpq takes a password from no other file, and from this one only while it is closed to others
umask 077
printf '*:*:*:haidang:%s\n' "$(cat "$password")" > "$state/centre/pgpass.new"
mv "$state/centre/pgpass.new" "$state/centre/pgpass"
