#!/usr/bin/env bash
# Installs what is missing, from the distribution's packages. Groups: build (default), test, interop, bench.
#   scripts/deps.sh [--check] [build] [test] [interop] [bench]
# --check only names what is missing; exit 1 if anything is.
set -euo pipefail

build=(g++ gcc cmake ninja-build pkg-config libisal-dev libdw-dev libfmt-dev libcli11-dev nlohmann-json3-dev libexpected-dev scdoc)
test=(libgtest-dev libgmock-dev librapidcheck-dev clang-14 clang libclang-rt-14-dev clang-format ccache gdb python3 tshark
      iproute2 nftables valgrind)
interop=(qemu-system-x86 busybox-static kmod cpio make rdmacm-utils ibverbs-providers iproute2 tshark)
# What bench/ measures NDK beside; without them it measures what is there.
bench=(libfabric-bin libfabric-dev ucx-utils)

check=0
groups=()
for word in "$@"; do
  case $word in
    --check) check=1 ;;
    build | test | interop | bench) groups+=("$word") ;;
    *) echo "deps.sh: unknown word '$word'" >&2; exit 2 ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build)

wanted=()
for group in "${groups[@]}"; do
  declare -n packages=$group
  wanted+=("${packages[@]}")
done

if ! command -v apt-get >/dev/null; then
  echo "deps.sh: this system has no apt-get. Please install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  if [ $check = 1 ]; then
    echo "missing: ${missing[*]}"
    exit 1
  fi
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  echo "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The guest's siw is built for the kernel that the metapackage names today; no version is pinned.
case " ${groups[*]} " in
  *" interop "*)
    version=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: linux-image-\(.*\)/\1/p' | head -1)
    series=$(echo "$version" | cut -d. -f1-2)
    extra=()
    for package in "linux-headers-$version" "linux-source-$series"; do
      dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || extra+=("$package")
    done
    if [ ${#extra[@]} -gt 0 ]; then
      [ $check = 0 ] || { echo "missing: ${extra[*]}"; exit 1; }
      sudo=()
      [ "$(id -u)" = 0 ] || sudo=(sudo)
      "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${extra[@]}" >/dev/null
    fi
    ;;
esac
