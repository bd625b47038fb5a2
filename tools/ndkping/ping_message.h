#pragma once
// The only message of rping: 16 octets, big endian, by plain Send in both directions.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace softndk::tools {

/// Where a buffer of the sender is. All zeros is the server's "go ahead".
struct PingMessage {
  static constexpr std::size_t kWireBytes = 16;
  std::uint64_t address = 0;
  std::uint32_t token = 0;
  std::uint32_t size_bytes = 0;
  bool operator==(const PingMessage&) const = default;
};

void encode(const PingMessage& message, std::span<std::byte, PingMessage::kWireBytes> out);
PingMessage decode_ping(std::span<const std::byte, PingMessage::kWireBytes> in);

enum class PingTest : std::uint8_t { rping = 1, rread = 2, rwrite = 3, rbind = 4, rinv = 5 };
inline constexpr PingTest kPingTests[] = {PingTest::rping, PingTest::rread, PingTest::rwrite, PingTest::rbind,
                                          PingTest::rinv};
const char* to_string(PingTest test);

/// Private data of the connect request: which test the client is about to run. Linux rping sends none, and so does our
/// client for rping; the server takes its absence for that.
using PingHello = std::array<std::byte, 8>;
PingHello encode_hello(PingTest test);
/// nullopt: private data of somebody else.
std::optional<PingTest> decode_hello(std::span<const std::byte> in);

}  // namespace softndk::tools
