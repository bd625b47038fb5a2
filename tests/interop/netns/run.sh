#!/usr/bin/env bash
# ndkping between two network namespaces joined by veth, with 1 % of the TCP segments dropped at random in each
# direction: everything arrives all the same, verified byte by byte.
#   run.sh [--ndkping PATH] [--drop PERCENT]
# Exit 0 passed, 1 failed, 2 usage, 77 something that is needed is missing.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ndkping=$here/../../../build/release/tools/ndkping/ndkping
drop=1
while [ $# -gt 0 ]; do
  case $1 in
    --ndkping) ndkping=$2; shift 2 ;;
    --drop) drop=$2; shift 2 ;;
    *) echo "usage: run.sh [--ndkping PATH] [--drop PERCENT]" >&2; exit 2 ;;
  esac
done
for tool in ip nft; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed" >&2; exit 77; }
done
[ -x "$ndkping" ] || { echo "skipped: $ndkping is not there" >&2; exit 77; }
# Without root: in a user namespace of our own, where we are.
if [ "$(id -u)" != 0 ]; then
  [ -z "${SOFTNDK_IN_USERNS:-}" ] || { echo "skipped: no network namespaces here" >&2; exit 77; }
  SOFTNDK_IN_USERNS=1 exec unshare -Urnm --mount-proc -f "$0" --ndkping "$ndkping" --drop "$drop"
fi

a=softndk-a-$$ b=softndk-b-$$
log=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null
  ip netns del "$a" 2>/dev/null
  ip netns del "$b" 2>/dev/null
  rm -rf "$log"
}
trap cleanup EXIT
ip netns add "$a" && ip netns add "$b" || { echo "skipped: no network namespaces here" >&2; exit 77; }

setup() { # NAMESPACE DEVICE IPV4 IPV6
  ip -n "$1" link set lo up &&
    ip -n "$1" addr add "$3/24" dev "$2" &&
    ip -n "$1" addr add "$4/64" dev "$2" nodad &&
    ip -n "$1" link set "$2" up &&
    ip netns exec "$1" nft -f - <<NFT
table inet loss {
  chain input {
    type filter hook input priority 0;
    meta l4proto tcp numgen random mod 100 < $drop counter drop
  }
}
NFT
}
ip -n "$a" link add veth-a type veth peer name veth-b netns "$b" &&
  setup "$a" veth-a 10.77.0.1 fd77::1 && setup "$b" veth-b 10.77.0.2 fd77::2 ||
  { echo "skipped: veth or nftables do not work here" >&2; exit 77; }

failed=0
exchange() { # TYPE SERVER_ADDRESS CLIENT_ADDRESS
  local port=$((50000 + RANDOM % 10000)) tries=0
  ip netns exec "$b" timeout 90 "$ndkping" -S -ServerAddr "$2:$port" -ServerIf veth-b -TestType "$1" -W 60 \
    >"$log/server" 2>&1 &
  server=$!
  until ip netns exec "$a" timeout 90 "$ndkping" -C -ServerAddr "$2:$port" -ClientAddr "$3" -ClientIf veth-a \
      -TestType "$1" -W 60 -V >"$log/client" 2>&1; do
    tries=$((tries + 1))
    if [ $tries -ge 20 ] || ! kill -0 "$server" 2>/dev/null || ! grep -q REFUSED "$log/client"; then
      echo "FAILED: $1 over $2" && cat "$log/client" "$log/server" && failed=1
      kill "$server" 2>/dev/null
      break
    fi
    sleep 0.2
  done
  wait "$server" || failed=1
  server=
  if tail -1 "$log/client" | grep -q completes && tail -1 "$log/server" | grep -q completes; then
    echo "ok: $1 over $2"
  else
    echo "FAILED: $1 over $2: a side did not complete" && cat "$log/client" "$log/server"
    failed=1
  fi
}
for type in rping rread rwrite rbind rinv; do
  exchange $type 10.77.0.2 10.77.0.1
done
exchange rping '[fd77::2]' fd77::1

dropped=0
for space in "$a" "$b"; do
  count=$(ip netns exec "$space" nft list table inet loss | sed -n 's/.*packets \([0-9]*\) .*/\1/p' | head -1)
  dropped=$((dropped + ${count:-0}))
done
echo "segments dropped on the way: $dropped"
[ "$drop" = 0 ] || [ "$dropped" -gt 0 ] || { echo "FAILED: nothing was dropped, so nothing was shown"; failed=1; }
exit $failed
