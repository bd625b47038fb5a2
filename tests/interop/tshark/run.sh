#!/usr/bin/env bash
# A capture of an ndkping run on the loopback of a namespace of our own, dissected by tshark: every FPDU is found, every
# CRC is good, nothing is malformed.
#   run.sh [--ndkping PATH]
# Exit 0 passed, 1 failed, 2 usage, 77 something that is needed is missing.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ndkping=$here/../../../build/release/tools/ndkping/ndkping
while [ $# -gt 0 ]; do
  case $1 in
    --ndkping) ndkping=$2; shift 2 ;;
    *) echo "usage: run.sh [--ndkping PATH]" >&2; exit 2 ;;
  esac
done
for tool in ip tshark dumpcap; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed" >&2; exit 77; }
done
[ -x "$ndkping" ] || { echo "skipped: $ndkping is not there" >&2; exit 77; }
if [ "$(id -u)" != 0 ]; then
  [ -z "${SOFTNDK_IN_USERNS:-}" ] || { echo "skipped: no network namespaces here" >&2; exit 77; }
  SOFTNDK_IN_USERNS=1 exec unshare -Urnm --mount-proc -f "$0" --ndkping "$ndkping"
fi

space=softndk-t-$$
work=$(mktemp -d)
server= capture=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null
  [ -z "$capture" ] || kill "$capture" 2>/dev/null
  ip netns del "$space" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
ip netns add "$space" && ip -n "$space" link set lo up || { echo "skipped: no network namespaces here" >&2; exit 77; }

ip netns exec "$space" dumpcap -q -i lo -s 0 -w "$work/run.pcapng" >"$work/dumpcap" 2>&1 &
capture=$!
for _ in $(seq 50); do
  grep -q '^File:' "$work/dumpcap" && break
  sleep 0.1
done

exchange() {  # test type
  local port=$((50000 + RANDOM % 10000)) tries=0
  SOFTNDK_FPDU=aligned ip netns exec "$space" timeout 60 "$ndkping" -S -ServerAddr 127.0.0.1:$port -ServerIf lo \
    -TestType "$1" -W 30 >"$work/server" 2>&1 &
  server=$!
  until SOFTNDK_FPDU=aligned ip netns exec "$space" timeout 60 "$ndkping" -C -ServerAddr 127.0.0.1:$port \
      -ClientAddr 127.0.0.1 -ClientIf lo -TestType "$1" -W 30 --size 20000 --count 5 >"$work/client" 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] && grep -q REFUSED "$work/client" || { echo "FAILED: ndkping $1"; cat "$work/client"; exit 1; }
    sleep 0.2
  done
  wait "$server"
  server=
}
exchange rping
exchange rinv
sleep 0.5
kill -TERM "$capture" && wait "$capture"
capture=

# The two ULP dissectors would claim Send payloads; ours are neither.
dissect() {
  tshark -r "$work/run.pcapng" -o tcp.try_heuristic_first:TRUE --disable-protocol smb_direct \
    --disable-protocol rpcordma "$@" 2>/dev/null
}
count() { dissect -Y "$1" | wc -l; }
fpdus=$(dissect -T fields -e iwarp_mpa.ulpdulength -Y iwarp_mpa.fpdu -E occurrence=a | tr ',' '\n' | grep -c .)
good=$(dissect -V -Y iwarp_mpa.fpdu | grep -c 'Good CRC32')
bad=$(dissect -V | grep -c 'Bad CRC32')
malformed=$(count '_ws.malformed')
requests=$(count 'iwarp_mpa.req')
replies=$(count 'iwarp_mpa.rep')
opcodes=$(dissect -T fields -e iwarp_rdma.opcode -Y iwarp_ddp | tr ',' '\n' | sort | uniq -c | tr '\n' ';')
echo "MPA requests $requests, replies $replies; FPDUs $fpdus, good CRCs $good, bad $bad; malformed $malformed"
# Each rotates the key of one window's token: as many STags as transfers.
invalidated=$(dissect -T fields -e iwarp_rdma.inval_stag -Y 'iwarp_rdma.opcode == 4' | tr ',' '\n' | grep -v '^0$' |
  sort -u | grep -c .)
echo "opcodes: $opcodes STags invalidated: $invalidated"
[ "$invalidated" = 5 ] || { echo "FAILED: not five Sends with Invalidate"; exit 1; }
# Five rounds of 20000 octets each: a Read, a Write and four Sends, cut into segments.
[ "$requests" -ge 1 ] && [ "$replies" -ge 1 ] && [ "$fpdus" -ge 30 ] && [ "$good" = "$fpdus" ] && [ "$bad" = 0 ] &&
  [ "$malformed" = 0 ] || { echo "FAILED"; dissect -V | grep -B30 -m3 -iE 'malformed|Bad CRC' | head -60; exit 1; }
echo "ok"
