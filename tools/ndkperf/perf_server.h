#pragma once
// The side that answers. What for, the client's private data says; the server has no plan of its own.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/ndkperf/connect_test.h"
#include "tools/ndkperf/perf_link.h"

namespace softndk::tools {

/// What the server has seen of a round.
struct ServedRound {
  std::size_t size_bytes = 0;
  std::uint64_t received = 0;  ///< messages; 0 where none are seen, as with Write
  bool is_right = false;       ///< the bytes
  double cpu_s = 0;            ///< from being ready to the end of the load
};
using PerfServed = std::function<void(const ServedRound&)>;

class PerfServer {
 public:
  PerfServer(const Adapter& adapter, WaitMode wait, double limit_s, PerfServed served)
      : adapter_(adapter), wait_(wait), limit_s_(limit_s), served_(std::move(served)) {}

  /// All connections of one client. This outlives `listener`. Where the connections are what is tested they go on
  /// arriving, and the listener is still needed; else it is stopped: one client, then the port is free for the next
  /// server.
  Result<void> accept_client(Listener& listener);
  /// Until the client has disconnected all of them in good order, after at least one round.
  Result<void> serve();
  /// Closes its connections, so that the listener's close can end; a client that still waits learns of it.
  void let_go();
  const PerfHello& hello() const { return hello_; }
  std::string peer_text() const { return control_->connector().peer_text(); }

 private:
  Result<std::unique_ptr<PerfLink>> accept_one(Listener& listener);
  Result<void> book(const PerfResult& result);
  Result<void> book_load(PerfLink& link);
  Result<void> book_control(const PerfControl& control);
  Result<void> answer_drained();
  /// Disconnects what the client has left. True: nothing is connected any more.
  Result<bool> follow_disconnects();

  const Adapter& adapter_;
  const WaitMode wait_;
  const double limit_s_;
  const PerfServed served_;
  PerfHello hello_;
  std::size_t size_bytes_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t expected_ = 0;
  bool is_draining_ = false;
  std::uint64_t cpu_before_ns_ = 0;
  std::uint64_t resident_before_kib_ = 0;
  std::uint64_t rounds_ = 0;
  bool is_right_ = true;
  std::unique_ptr<Pd> pd_;
  std::unique_ptr<Cq> cq_;
  std::unique_ptr<PerfLink> control_;
  std::vector<std::unique_ptr<PerfLink>> links_;
  std::unique_ptr<ConnectAcceptor> acceptor_;
};

}  // namespace softndk::tools
