#pragma once
// The tests, each as seen from its client and from its server. Both sides run the same one.
//
//   rping   client advertises a buffer, server reads it, client advertises another, server writes the same text there,
//           client compares. It is what Linux rping does, so either side may be that program.
//   rread   client asks, server advertises a buffer with the text, client reads it and compares
//   rwrite  client asks, server advertises a buffer, client writes the text there, server compares and answers
//   rbind   as rwrite, through a memory window that the server binds for each transfer; client reads the text back
//           through it and compares, too, before the server invalidates it
//   rinv    as rwrite, through such a window, which the client's last message takes away: a Send with Invalidate
//
// The client decides when it is over: it disconnects. All but rping carry their text's size in the messages of rping.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "tools/ndkping/ping_link.h"

namespace softndk::tools {

struct PingTransfer {
  PingTest test;
  std::uint64_t number;  ///< from 0, over the run of that test
  std::size_t bytes;
  double time_us;  ///< client: from its first message to the verdict; server: from the message to its own last
  std::span<const std::byte> text;
};
using PingReport = std::function<void(const PingTransfer&)>;

/// `count` transfers of these sizes, over and over, from the first on.
struct PingSchedule {
  std::uint64_t count;
  std::span<const std::size_t> sizes_bytes;
};
/// All of them, then a graceful disconnect.
Result<void> run_ping_client(PingTest test, PingLink& link, const PingSchedule& schedule, const PingReport& report);
/// Until the client disconnects in good order, after at least one transfer.
Result<void> run_ping_server(PingTest test, PingLink& link, const PingReport& report);

/// A failure that names the first wrong byte, or success.
Result<void> check_ping_text(std::span<const std::byte> found, std::uint64_t number, const std::string& where);

}  // namespace softndk::tools
