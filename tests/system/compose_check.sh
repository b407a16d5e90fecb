#!/usr/bin/env bash
# The compose files with a real Docker: `make compose-check`. Builds the images, starts the centre,
# waits until every service is healthy, enrols a node from the node's own image, and removes all of
# it again. It needs some minutes, the network for the images, and ports 8883 8444 8080 3000.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(docker compose version --short)
oldest=2.23.1
if [ "$(printf '%s\n' "$oldest" "${version#v}" | sort -V | head -n1)" != "$oldest" ]; then
  echo "Docker Compose $version is too old: $oldest or newer is needed" >&2
  exit 1
fi

work=$(mktemp -d)
mkdir "$work/secrets" "$work/models" "$work/site-broker"
for secret in postgres_password influx_password influx_token grafana_password; do
  head -c 24 /dev/urandom | base64 | tr -d '/+=\n' > "$work/secrets/$secret"
done
# a file that Compose mounts keeps its owner and mode: the folder is closed, its files are not
chmod 0700 "$work" "$work/secrets"
chmod 0444 "$work"/secrets/*

export HAIDANG_CENTRE=demo HAIDANG_SITE=gate HAIDANG_NODE=gate-1
export HAIDANG_HOST=host.docker.internal HAIDANG_SITE_HOST=gate-broker
export HAIDANG_CATALOGUE=$PWD/catalog/minimal HAIDANG_SECRETS=$work/secrets
export HAIDANG_MODELS=$work/models HAIDANG_SITE_BROKER=$work/site-broker
export COMPOSE_PROJECT_NAME=haidang-check-$$

cloud() { docker compose -f docker-compose.cloud.yml "$@"; }
clean() {
  status=$?
  if [ "$status" -ne 0 ]; then
    cloud ps --all || true
    cloud logs --no-color --tail 40 || true
  fi
  cloud --profile desk down --volumes --remove-orphans > /dev/null 2>&1 || true
  rm -rf "$work"
  exit "$status"
}
trap clean EXIT

echo "== both files are understood"
cloud config --quiet
docker compose -f docker-compose.edge.yml config --quiet

echo "== images"
cloud build
docker build --quiet --file edge/Dockerfile --tag haidang-edge:0.1.0 . > /dev/null

echo "== the centre starts; every service is healthy"
cloud up --detach --wait --wait-timeout 300

echo "== the desk"
cloud run --rm desk cloud setup --config /etc/haidang/centre.yaml || true
token=$(cloud run --rm --no-TTY desk fleet token gate-1 --config /etc/haidang/fleet.yaml \
  --catalogue /etc/haidang/catalogue --by compose-check | tr -d '\r' | head -n1)

echo "== a node enrols from its own image"
docker run --rm --interactive --read-only --tmpfs /tmp \
  --tmpfs /var/lib/haidang/tls:uid=10001,gid=10001,mode=0700 \
  --add-host host.docker.internal:host-gateway haidang-edge:0.1.0 \
  node enrol --url https://host.docker.internal:8444 --token - --dir /var/lib/haidang/tls <<< "$token"
cloud run --rm desk fleet ca journal --config /etc/haidang/fleet.yaml

echo "== all well"
