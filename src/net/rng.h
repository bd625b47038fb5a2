#pragma once
#include "io/rng.h"

namespace softndk::net {

/// The system's generator, a buffer of it for each thread. Not a generator of our own with its seed: steering tags come
/// from here, a peer sees some of them, and must not be able to compute the others.
class Rng final : public io::Rng {
 public:
  std::uint64_t next() noexcept override;
};

}  // namespace softndk::net
