#!/bin/bash
# Boots the guest that mkguest.sh built, runs one shell command in it, and ends as the command ended.
#
#   guest.sh [--tap DEVICE | --forward HOST_PORT:GUEST_PORT ...] [--timeout SECONDS] [--console FILE] GUEST_DIR COMMAND
#
# Inside, siw0 is siw over eth0, 10.0.2.15/24; the host is 10.0.2.2.
# --tap       joins the guest to a tap device that exists and is up; TCP segments keep their boundaries.
# --forward   without a tap, QEMU's user network joins it to this host's loopback: the guest reaches the host's
#             127.0.0.1 as 10.0.2.2, and the host reaches guest port G as 127.0.0.1:H. Both streams are cut anew.
# --timeout   of boot and command together, default 120.
# --console   where the guest's kernel messages go, default nowhere.
#
# What the command prints comes out on stdout. Exit: the command's; 124 out of time; 125 the guest ended without a
# result (its kernel panicked, or QEMU could not start); 77 QEMU or the guest is missing.
set -euo pipefail

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2; }

tap='' limit=120 console=/dev/null forwards=''
while [ $# -gt 0 ]; do
  case $1 in
    --tap) tap=$2; shift 2 ;;
    --forward) forwards+=",hostfwd=tcp:127.0.0.1:${2%%:*}-:${2##*:}"; shift 2 ;;
    --timeout) limit=$2; shift 2 ;;
    --console) console=$2; shift 2 ;;
    --*) usage ;;
    *) break ;;
  esac
done
[ $# -eq 2 ] || usage
guest_dir=$1 command=$2

skip() { echo "siw guest: $*" >&2; exit 77; }
command -v qemu-system-x86_64 >/dev/null || skip "QEMU is missing: apt-get install qemu-system-x86"
[ -f "$guest_dir/stamp" ] || skip "no guest in $guest_dir: run mkguest.sh"

scratch=$(mktemp -d)
machine=''
# A shell runs its trap only after its foreground child has ended, so QEMU is in the background and we wait for it.
cleanup() {
  if [ -n "$machine" ]; then kill "$machine" 2>/dev/null || true; fi
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# fw_cfg carries the command: the kernel's command line would end at 2048 characters.
printf '%s\n' "$command" >"$scratch/command"
mkfifo "$scratch/output"

# KVM only where it can work: QEMU would try it, complain and go on.
accelerators=(-accel "tcg,thread=multi")
if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then accelerators=(-accel kvm "${accelerators[@]}"); fi
network="user,id=net0$forwards"
if [ -n "$tap" ]; then network="tap,id=net0,ifname=$tap,script=no,downscript=no"; fi

# oops=panic: a kernel that stumbles ends at once, instead of keeping us waiting.
timeout --foreground -k 5 "$limit" qemu-system-x86_64 "${accelerators[@]}" -cpu max -smp 2 -m 512 \
  -nodefaults -display none -no-reboot \
  -serial "file:$console" -chardev stdio,id=output,signal=off -serial chardev:output \
  -kernel "$guest_dir/vmlinuz" -initrd "$guest_dir/initrd.gz" \
  -append "console=ttyS0 oops=panic panic=-1 quiet mitigations=off" \
  -fw_cfg "name=opt/softndk/command,file=$scratch/command" \
  -netdev "$network" -device virtio-net-pci,netdev=net0,romfile= </dev/null >"$scratch/output" &
machine=$!

result=125
while IFS= read -r line; do
  case $line in
    "GUEST-RC: "*) result=${line#GUEST-RC: } ;;
    *) printf '%s\n' "$line" ;;
  esac
done <"$scratch/output"
ended=0
wait "$machine" || ended=$?
machine=''
if [ "$result" = 125 ] && { [ $ended = 124 ] || [ $ended = 137 ]; }; then result=124; fi
exit "$result"
