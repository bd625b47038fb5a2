#!/bin/bash
# Linux siw's rping against our ndkping, both ways round: each side is once the one that connects.
#
#   run.sh [--ndkping PATH] [--user-net] [--guest GUEST_DIR] [--timeout SECONDS] [--keep] [--guest-only]
#
# --ndkping     default: build/release/tools/ndkping/ndkping of this checkout, else the one in PATH
# --user-net    QEMU's user network between the two, which cuts both byte streams anew; default is a tap device
# --guest       where mkguest.sh keeps the guest; it is built on first use
# --timeout     for everything after the guest is built; default 240
# --keep        keeps logs and capture of a good run too; those of a bad one are always kept
# --guest-only  rping on both sides, inside the guest: tells whether a failure is the guest's
#
# Exit: 0 all passed, 1 something failed, 77 this machine lacks what it takes, 2 usage.
#
# Everything runs in network, process and mount namespaces of its own, so that nothing outlives the run and no address
# or port can clash. rping's exit code is 0 for a connection lost half-way too: what it says it has received counts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly host_tap=10.0.2.2 guest=10.0.2.15

# Each case: who is the server, its port, bytes of one ping, pings. The second size takes many FPDUs and TCP segments.
# The guest connects first: siw may stall on the first connection that it accepts after boot, and the delay set below is
# meant for that, but a warm guest needs it less. One crash of its kernel would take the rest along.
readonly cases=(
  "host  7001 64    10"
  "host  7002 60000 5"
  "guest 7003 64    10"
  "guest 7004 60000 5"
)

fail() { echo "siw interop: $*" >&2; exit 1; }
skip() { echo "siw interop: skipped: $*" >&2; exit 77; }

# ----------------------------------------------------------------------------------------------------- inside the guest

# Prints the script that runs in the guest. Its lines: "BEGIN n", "LISTENING n", "n| <length> <start of an output line>"
# and "END n <exit code>".
guest_script() {
  cat <<GUEST
host=$host_tap own=$guest
GUEST
  cat <<'GUEST'
report() {  # case exit-code: long lines are told by their length, the serial port is slow
  # Two files, as stdout comes in whole buffers and a line of stderr would end up inside one of its lines.
  awk -v n="$1" '{ print n "| " length($0) " " substr($0, 1, 60) }' "/tmp/$1.out" "/tmp/$1.err"
  echo "END $1 $2"
}
client() {  # case port bytes pings
  echo "BEGIN $1"
  code=0
  timeout 60 rping -c -a "${5:-$host}" -p "$2" -S "$3" -C "$4" -V -v >"/tmp/$1.out" 2>"/tmp/$1.err" || code=$?
  report "$1" $code
}
server() {  # case port bytes
  echo "BEGIN $1"
  timeout 60 rping -s -a $own -p "$2" -S "$3" -v >"/tmp/$1.out" 2>"/tmp/$1.err" &
  pid=$!
  until rdma resource show cm_id | grep -q "state LISTEN .*:$2 "; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  echo "LISTENING $1"
}
served() {  # case
  code=0
  wait $pid || code=$?
  report "$1" $code
}
GUEST
  local n=0 side port bytes pings
  for entry in "${cases[@]}"; do
    n=$((n + 1))
    read -r side port bytes pings <<<"$entry"
    if [ -n "$guest_only" ]; then
      [ "$side" = guest ] || continue
      # The reports of both sides, as two cases: the server's n, the client's 10 + n.
      echo "server $n $port $bytes; client $((10 + n)) $port $bytes $pings \$own; served $n"
    elif [ "$side" = host ]; then
      echo "client $n $port $bytes $pings"
    else
      echo "server $n $port $bytes; served $n"
    fi
  done
}

# ------------------------------------------------------------------------------------------------ inside the namespaces

guest_pid='' capture_pid=''
declare -A host_pid=() host_code=()  # by case; no code: it had to be ended

guest_runs() { kill -0 "$guest_pid" 2>/dev/null; }

# wait_for SECONDS COMMAND...: looks every tenth of a second whether the command succeeds.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.1
  done
}

start_network() {
  ip link set lo up
  # tools that look below /sys/class/net are to see this namespace's interfaces
  mount -t sysfs sysfs /sys 2>/dev/null || true
  if [ -z "$user_net" ]; then
    device=tap0 address=$host_tap peer=$guest
    ip tuntap add "$device" mode tap
    ip addr add "$host_tap/24" dev "$device"
    ip link set "$device" up
  else
    device=lo address=127.0.0.1 peer=127.0.0.1
  fi
  interface=$(ip -o link show dev "$device" | cut -d: -f1)
}

captures_or_gone() { [ -s "$work/wire.pcap" ] || ! kill -0 "$capture_pid" 2>/dev/null; }

# dumpcap and not tcpdump: that one changes its user, which a namespace without other users refuses.
start_capture() {
  if command -v dumpcap >/dev/null; then
    dumpcap -q -P -i "$device" -f tcp -w "$work/wire.pcap" >"$work/dumpcap.log" 2>&1 &
    capture_pid=$!
    wait_for 10 captures_or_gone || true
    if [ -s "$work/wire.pcap" ]; then return; fi
    capture_pid=
  fi
  echo "siw interop: no dumpcap that works here, so nobody watches the wire." >&2
}

has_carrier_or_no_guest() { [[ $(ip -o link show dev "$device") == *LOWER_UP* ]] || ! guest_runs; }

start_guest() {
  : >"$work/guest.log"  # its LISTENING lines are looked for right away
  local options=(--timeout "$limit" --console "$work/console.log") entry side port
  if [ -z "$user_net" ]; then
    options+=(--tap "$device")
  else
    for entry in "${cases[@]}"; do
      read -r side port _ <<<"$entry"
      [ "$side" = host ] || options+=(--forward "$port:$port")
    done
  fi
  "$here/guest.sh" "${options[@]}" "$guest_dir" "$(guest_script)" >"$work/guest.log" 2>"$work/guest.err" &
  guest_pid=$!
}

host_gone() { ! kill -0 "${host_pid[$1]}" 2>/dev/null; }
listening_or_gone() { [ -n "$(ss -Hltn "sport = :$2")" ] || host_gone "$1"; }
guest_listens_or_gone() { grep -qx "LISTENING $1" "$work/guest.log" || ! guest_runs; }

start_host_server() {  # case port bytes
  timeout --foreground -k 5 "$limit" "$ndkping" -S -ServerAddr "$address:$2" -ServerIf "$interface" -TestType rping \
    -W "$limit" --size "$3" -V >"$work/ndkping-$1.out" 2>"$work/ndkping-$1.err" &
  host_pid[$1]=$!
  wait_for 20 listening_or_gone "$1" "$2" || true  # if it does not listen, the verdict will say what it said
}

run_host_client() {  # case port bytes pings
  wait_for "$limit" guest_listens_or_gone "$1" || true
  guest_runs || return 0
  timeout --foreground -k 5 60 "$ndkping" -C -ServerAddr "$peer:$2" -ClientAddr "$address" -ClientIf "$interface" \
    -TestType rping --size "$3" --count "$4" -V >"$work/ndkping-$1.out" 2>"$work/ndkping-$1.err" &
  host_pid[$1]=$!
  wait_for 70 host_gone "$1" || true
}

# Judges what a side of the guest said. Prints the reason when it is not good.
judge_guest() {  # case prefix bytes pings
  awk -v n="$1" -v prefix="$2" -v bytes="$3" -v pings="$4" '
    $1 == "END" && $2 == n { ended = 1; code = $3 }
    $1 == n "|" {
      text = $0
      sub(/^[0-9]+\| [0-9]+ /, "", text)
      if (index(text, prefix "rdma-ping-") == 1) {
        start = prefix "rdma-ping-" good ": "
        # The last byte of a ping is its NUL, which is not printed.
        if (index(text, start) == 1 && $2 == length(prefix) + bytes - 1) ++good
        else if (complaint == "") complaint = "unexpected data: " text
      } else if (text ~ /data mismatch|failed|bogus|error/ && complaint == "") complaint = text
    }
    BEGIN { good = 0 }
    END {
      if (!ended) print "the guest ended before this case did"
      else if (complaint != "") print "rping: " complaint
      else if (code != 0) print "rping ended with " code " after " good " of " pings " pings"
      else if (good != pings) print "rping showed " good " of " pings " pings"
    }' "$work/guest.log"
}

# Waits for our side of a case, which has ended or does at once, as rping's is over. Not for a subshell: it would not be
# the parent.
collect_host() {  # case
  host_code[$1]=
  [ -n "${host_pid[$1]:-}" ] || return 0
  if wait_for 15 host_gone "$1"; then
    host_code[$1]=0
    wait "${host_pid[$1]}" || host_code[$1]=$?
  else
    kill "${host_pid[$1]}" 2>/dev/null || true
  fi
}

judge_host() {  # case
  local last
  if [ -z "${host_pid[$1]:-}" ]; then
    echo "ndkping was never started, as the guest did not come to listen"
  elif [ -z "${host_code[$1]}" ]; then
    echo "ndkping was still running 15 s after the guest had finished"
  elif [ "${host_code[$1]}" -ne 0 ]; then
    echo "ndkping ended with ${host_code[$1]}: $(cat "$work/ndkping-$1.out" "$work/ndkping-$1.err" | tail -n 1)"
  else
    last=$(tail -n 1 "$work/ndkping-$1.out")
    [[ $last == *"completes test (rping) on interface "* ]] || echo "the last line of ndkping is '$last'"
  fi
}

verdict() {  # title reason
  if [ -z "$2" ]; then echo "PASS  $1"; else echo "FAIL  $1: $2"; failures=$((failures + 1)); fi
}

# The capture is a witness of its own: whatever both ends think of it, Wireshark finds every FPDU whole and every CRC
# good, and enough of them: a ping takes four Sends, a Read Request, its Response and a Write at least.
judge_wire() {
  local fpdus=0 pings
  for entry in "${cases[@]}"; do
    read -r _ _ _ pings <<<"$entry"
    fpdus=$((fpdus + 7 * pings))
  done
  # The two disabled ones claim the payload of Sends for themselves.
  tshark -r "$work/wire.pcap" -o tcp.try_heuristic_first:TRUE -Y iwarp_mpa -V \
    --disable-protocol smb_direct --disable-protocol rpcordma 2>"$work/tshark.log" | awk -v expected="$fpdus" '
      /\(Good CRC32\)/ { ++good }
      /\(Bad CRC32/ || /\[Malformed Packet/ { if (bad == "") { bad = $0; sub(/^ */, "", bad) } }
      END {
        if (bad != "") print "tshark says: " bad
        else if (good < expected) print "tshark finds " good + 0 " good FPDUs of at least " expected
      }'
}

inside() {
  failures=0
  start_network
  start_capture
  # Ours must not tread on two known defects of siw: it mistakes an FPDU whose trailer is cut across segments, and may
  # not look at an FPDU that arrives within moments of its MPA reply.
  export SOFTNDK_RTR=${SOFTNDK_RTR:-auto} SOFTNDK_FPDU=${SOFTNDK_FPDU:-aligned}
  export SOFTNDK_FIRST_FPDU_DELAY_MS=${SOFTNDK_FIRST_FPDU_DELAY_MS:-250}

  local n=0 entry side port bytes pings
  start_guest
  if [ -z "$guest_only" ]; then
    # A tap device has a carrier from when QEMU opens it. The guest then boots for seconds before it connects.
    wait_for 20 has_carrier_or_no_guest || true
    for entry in "${cases[@]}"; do
      n=$((n + 1))
      read -r side port bytes pings <<<"$entry"
      [ "$side" = guest ] || start_host_server "$n" "$port" "$bytes"
    done
    n=0
    for entry in "${cases[@]}"; do
      n=$((n + 1))
      read -r side port bytes pings <<<"$entry"
      [ "$side" = host ] || run_host_client "$n" "$port" "$bytes" "$pings"
    done
  fi
  local guest_code=0
  wait "$guest_pid" || guest_code=$?

  n=0
  for entry in "${cases[@]}"; do
    n=$((n + 1))
    read -r side port bytes pings <<<"$entry"
    local what="$pings pings of $bytes bytes"
    collect_host "$n"
    if [ -n "$guest_only" ]; then
      [ "$side" = guest ] || continue
      verdict "rping connects to rping, $what, server" "$(judge_guest "$n" "server ping data: " "$bytes" "$pings")"
      verdict "rping connects to rping, $what, client" "$(judge_guest $((10 + n)) "ping data: " "$bytes" "$pings")"
    elif [ "$side" = host ]; then
      verdict "rping connects to ndkping, $what, rping" "$(judge_guest "$n" "ping data: " "$bytes" "$pings")"
      verdict "rping connects to ndkping, $what, ndkping" "$(judge_host "$n")"
    else
      verdict "ndkping connects to rping, $what, rping" "$(judge_guest "$n" "server ping data: " "$bytes" "$pings")"
      verdict "ndkping connects to rping, $what, ndkping" "$(judge_host "$n")"
    fi
  done

  case $guest_code in
    0) ;;
    124) verdict "the guest" "out of time" ;;
    *) verdict "the guest" "ended with $guest_code: $(tail -n 1 "$work/guest.err")" ;;
  esac
  local crash
  crash=$(grep -m 1 -aE 'BUG:|Oops|kernel BUG|general protection|Call Trace' "$work/console.log" || true)
  [ -z "$crash" ] || verdict "the guest's kernel" "$crash"

  if [ -n "$capture_pid" ]; then
    kill "$capture_pid" 2>/dev/null || true
    wait "$capture_pid" 2>/dev/null || true
    if [ -z "$guest_only$user_net" ] && command -v tshark >/dev/null; then verdict "the wire" "$(judge_wire)"; fi
  fi
  [ $failures -eq 0 ]
}

if [ "${1:-}" = --inside ]; then
  shift
  # The outer half, below, has set these.
  : "${work:?}" "${guest_dir:?}" "${limit:?}" "${ndkping?}" "${user_net?}" "${guest_only?}"
  inside
  exit
fi

# ---------------------------------------------------------------------------------------------------------- the outside

ndkping='' user_net='' guest_only='' keep='' limit=240
guest_dir=${XDG_CACHE_HOME:-$HOME/.cache}/softndk/siw-guest
while [ $# -gt 0 ]; do
  case $1 in
    --ndkping) ndkping=${2:?}; shift 2 ;;
    --guest) guest_dir=${2:?}; shift 2 ;;
    --timeout) limit=${2:?}; shift 2 ;;
    --user-net) user_net=1; shift ;;
    --keep) keep=1; shift ;;
    --guest-only) guest_only=1; shift ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

if [ -z "$guest_only" ]; then
  if [ -z "$ndkping" ]; then
    ndkping=$here/../../../build/release/tools/ndkping/ndkping
    [ -x "$ndkping" ] || ndkping=$(command -v ndkping) || skip "there is no ndkping: build it, or use --ndkping PATH."
  fi
  [ -x "$ndkping" ] || fail "$ndkping is not a program."
  ndkping=$(realpath "$ndkping")
fi
for tool in qemu-system-x86_64:qemu-system-x86 ip:iproute2 ss:iproute2 unshare:util-linux setpriv:util-linux; do
  command -v "${tool%%:*}" >/dev/null || skip "${tool%%:*} is missing: apt-get install ${tool##*:}"
done
[ -n "$user_net$guest_only" ] || [ -w /dev/net/tun ] || skip "/dev/net/tun is needed for a tap device (try --user-net)."

namespaces=(--net --pid --fork --kill-child --mount-proc)
[ "$(id -u)" = 0 ] || namespaces=(--user --map-root-user "${namespaces[@]}")
unshare "${namespaces[@]}" true 2>/dev/null || skip "this user may not make namespaces (unshare ${namespaces[*]})."

"$here/mkguest.sh" "$guest_dir" || exit

work=$(mktemp -d "${TMPDIR:-/tmp}/siw-interop.XXXXXX")
export work guest_dir limit ndkping user_net guest_only
# However this script ends, KILL included, so does everything in the namespaces: each link of the chain dies with the
# one before it. KILL also at the time limit, because the namespaces' first process hears nothing less.
setpriv --pdeathsig KILL timeout -s KILL "$((limit + 60))" \
  setpriv --pdeathsig KILL unshare "${namespaces[@]}" "${BASH_SOURCE[0]}" --inside &
chain=$!
trap 'kill -KILL $chain 2>/dev/null; exit 130' INT
trap 'kill -KILL $chain 2>/dev/null; exit 143' TERM HUP
code=0
wait $chain || code=$?
[ $code -ne 137 ] || echo "FAIL  out of time"
if [ $code -eq 0 ] && [ -z "$keep" ]; then
  rm -rf "$work"
else
  echo "siw interop: logs and capture are in $work" >&2
fi
[ $code -eq 0 ] || exit 1
