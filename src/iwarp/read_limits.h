#pragma once
// IRD and ORD: what each side asks for, sends and ends up with (RFC 6581 9.1 and rules R-RL-01..03).
#include <algorithm>
#include <cstdint>

namespace softndk::iwarp {

/// Reads in progress: `ird` of the peer's, `ord` of our own.
struct ReadLimits {
  std::uint32_t ird = 0;
  std::uint32_t ord = 0;
  bool operator==(const ReadLimits&) const = default;
};

/// A field that says "do not negotiate this one". We never send it first.
inline constexpr std::uint32_t kReadLimitUnnegotiated = 0x3FFF;
inline constexpr std::uint32_t kReadLimitWireMax = 0x3FFE;

/// Silently, to the adapter's maxima (R-RL-02) and to what the field can carry.
constexpr ReadLimits cap(ReadLimits wanted, ReadLimits maxima) {
  return {std::min({wanted.ird, maxima.ird, kReadLimitWireMax}), std::min({wanted.ord, maxima.ord, kReadLimitWireMax})};
}

/// `own` is capped already; `peer` as it stood in the frame. in(A) = min(own in, out(B)), out(A) = min(own out, in(B))
/// (R-RL-01), an unnegotiated field being no bound.
constexpr ReadLimits meet(ReadLimits own, ReadLimits peer) {
  if (peer.ord != kReadLimitUnnegotiated) own.ird = std::min(own.ird, peer.ord);
  if (peer.ird != kReadLimitUnnegotiated) own.ord = std::min(own.ord, peer.ird);
  return own;
}

}  // namespace softndk::iwarp
