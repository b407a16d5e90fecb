#!/bin/bash
# Builds the parser that `docker compose config` uses, by itself: no engine is needed to be told that
# a compose file is none. OUT is the folder for it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$OUT" && out=$(cd "$OUT" && pwd)
cd "$here" && go build -o "$out/compose-go" .
