#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "base/bytes.h"
#include "base/lazy_memory.h"
#include "io/clock.h"
#include "io/executor.h"
#include "rnic/settings.h"

namespace softndk::rnic {

/// Where a thread that reads sockets puts what has no other place.
struct ReadRoom {
  MutableBytes staging;     ///< what one read takes of small frames
  MutableBytes scratch;     ///< octets that nobody wants
  bool is_polling = false;  ///< the thread is a consumer's, in a poll
};

/// Whether a queue pair is moved on by polls, and not by events: while somebody polls, and while it is connected, since
/// before and after that its news concern a connection that has to wait for nobody. Who finds a stream dry or full, and
/// then finds this false, arms it. Who makes it false looks at the streams afterwards. So one of the two sees to it.
class PollMark {
 public:
  bool is_polled() const noexcept { return pollers_.load() != 0 && connected_.load(); }
  bool is_connected() const noexcept { return connected_.load(std::memory_order_acquire); }
  void set_connected(bool connected) noexcept { connected_.store(connected); }
  void begin() noexcept { pollers_.fetch_add(1); }
  void end() noexcept { pollers_.fetch_sub(1); }

 private:
  std::atomic<std::uint32_t> pollers_{0};  ///< completion queues
  std::atomic<bool> connected_{false};
};

/// A queue pair, as a poll of its completion queue moves it on.
class PolledSide {
 public:
  /// Somebody polls from now on: no event need tell the processor of octets or room.
  virtual void begin_polling() noexcept = 0;
  /// Reads what is there, and writes what TCP had no room for before.
  virtual void poll(const ReadRoom& room) noexcept = 0;
  /// He does not any more; what is there or comes is seen to. Once for each begin_polling().
  virtual void end_polling(const ReadRoom& room) noexcept = 0;

 protected:
  ~PolledSide() = default;
};

/// Progress on the thread that polls an empty completion queue (docs/notes/0008). Two threads a process, one that polls
/// the queue and one that polls the sockets, cost each message a hop from one to the other, and on a machine whose CPUs
/// are busy a switch. So once a consumer is seen to poll without a pause, it reads the queue pairs' sockets itself, and
/// the processor's reactor lets go of them (a socket that another thread watches costs its reader three times as much).
///
/// It ends when the consumer arms the queue, or has paused: the processor looks after it, the more seldom the longer it
/// has gone on, because each look takes the CPU from somebody who spins. So what needs no consumer (a peer's Writes and
/// Reads) is never held up for longer than 2 * kLeaseMaxNs; what a connection does (a disconnect) not at all
/// (PollMark).
///
/// Whoever looks at the members holds `busy_`, which nobody ever waits for: who finds it taken tries again, or need
/// not.
class CqPoller {
 public:
  CqPoller(io::Processor& processor, io::Clock& clock, PollReads when) noexcept;

  /// Any thread. A member that finds no room is not polled: the reactor serves it as before.
  void add(PolledSide& side) noexcept;
  /// False: somebody is polling; to be tried again. True: nobody does or will.
  [[nodiscard]] bool try_remove(PolledSide& side) noexcept;

  // The consumer, one thread at a time.

  /// A poll has found nothing. True: something was done, and another look is worth while.
  bool on_empty() noexcept {
    if (++empty_polls_ < empty_polls_min_) return false;
    return progress();
  }
  /// A poll has found something: those that find some at each poll must not keep the peer waiting for ever.
  void on_found() noexcept {
    if (active_.load(std::memory_order_relaxed) && ++found_polls_ % kFoundPollsMax == 0) progress();
    if (!active_.load(std::memory_order_relaxed)) empty_polls_ = 0;
  }
  /// The consumer does not poll for now, but waits to be told.
  void on_arm() noexcept {
    empty_polls_ = 0;
    if (!active_.load()) return;
    leave_due_.store(true);
    if (!busy_.exchange(true)) let_go();  // else whoever is there sees to it
  }

  // On the processor.
  bool is_queued() const noexcept { return lease_.is_queued(); }
  void close() noexcept { processor_.cancel(lease_); }

 private:
  static constexpr unsigned kSlots = 16;
  static constexpr unsigned kEmptyPollsMin = 32;
  static constexpr io::TimeNs kEntryNs = 300 * io::kMicrosecond;  ///< in which as many must have come
  static constexpr unsigned kFoundPollsMax = 16;
  static constexpr io::TimeNs kLeaseMinNs = io::kMillisecond;
  static constexpr io::TimeNs kLeaseMaxNs = 16 * io::kMillisecond;
  static constexpr std::uint32_t kPollsPerLease = 20;  ///< so a pause is seen at the end of the lease after its own
  struct Lease : io::Timer {
    using Timer::Timer;
    CqPoller* poller = nullptr;
  };
  struct Slot {
    std::atomic<PolledSide*> side{nullptr};
    bool is_polled = false;  // guarded by busy_: it has been told so
  };
  struct Room {
    std::uint8_t staging[128 * 1024];
    std::uint8_t scratch[16 * 1024];
  };

  ReadRoom room() const noexcept;
  bool progress() noexcept;
  bool enter() noexcept;
  /// Gives `busy_` back, and obeys who has meanwhile asked to leave.
  void let_go() noexcept;
  void leave() noexcept;
  void on_lease() noexcept;

  io::Processor& processor_;
  io::Clock& clock_;
  const PollReads when_;
  const std::uint32_t empty_polls_min_;
  std::array<Slot, kSlots> slots_;
  std::atomic<unsigned> used_{0};  ///< slots that may hold somebody: the first so many
  std::atomic<bool> busy_{false};
  std::atomic<bool> active_{false};     ///< changed under busy_
  std::atomic<bool> leave_due_{false};  ///< the consumer has armed
  std::atomic<std::uint32_t> polls_{0};
  LazyMemory memory_;
  Lease lease_;
  io::TimeNs lease_ns_ = 0;       // under busy_
  std::uint32_t polls_seen_ = 0;  // likewise

  // The consumer's.
  alignas(64) std::uint32_t empty_polls_ = 0;
  std::uint32_t found_polls_ = 0;
  io::TimeNs first_empty_ns_ = 0;
};

}  // namespace softndk::rnic
