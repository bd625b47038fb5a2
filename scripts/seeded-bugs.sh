#!/usr/bin/env bash
# Puts one bug after another into a copy of the tree and shows that random legal consumers find it: for each patch of
# tests/workload/seeded_bugs the first seed of 1,000 (or as many as its line "Seeds:" says) that fails, and with what
# words. Exit 1 if one is not found.
#   scripts/seeded-bugs.sh [NAME ...]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 tar cf - | tar xf - -C "$copy"
cd "$copy"
git init -q . && git add -A >/dev/null   # for git apply

names=("$@")
if [ ${#names[@]} = 0 ]; then
  for patch in tests/workload/seeded_bugs/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi
build() {
  cmake --preset release >/dev/null
  cmake --build --preset release --target softndk_workload >build.log 2>&1 || { tail -20 build.log >&2; exit 2; }
}
missed=0
for name in "${names[@]}"; do
  patch=$root/tests/workload/seeded_bugs/$name.patch
  git apply "$patch"
  build
  seeds=$(sed -n 's/^Seeds: //p' "$patch")
  if build/release/tests/workload/softndk_workload --seeds "${seeds:-1000}" --no-shrink >out.log 2>&1; then
    echo "$name: NOT found within ${seeds:-1000} seeds"
    missed=1
  else
    seed=$(sed -n 's/.*--seed \([0-9]*\)$/\1/p' out.log | head -1)
    words=$(grep -m1 '^workload: seed' out.log | cut -c1-220)
    echo "$name: seed $seed: ${words#workload: }"
  fi
  git apply -R "$patch"
done
exit $missed
