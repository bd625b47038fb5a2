#!/usr/bin/env bash
# Installs a build into a fresh prefix and builds and runs consumers against it: C and C++, gcc and clang, by pkg-config
# and by the CMake package.   packaging/check.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?build directory}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >/dev/null
for file in share/softndk/kernel-surface.tsv bin/ndkping bin/ndkperf bin/ndkrun include/softndk/wdk/ndkpi.h include/softndk/softndk.h lib/pkgconfig/softndk.pc; do
  [ -e "$work/prefix/$file" ] || [ -e "$work/prefix/${file/lib\//lib/x86_64-linux-gnu/}" ] ||
    { echo "check.sh: $file was not installed" >&2; exit 1; }
done
libdir=$(dirname "$(find "$work/prefix" -name libsoftndk.so | head -1)")
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
read -r -a cflags <<<"$(pkg-config --cflags softndk)"
read -r -a libs <<<"$(pkg-config --libs softndk)"

try() { # COMPILER FLAGS...
  "$@" "${cflags[@]}" "$here/consumer/driver.c" "$here/consumer/main.c" -o "$work/consumer" "${libs[@]}"
  "$work/consumer"
  echo "ok: $*"
}
compilers=(gcc g++)
command -v clang >/dev/null && compilers+=(clang clang++)
for compiler in "${compilers[@]}"; do
  case $compiler in
    *++) try "$compiler" -x c++ -std=gnu++17 -Wall ;;
    *) try "$compiler" -std=gnu11 -Wall; try "$compiler" -std=gnu17 -O2 -Wall ;;
  esac
done

cmake -S "$here/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/consumer_c"
echo "ok: CMake package"

# ndkrun of an installation finds the headers and the library beside it.
"$work/prefix/bin/ndkrun" build "$here/../tests/tools/ndkrun/drivers/quiet" -o "$work/quiet.so"
env -u LD_LIBRARY_PATH "$work/prefix/bin/ndkrun" run "$work/quiet.so" --for 0
echo "ok: ndkrun"

# The tools of an installation find their library in any prefix, without a word to the loader.
for tool in ndkping ndkperf ndkstat ndkinfo; do
  env -u LD_LIBRARY_PATH "$work/prefix/bin/$tool" --help >/dev/null || { echo "check.sh: $tool does not start" >&2; exit 1; }
done
echo "ok: tools"

# Nothing of ours is up for grabs: the only names the library offers are those of the export map.
stray=$(nm -D --defined-only "$libdir/libsoftndk.so" | awk '{print $3}' | sed 's/@.*//' |
  grep -vE '^(softndk_|Ke|Ex|Io|Mm|Rtl|Ps|Ob|Zw|Wsk|Ndis|Convert|GetBestRoute2|DbgPrint|SoftNdk|SOFTNDK_)' || true)
[ -z "$stray" ] || { echo "check.sh: unexpected exports: $stray" >&2; exit 1; }
echo "ok: exports"
