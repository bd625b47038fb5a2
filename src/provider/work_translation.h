#pragma once
// Work requests and results: NDKPI's words to the device's, and back. The only place that knows both.
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "rdma/device.h"
#include "rdma/work.h"
#include "wdk/ndkpi.h"

namespace softndk::provider {

/// Scatter/gather entries that one post may have; what an adapter offers is capped to it.
inline constexpr std::uint32_t kSgesMax = 64;
/// Octets that one inline post may have; what an adapter offers is capped to it.
inline constexpr std::uint32_t kInlineBytesMax = 4096;

constexpr bool at_least(NDK_VERSION version, USHORT major, USHORT minor) {
  return version.Major != major ? version.Major > major : version.Minor >= minor;
}

/// nullopt: bits outside 0x3FF (R-WR-17). Defined bits that mean nothing for `operation` are dropped, so is DEFER
/// below 1.2 (R-DEF-09, R-VER-07), and local invalidation on a device that has none (R-RLI-02).
std::optional<rdma::WorkFlags> translate_flags(ULONG flags, rdma::Operation operation, NDK_VERSION version,
                                               const rdma::DeviceCaps& caps) noexcept;

/// A scatter/gather list as the device takes it, in the caller's frame.
class SgeList {
 public:
  /// False: more than kSgesMax entries (the caller says what that means), or NULL with entries.
  [[nodiscard]] bool translate(const NDK_SGE* sges, ULONG count) noexcept;
  /// For inline data, whose number of entries has no limit (R-INL-03): collects the octets themselves. False: more than
  /// kInlineBytesMax.
  [[nodiscard]] bool collect_inline(const NDK_SGE* sges, ULONG count) noexcept;
  std::span<const rdma::Sge> entries() const noexcept { return {sges_.data(), count_}; }

 private:
  std::size_t count_ = 0;
  std::array<rdma::Sge, kSgesMax> sges_;  // not initialised: a post is a hot path
  std::array<std::uint8_t, kInlineBytesMax> octets_;
};

/// R-CQ-14, R-CQ-15.
void translate(const rdma::Completion& from, NDK_RESULT& to) noexcept;
/// The same, with the operation's type (R-CQ-16..R-CQ-19), an invalidated token, and from 2.1 on the device's code
/// (R-CQ-21, R-CQ-22).
void translate(const rdma::Completion& from, NDK_RESULT_EX& to, NDK_VERSION version) noexcept;

}  // namespace softndk::provider
