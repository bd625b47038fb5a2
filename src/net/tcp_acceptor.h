#pragma once
#include <optional>

#include "base/alloc.h"
#include "base/thread_safety.h"
#include "io/network.h"
#include "net/processor.h"
#include "net/sys.h"

namespace softndk::net {

/// A listening socket. Pausing shuts its receiving side down, after which Linux refuses newcomers by RST, keeps the
/// port bound and leaves accepted connections alone; listen() takes it up again (C-98).
class TcpAcceptor final : public io::Acceptor, private EventSource {
 public:
  /// `congestion` as for set_congestion_control(), for connections within the host; outlives the acceptor.
  static expected<OwnedInterface<TcpAcceptor>, io::IoError> open(const Address& local, unsigned backlog,
                                                                 io::AcceptSink& sink, Processor& processor,
                                                                 const char* congestion) noexcept;
  ~TcpAcceptor() override;

  void pause() noexcept override SOFTNDK_EXCLUDES(lock_);
  expected<void, io::IoError> resume() noexcept override SOFTNDK_EXCLUDES(lock_);
  void close() noexcept override SOFTNDK_EXCLUDES(lock_);
  const Address& local_address() const noexcept override { return local_; }

  /// For open().
  TcpAcceptor(const Address& local, unsigned backlog, io::AcceptSink& sink, Processor& processor,
              const char* congestion, sys::Fd fd) noexcept;

 private:
  enum class Phase : std::uint8_t { paused, listening, closing, closed };
  struct Accepted {
    sys::Fd fd;
    Address peer;
  };
  struct CloseTask : io::Task {
    CloseTask(TcpAcceptor& acceptor, Run run) : Task(run), acceptor(acceptor) {}
    TcpAcceptor& acceptor;
  };
  struct RetryTimer : io::Timer {
    RetryTimer(TcpAcceptor& acceptor, Run run) : Timer(run), acceptor(acceptor) {}
    TcpAcceptor& acceptor;
  };

  void on_events(std::uint32_t events) noexcept override SOFTNDK_EXCLUDES(lock_);
  std::optional<Accepted> accept_one() noexcept SOFTNDK_EXCLUDES(lock_);
  void hand_over(Accepted accepted) noexcept SOFTNDK_EXCLUDES(lock_);
  void back_off(long error) noexcept SOFTNDK_REQUIRES(lock_);
  void retry() noexcept SOFTNDK_EXCLUDES(lock_);
  expected<void, io::IoError> start_listening() noexcept SOFTNDK_REQUIRES(lock_);
  void stop_listening(Phase next) noexcept SOFTNDK_REQUIRES(lock_);
  void finish_closing() noexcept SOFTNDK_EXCLUDES(lock_);

  // Constant after construction.
  const Address local_;
  const int backlog_;
  io::AcceptSink& sink_;
  Processor& processor_;
  const char* const congestion_;

  CloseTask close_task_;
  RetryTimer retry_timer_;

  Mutex lock_;  // held for a system call or two; never while the sink is called
  sys::Fd fd_ SOFTNDK_GUARDED_BY(lock_);
  Phase phase_ SOFTNDK_GUARDED_BY(lock_) = Phase::paused;
  bool watched_ SOFTNDK_GUARDED_BY(lock_) = false;
  bool overload_told_ SOFTNDK_GUARDED_BY(lock_) = false;
};

}  // namespace softndk::net
