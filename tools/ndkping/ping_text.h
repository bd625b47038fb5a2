#pragma once
// The text that rping sends: "rdma-ping-<n>: ", letters that start one further each time, one NUL at the end.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace softndk::tools {

/// Fills `out` with the text of transfer `number`. A buffer too short for the beginning holds as much of it as fits
/// before the NUL. No NUL comes earlier: the Linux server echoes up to the first one.
void fill_ping_text(std::span<std::byte> out, std::uint64_t number);

/// The first byte that is not as it should be.
struct Mismatch {
  std::size_t offset;
  std::byte wanted;
  std::byte found;
};
std::optional<Mismatch> compare(std::span<const std::byte> wanted, std::span<const std::byte> found);

}  // namespace softndk::tools
