#pragma once
#include "sim/random.h"

namespace softndk::workload {

/// What a seed decides. Each `stream` is one of its own, so that one more draw in one leaves the others as they are.
class Dice : public sim::RandomStream {
 public:
  Dice(std::uint64_t seed, std::uint64_t stream) : RandomStream(seed, stream) {}
  bool one_in(std::uint64_t cases) { return below(cases) == 0; }
  std::uint32_t between(std::uint32_t least, std::uint32_t most) {
    return static_cast<std::uint32_t>(in({least, most}));
  }
  template <class T, std::size_t kCount>
  T any(const T (&of)[kCount]) {
    return of[below(kCount)];
  }
};

}  // namespace softndk::workload
