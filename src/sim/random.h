#pragma once
#include <cstdint>

#include "io/rng.h"
#include "sim/options.h"
#include "sim/sanitizer.h"

namespace softndk::sim {

/// SplitMix64 (Steele, Lea, Flood 2014): one word of state, and neighbouring seeds give unrelated streams.
class RandomStream {
 public:
  /// `purpose` keeps the streams of one seed apart: a draw more from one does not move another.
  RandomStream(std::uint64_t seed, std::uint64_t purpose) : state_(mix(seed) ^ mix(~purpose)) {}
  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  std::uint64_t in(Range range) {
    return range.most <= range.least ? range.least : range.least + below(range.most - range.least + 1);
  }
  /// No draw for "never", so that switching a fault off leaves the rest of the stream as it was for all others.
  bool happens(Chance chance) { return chance.per_million != 0 && below(1'000'000) < chance.per_million; }

 private:
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

/// What the program under simulation draws from.
class Rng final : public io::Rng {
 public:
  explicit Rng(std::uint64_t seed) : stream_(seed, 3) {}
  std::uint64_t next() noexcept override {
    HiddenFromTsan hidden;
    return stream_.next();
  }

 private:
  RandomStream stream_;
};

}  // namespace softndk::sim
