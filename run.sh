#!/usr/bin/env bash
# The main job on a fresh machine: installs what is missing, builds, and lets two processes exchange verified data by
# RDMA, over 127.0.0.1 and over ::1.
set -euo pipefail
cd "$(dirname "$0")"

scripts/deps.sh build
[ -f build/release/build.ninja ] || cmake --preset release -DSOFTNDK_TESTS=OFF >/dev/null
cmake --build --preset release --target ndkping ndkperf
ndkping=build/release/tools/ndkping/ndkping

server=
log=$(mktemp)
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -f "$log"
}
trap cleanup EXIT

exchange() { # HOST: address as it is typed, with brackets for IPv6
  local port=$((49152 + RANDOM % 16000))
  echo
  echo "== $1: server and client, two processes =="
  : >"$log"
  "$ndkping" -S -ServerAddr "$1:$port" -ServerIf lo -TestType rping -W 30 >"$log" &
  server=$!
  until grep -q ' listens on ' "$log"; do
    kill -0 "$server" 2>/dev/null || { cat "$log"; echo "run.sh: the server could not listen on $1" >&2; exit 1; }
    sleep 0.1
  done
  "$ndkping" -C -ServerAddr "$1:$port" -ClientAddr "${1//[\[\]]/}" -ClientIf lo -TestType rping -W 30
  wait "$server"
  server=
  tail -1 "$log"
}

exchange 127.0.0.1
exchange '[::1]'
echo
echo "Both exchanges were verified, byte by byte."
