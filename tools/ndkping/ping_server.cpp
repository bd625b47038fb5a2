#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tools/ndkping/ping_test.h"
#include "tools/ndkping/ping_text.h"

namespace softndk::tools {
namespace {

constexpr PingMessage kGoAhead{};

Result<void> rping(PingLink& link, std::uint64_t number, const PingMessage& source) {
  const std::size_t bytes = source.size_bytes;
  if (auto read = link.read(source, bytes); !read) return read;
  if (auto same = check_ping_text(link.incoming(bytes), number, "the text read from the client"); !same) return same;
  if (auto sent = link.send(kGoAhead); !sent) return sent;
  const auto sink = link.receive_more();
  if (!sink) return tl::unexpected(sink.error());
  if (auto written = link.write_incoming(*sink, bytes); !written) return written;
  return link.send(kGoAhead);
}

Result<void> rread(PingLink& link, std::uint64_t number, std::size_t bytes) {
  fill_ping_text(link.outgoing(bytes), number);
  return link.send(link.advertise_outgoing(bytes));
}

Result<void> rwrite(PingLink& link, std::uint64_t number, std::size_t bytes) {
  std::ranges::fill(link.incoming(bytes), std::byte{0xee});
  if (auto sent = link.send(link.advertise_incoming(bytes)); !sent) return sent;
  if (auto written = link.receive_more(); !written) return tl::unexpected(written.error());
  const auto same = check_ping_text(link.incoming(bytes), number, "the text the client wrote");
  if (auto sent = link.send({0, 0, same ? static_cast<std::uint32_t>(bytes) : 0}); !sent) return sent;
  return same;
}

/// rbind and rinv.
Result<void> through_window(PingTest test, PingLink& link, std::uint64_t number, std::size_t bytes) {
  std::ranges::fill(link.incoming(bytes), std::byte{0xee});
  const auto lent = link.lend_incoming(bytes);
  if (!lent) return tl::unexpected(lent.error());
  if (auto sent = link.send(*lent); !sent) return sent;
  if (auto written = link.receive_more(); !written) return tl::unexpected(written.error());
  const std::uint32_t invalidated = link.invalidated_token();
  const std::uint32_t wanted = test == PingTest::rinv ? lent->token : 0;
  if (invalidated != wanted)
    return tl::unexpected(
        test_failure(fmt::format("the client's message invalidated token {:#x} instead of {:#x}", invalidated, wanted),
                     link.name(), "R-CQ-18"));
  // What the peer has taken away can be bound again at once: the next transfer does.
  if (test == PingTest::rbind)
    if (auto done = link.take_back(); !done) return done;
  const auto same = check_ping_text(link.incoming(bytes), number, "the text the client wrote");
  if (auto sent = link.send({0, 0, same ? static_cast<std::uint32_t>(bytes) : 0}); !sent) return sent;
  return same;
}

Result<void> run_one(PingTest test, PingLink& link, std::uint64_t number, const PingMessage& message) {
  switch (test) {
    case PingTest::rping:
      return rping(link, number, message);
    case PingTest::rread:
      return rread(link, number, message.size_bytes);
    case PingTest::rwrite:
      return rwrite(link, number, message.size_bytes);
    case PingTest::rbind:
    case PingTest::rinv:
      return through_window(test, link, number, message.size_bytes);
  }
  return {};
}

}  // namespace

Result<void> run_ping_server(PingTest test, PingLink& link, const PingReport& report) {
  for (std::uint64_t number = 0;; ++number) {
    const auto message = link.receive();
    if (!message) return tl::unexpected(message.error());
    if (!*message) {
      if (number == 0) return tl::unexpected(test_failure("the client disconnected before any transfer", link.name()));
      return link.disconnect();
    }
    const std::size_t bytes = (*message)->size_bytes;
    if (bytes == 0 || bytes > link.buffer_bytes())
      return tl::unexpected(test_failure(
          fmt::format("the client asks for {} bytes; this side has {} (--size)", bytes, link.buffer_bytes()),
          link.name()));
    const auto start = std::chrono::steady_clock::now();
    const auto done = run_one(test, link, number, **message);
    if (!done) return done;
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    report({test, number, bytes, time.count(), test == PingTest::rread ? link.outgoing(bytes) : link.incoming(bytes)});
  }
}

}  // namespace softndk::tools
