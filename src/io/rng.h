#pragma once
#include <cstdint>

namespace softndk::io {

/// Randomness: the system's in production, the seed's under simulation. Callable from any thread.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual std::uint64_t next() noexcept = 0;
  /// Uniform in [0, bound); bound > 0. (The bias of the modulo is below 2^-32 for the bounds in use.)
  std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
};

}  // namespace softndk::io
