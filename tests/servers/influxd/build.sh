#!/bin/bash
# Builds influxd 2.7.12 (API only, no user interface) from its pinned Go module: 3 to 6 minutes on
# two cores. Needs go, cargo, gcc and pkg-config. OUT is the folder for the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$OUT" && out=$(cd "$OUT" && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
cp "$here"/{go.mod,go.sum,tools.go,rustc-caplints.sh} "$work" && chmod +x "$work/rustc-caplints.sh"
cd "$work"
# its query engine names a Rust of its own, which rustup would fetch; any stable one does
export RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable}
export RUSTC_WRAPPER=$work/rustc-caplints.sh
export CARGO_PROFILE_RELEASE_LTO=off  # link-time optimisation would only cost time here
GOBIN=$work go install github.com/influxdata/pkg-config@v0.2.14
PKG_CONFIG=$work/pkg-config PKG_CONFIG_LOG=$work/pkg-config.log \
  go build -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=v2.7.12 -X main.commit=module" \
  -o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd
mv "$work/influxd" "$out/influxd"
