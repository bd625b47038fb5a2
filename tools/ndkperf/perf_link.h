#pragma once
// One connection of ndkperf, on either side, and the queue that all of them share.
//
// Everything runs on one thread: it posts on every connection and takes the results of all from one queue.
#include <cstdint>
#include <memory>
#include <span>

#include "tools/common/common_options.h"
#include "tools/common/ndk_connection.h"
#include "tools/ndkperf/perf_message.h"

namespace softndk::tools {

/// Request contexts: what completed. The connection is in the QP context.
enum class PerfTag : std::uintptr_t { receive = 1, send = 2, write = 3, read = 4 };

struct PerfResult {
  class PerfLink* link;
  PerfTag tag;
  NTSTATUS status;
  std::uint32_t bytes;
};

class PerfLink {
 public:
  /// Buffers, queue pair, and receives posted: `hello` says what for.
  static Result<std::unique_ptr<PerfLink>> create(const Adapter& adapter, const Pd& pd, Cq& cq, const PerfHello& hello,
                                                  Side side);

  PerfBuffers buffers() const;
  Result<void> connect(const Adapter& adapter, const Address& source, const Address& destination,
                       const Deadline& deadline);
  Result<void> accept(const Adapter& adapter, std::unique_ptr<Connector> connector, const Deadline& deadline);
  Connector& connector() const { return *connector_; }

  Result<void> post_receive();
  /// Its first bytes.
  Result<void> send_load(std::size_t bytes, ULONG flags);
  Result<void> write_load(std::size_t bytes, ULONG flags);
  Result<void> read_load(std::size_t bytes, ULONG flags);
  /// One octet that says only that it comes after what was posted before.
  Result<void> send_notice(ULONG flags);
  Result<void> send_control(const PerfControl& control);
  /// The control message just received; the receive is posted again.
  Result<PerfControl> take_control();

  std::span<std::byte> in(std::size_t bytes) const { return in_->memory().subspan(load_at(), bytes); }
  std::span<std::byte> out(std::size_t bytes) const { return out_->memory().subspan(load_at(), bytes); }
  std::uint32_t receive_depth() const { return receive_depth_; }
  const PerfHello& hello() const { return hello_; }

  // What the loops count.
  std::uint64_t posted = 0;
  std::uint64_t completed = 0;
  std::uint64_t received = 0;
  std::uint32_t credits = 0;     ///< sends the peer has receives for
  std::uint32_t uncredited = 0;  ///< receives consumed that the peer was not told of
  bool disconnected = false;
  bool is_queued = false;  ///< among those that may post

 private:
  PerfLink() = default;
  std::size_t load_at() const { return hello_.is_control ? 0 : hello_.offset_bytes; }

  PerfHello hello_;
  PerfBuffers peer_;
  bool receives_load_ = false;  ///< into in_; otherwise into the slots of notes_
  std::uint32_t receive_depth_ = 0;
  Cq* cq_ = nullptr;
  std::unique_ptr<Region> in_;
  std::unique_ptr<Region> out_;
  std::unique_ptr<Region> notes_;  ///< control messages and notices, one to send and one to receive
  std::unique_ptr<Qp> qp_;
  std::unique_ptr<Connector> connector_;
};

/// How many receives a connection has, by what it is for.
std::uint32_t receive_depth(const PerfHello& hello, Side side);
/// Entries of the shared queue that are never too few.
ULONG cq_depth(const PerfHello& hello);

/// Takes results as the plan waits for them. Results of connections that have been disconnected are dropped; any other
/// that is not a success is a failure. Empty: a connection has ended.
Result<std::span<PerfResult>> take_results(Cq& cq, WaitMode wait, double limit_s, const char* waiting_for);

}  // namespace softndk::tools
