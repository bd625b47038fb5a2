#!/usr/bin/env bash
# Runs the provider's tests and the whole-stack tests again and again under every completion policy.
#   scripts/suite-rounds.sh [--rounds N] BUILD_DIR...
# Default: 20 rounds, the nth with seed n for `mixed`. Other settings come from the environment as ever (SOFTNDK_ORDER,
# SOFTNDK_LATENCY_US, SOFTNDK_VERIFIER). One line for each policy; stops at the first failure and shows it.
set -uo pipefail
usage() { echo "usage: suite-rounds.sh [--rounds N] BUILD_DIR..." >&2; exit 2; }
rounds=20 builds=()
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) [ $# -ge 2 ] || usage; rounds=$2; shift 2 ;;
    -*) usage ;;
    *) builds+=("$1"); shift ;;
  esac
done
[ ${#builds[@]} -gt 0 ] || usage
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for build in "${builds[@]}"; do
  programs=("$build/tests/provider/provider_test" "$build/tests/runtime/stack_test")
  for program in "${programs[@]}"; do
    [ -x "$program" ] || { echo "suite-rounds: $program is not built" >&2; exit 1; }
  done
  for policy in inline nested early later mixed; do
    began=$SECONDS
    for ((round = 1; round <= rounds; ++round)); do
      value=$policy
      [ $policy != mixed ] || value="mixed($round)"
      for program in "${programs[@]}"; do
        if ! SOFTNDK_POLICY=$value timeout 1800 "$program" --gtest_brief=1 >"$output" 2>&1 ||
            grep -qE 'Sanitizer|runtime error' "$output"; then
          echo "FAILED: SOFTNDK_POLICY='$value' $program, round $round"
          tail -60 "$output"
          exit 1
        fi
      done
    done
    echo "ok: $build, policy $policy, $rounds rounds of ${#programs[@]} suites, $((SECONDS - began)) s"
  done
done
