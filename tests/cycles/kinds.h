#pragma once
// The types of objects that are made and closed in masses.
#include <array>
#include <cstdint>

namespace softndk::cycles {

enum class Kind : std::uint8_t { adapter, cq, pd, shared_endpoint, listener, srq, mr, mw, qp, connector };
inline constexpr unsigned kKinds = 10;
inline constexpr const char* kKindNames[kKinds] = {"adapter", "cq", "pd", "shared endpoint", "listener", "srq",
                                                   "mr",      "mw", "qp", "connector"};

/// How many of each.
class Counts {
 public:
  std::uint64_t& operator[](Kind kind) { return of_[static_cast<unsigned>(kind)]; }
  std::uint64_t operator[](Kind kind) const { return of_[static_cast<unsigned>(kind)]; }
  Counts& operator+=(const Counts& other) {
    for (unsigned i = 0; i < kKinds; ++i)
      of_[i] += other.of_[i];
    connections += other.connections;
    binds += other.binds;
    shared_receives += other.shared_receives;
    return *this;
  }
  std::uint64_t connections = 0;      ///< that were begun at least
  std::uint64_t binds = 0;            ///< of windows, still bound or on their way when everything is closed
  std::uint64_t shared_receives = 0;  ///< posted to shared receive queues

 private:
  std::array<std::uint64_t, kKinds> of_{};
};

/// An object's antecedents are of a lower rank than it is. The close of a successor may therefore close an object of a
/// lower rank when it has completed; the other way round nobody would ever complete.
constexpr unsigned rank(Kind kind) {
  switch (kind) {
    case Kind::adapter:
      return 0;
    case Kind::cq:
    case Kind::pd:
    case Kind::shared_endpoint:
    case Kind::listener:
      return 1;
    case Kind::srq:
    case Kind::mr:
      return 2;
    case Kind::mw:
    case Kind::qp:
      return 3;
    case Kind::connector:
      return 4;
  }
  return 0;
}

/// A small generator of a seed of its own (splitmix64): the same on every library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t n = state_ += 0x9e3779b97f4a7c15;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
    return n ^ (n >> 31);
  }
  unsigned below(unsigned bound) { return static_cast<unsigned>((next() >> 32) * bound >> 32); }
  bool one_in(unsigned n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace softndk::cycles
