#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tools/ndkping/ping_test.h"
#include "tools/ndkping/ping_text.h"

namespace softndk::tools {
namespace {

/// What no text of ours is, so that stale bytes are found.
constexpr std::byte kStale{0xee};

Result<void> rping(PingLink& link, std::uint64_t number, std::size_t bytes) {
  fill_ping_text(link.outgoing(bytes), number);
  std::ranges::fill(link.incoming(bytes), kStale);
  if (auto sent = link.send(link.advertise_outgoing(bytes)); !sent) return sent;
  if (auto has_read = link.receive_more(); !has_read) return tl::unexpected(has_read.error());
  if (auto sent = link.send(link.advertise_incoming(bytes)); !sent) return sent;
  if (auto has_written = link.receive_more(); !has_written) return tl::unexpected(has_written.error());
  return check_ping_text(link.incoming(bytes), number, "the text that came back");
}

Result<void> rread(PingLink& link, std::uint64_t number, std::size_t bytes) {
  std::ranges::fill(link.incoming(bytes), kStale);
  if (auto sent = link.send({0, 0, static_cast<std::uint32_t>(bytes)}); !sent) return sent;
  const auto advertised = link.receive_more();
  if (!advertised) return tl::unexpected(advertised.error());
  if (advertised->size_bytes != bytes)
    return tl::unexpected(test_failure(
        fmt::format("the server offers {} bytes instead of {}", advertised->size_bytes, bytes), link.name()));
  if (auto read = link.read(*advertised, bytes); !read) return read;
  return check_ping_text(link.incoming(bytes), number, "the text read");
}

Result<void> rwrite(PingLink& link, std::uint64_t number, std::size_t bytes) {
  fill_ping_text(link.outgoing(bytes), number);
  if (auto sent = link.send({0, 0, static_cast<std::uint32_t>(bytes)}); !sent) return sent;
  const auto advertised = link.receive_more();
  if (!advertised) return tl::unexpected(advertised.error());
  if (auto written = link.write_outgoing(*advertised, bytes); !written) return written;
  // Behind the Write in the same queue, so its arrival says that all of it is there (R-RDMA-06).
  if (auto sent = link.send({0, 0, static_cast<std::uint32_t>(bytes)}); !sent) return sent;
  const auto verdict = link.receive_more();
  if (!verdict) return tl::unexpected(verdict.error());
  if (verdict->size_bytes != bytes)
    return tl::unexpected(test_failure("the server found other bytes than were written", link.name()));
  return {};
}

/// rbind and rinv.
Result<void> through_window(PingTest test, PingLink& link, std::uint64_t number, std::size_t bytes) {
  fill_ping_text(link.outgoing(bytes), number);
  const PingMessage size = {0, 0, static_cast<std::uint32_t>(bytes)};
  if (auto sent = link.send(size); !sent) return sent;
  const auto lent = link.receive_more();
  if (!lent) return tl::unexpected(lent.error());
  if (auto written = link.write_outgoing(*lent, bytes); !written) return written;
  if (test == PingTest::rbind) {
    std::ranges::fill(link.incoming(bytes), kStale);
    if (auto read = link.read(*lent, bytes); !read) return read;
    if (auto same = check_ping_text(link.incoming(bytes), number, "the text read back"); !same) return same;
  }
  const auto sent = test == PingTest::rinv ? link.send_and_invalidate(size, lent->token) : link.send(size);
  if (!sent) return sent;
  const auto verdict = link.receive_more();
  if (!verdict) return tl::unexpected(verdict.error());
  if (verdict->size_bytes != bytes)
    return tl::unexpected(test_failure("the server found other bytes than were written", link.name()));
  return {};
}

Result<void> run_one(PingTest test, PingLink& link, std::uint64_t number, std::size_t bytes) {
  switch (test) {
    case PingTest::rping:
      return rping(link, number, bytes);
    case PingTest::rread:
      return rread(link, number, bytes);
    case PingTest::rwrite:
      return rwrite(link, number, bytes);
    case PingTest::rbind:
    case PingTest::rinv:
      return through_window(test, link, number, bytes);
  }
  return {};
}

}  // namespace

Result<void> check_ping_text(std::span<const std::byte> found, std::uint64_t number, const std::string& where) {
  std::vector<std::byte> wanted(found.size());
  fill_ping_text(wanted, number);
  const auto mismatch = compare(wanted, found);
  if (!mismatch) return {};
  return tl::unexpected(test_failure(fmt::format("{} differs at byte {} of {}: {:#04x} instead of {:#04x}", where,
                                                 mismatch->offset, found.size(), std::to_integer<int>(mismatch->found),
                                                 std::to_integer<int>(mismatch->wanted))));
}

Result<void> run_ping_client(PingTest test, PingLink& link, const PingSchedule& schedule, const PingReport& report) {
  for (std::uint64_t number = 0; number < schedule.count; ++number) {
    const std::size_t bytes = schedule.sizes_bytes[number % schedule.sizes_bytes.size()];
    const auto start = std::chrono::steady_clock::now();
    const auto done = run_one(test, link, number, bytes);
    if (!done) return done;
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    const bool arrives = test == PingTest::rping || test == PingTest::rread;
    const auto text = arrives ? link.incoming(bytes) : link.outgoing(bytes);
    report({test, number, bytes, time.count(), text});
  }
  return link.disconnect();
}

}  // namespace softndk::tools
