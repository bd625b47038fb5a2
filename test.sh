#!/usr/bin/env bash
# The tests: installs what is missing, builds the release preset, runs everything once without and once with the
# interposer between consumers and the provider.
#   --interop  also against Linux siw in a guest (builds a guest, needs qemu; some minutes)
#   --long     a million seeds, more rounds, ten minutes of soak, bugs put in by hand
#   --quick    without the second pass
set -euo pipefail
cd "$(dirname "$0")"

interop=0 long=0 quick=0
for word in "$@"; do
  case $word in
    --interop) interop=1 ;;
    --long) long=1 ;;
    --quick) quick=1 ;;
    *) echo "usage: test.sh [--interop] [--long] [--quick]" >&2; exit 2 ;;
  esac
done

scripts/deps.sh build test
cmake --preset release -DSOFTNDK_TESTS=ON >/dev/null
cmake --build --preset release
[ $long = 0 ] || export SOFTNDK_TEST_LONG=1

jobs=$(nproc)
echo "== tests =="
ctest --preset release -j "$jobs" -LE interop
if [ $quick = 0 ]; then
  echo "== tests of consumers, again with the interposer =="
  SOFTNDK_VERIFIER=passthrough ctest --preset release -j "$jobs" -L "consumer|tools"
fi
if [ $long = 1 ]; then
  echo "== bugs put in by hand, which the workload has to find =="
  scripts/seeded-bugs.sh
  echo "== the example drivers: a hundred rounds a policy, a thousand seeds =="
  scripts/example-rounds.sh build/release
fi
if [ $interop = 1 ]; then
  scripts/deps.sh interop
  echo "== interop: Linux siw =="
  ctest --preset release -L interop
fi
echo "test.sh: all passed"
