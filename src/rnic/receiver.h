#pragma once
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/ownership.h"
#include "io/byte_stream.h"
#include "io/executor.h"
#include "iwarp/rx_stream.h"
#include "rnic/link.h"
#include "rnic/parking.h"
#include "rnic/read_tracking.h"
#include "rnic/settings.h"
#include "rnic/transmitter.h"
#include "rnic/work_queues.h"

namespace softndk::rnic {

/// How the receive side uses a stream; handed over with attach().
struct RxAttachment {
  io::ByteStream* stream = nullptr;
  Link* link = nullptr;
  bool crc = true;
  const Settings* settings = nullptr;
  Bytes first_octets;                   ///< what came behind the MPA frame; valid until prepare() returned
  std::uint32_t inbound_reads_max = 0;  ///< Read Requests to have room for (IRD, at least 1)
};

/// What the peer did, or had to say; valid once kPeerFault or kPeerTerminate was raised.
struct PeerReport {
  iwarp::Terminate terminate;
};

/// The receive side of a queue pair: octets become placed memory, completions and work for the transmit side. One
/// thread at a time owns it: the stream's processor thread, or one that polls (CqPoller). Small frames arrive in that
/// thread's staging buffer by one large read, the payload of large ones goes straight into registered memory after the
/// header's checks.
class Receiver final : public iwarp::RxTarget, private RevokeWaiter {
 public:
  Receiver(const QpContext& context, Cq& cq, SpscFifo<PendingRead>& pending_reads, SpscFifo<InboundRead>& inbound_reads,
           Transmitter& transmitter, const PollMark& poll_mark);

  // Any thread.

  /// A receive was posted: looks whether somebody waits for it. Cheap when nobody does.
  void on_posted() noexcept {
    if (attention_.load()) command(kLook);  // partner: the store in park() and in flush handling
  }
  /// Takes the memory that the receive queue needs, or joins a shared one; false: there is none.
  [[nodiscard]] bool reserve_memory(const rdma::QpParameters& parameters, const rdma::DeviceCaps& caps) noexcept;
  /// Takes the memory that attach() needs, and the first octets; false: there is none.
  [[nodiscard]] bool prepare(const RxAttachment& attachment) noexcept;
  /// A stream to use from now on; while none is attached, after prepare().
  void attach(const RxAttachment& attachment) noexcept;
  void on_readable() noexcept { command(kReadable); }
  /// Reads what is there, on this thread, unless somebody reads already.
  void poll(const ReadRoom& room) noexcept {
    if (!ownership_.is_owned()) look(room);
  }
  /// The same; who reads already looks again.
  void look(const ReadRoom& room) noexcept {
    ownership_.run([this, &room] { return work_as_owner(room); });
  }
  /// Completes everything queued, and all that will be, as cancelled; what arrives is read on, and dropped where it
  /// would need a receive.
  void flush() noexcept { command(kFlush); }
  /// flush(), and nothing is read any more.
  void stop() noexcept { command(kFlush | kStop); }
  /// Lets go of all Reads that are on their way: they are done, as cancelled.
  void cancel_reads() noexcept { command(kCancelReads); }
  void detach() noexcept { command(kDetach); }

  ReceiveQueue& queue() { return queue_; }
  const ReceiveQueue& queue() const { return queue_; }
  /// On the connection's processor thread, after the event that announces it.
  const PeerReport& report() const { return report_; }
  /// Nothing of it runs or is about to run.
  bool is_idle() const {
    // First: on_revoked() leaves the task before it says that it is gone.
    return wakers_.load() == 0 && !ownership_.is_owned() && !owner_task_.is_queued() && !park_timer_.is_queued();
  }

  // iwarp::RxTarget, by the owner.
  Verdict begin_segment(const iwarp::Segment& segment, iwarp::TerminateCode& why) noexcept override;
  Verdict map(const iwarp::Segment& segment, std::uint32_t offset, std::uint32_t length, std::span<IoSpan> spans,
              std::size_t& count, iwarp::TerminateCode& why) noexcept override;
  void unmap(const iwarp::Segment& segment) noexcept override;
  Verdict place(const iwarp::Segment& segment, std::uint32_t offset, Bytes octets, std::uint32_t& placed,
                iwarp::TerminateCode& why) noexcept override;
  Verdict end_segment(const iwarp::Segment& segment, iwarp::TerminateCode& why) noexcept override;
  Verdict on_read_request(const iwarp::ReadRequest& request, iwarp::TerminateCode& why) noexcept override;
  void on_terminate(const iwarp::ReceivedTerminate& received) noexcept override;
  void on_first_fpdu() noexcept override;

 private:
  enum Command : std::uint32_t {
    kAttach = 1u << 0,
    kReadable = 1u << 1,
    kLook = 1u << 2,
    kFlush = 1u << 3,
    kStop = 1u << 4,
    kCancelReads = 1u << 5,
    kDetach = 1u << 6,
    kNoReceiveTimeout = 1u << 7,
  };
  static constexpr unsigned kReadsInRow = 16;
  static constexpr unsigned kReadsInPoll = 4;
  struct OwnerTask : io::Task {
    using Task::Task;
    Receiver* receiver = nullptr;
  };
  struct ParkTimer : io::Timer {
    using Timer::Timer;
    Receiver* receiver = nullptr;
  };
  /// Where the octets of the Send at hand go.
  enum class SendSink : std::uint8_t { none, receive, parked, dropped };

  void command(std::uint32_t bits) noexcept;
  bool work_as_owner(const ReadRoom& room) noexcept;
  void obey_commands() noexcept;
  void take_attachment() noexcept;
  /// False: nothing more to read now.
  bool read_some(const ReadRoom& room) noexcept;
  bool take_result(const iwarp::RxResult& result) noexcept;
  bool keep_unconsumed(Bytes octets) noexcept;
  Verdict begin_send(const iwarp::Segment& segment, iwarp::TerminateCode& why) noexcept;
  bool open_send(const iwarp::Segment& segment) noexcept;
  Verdict end_send(const iwarp::Segment& segment, iwarp::TerminateCode& why) noexcept;
  /// `segment`: the message's last, or of a parked one the first with the last's STag to invalidate.
  Verdict deliver_send(const iwarp::Segment& segment, std::uint32_t bytes, iwarp::TerminateCode& why) noexcept;
  void on_revoked() noexcept override;
  void finish_drain() noexcept;
  void forget_drain() noexcept;
  Verdict check_write(const iwarp::Segment& segment, iwarp::TerminateCode& why) noexcept;
  Verdict check_response(const iwarp::Segment& segment, iwarp::TerminateCode& why) noexcept;
  /// Octets [offset, offset + length) of a scatter list, pinned; 0 spans: an sge is not what it should be.
  std::size_t map_sges(std::span<rdma::Sge> sges, std::uint64_t offset, std::uint32_t length,
                       std::span<IoSpan> spans) noexcept;
  /// Moves octets to [offset, ...) of a scatter list; false: an sge is not what it should be.
  bool scatter(std::span<rdma::Sge> sges, std::uint64_t offset, Bytes octets) noexcept;
  std::size_t map_scratch(std::uint32_t length, std::span<IoSpan> spans) noexcept;
  /// The completion of the receive at the front.
  rdma::Completion received(rdma::WorkStatus status, std::uint32_t bytes) noexcept;
  void place_receive(const rdma::Completion& completion) noexcept;
  void complete_fault(iwarp::TerminateCode code) noexcept;

  void look_at_parked() noexcept;
  bool move_to_receive(ParkingLot::Message& message) noexcept;
  void on_no_receive() noexcept;
  void report_fault(const iwarp::Terminate& terminate) noexcept;
  void flush_queue() noexcept;
  void cancel_pending_reads() noexcept;
  void finish_read(rdma::WorkStatus status, std::uint32_t device_code) noexcept;
  void raise(std::uint32_t events) noexcept {
    if (link_ != nullptr) link_->raise(events);
  }

  const QpContext& context_;
  Cq& cq_;
  SpscFifo<PendingRead>& pending_reads_;
  SpscFifo<InboundRead>& inbound_reads_;
  Transmitter& transmitter_;
  const PollMark& poll_mark_;
  ReceiveQueue queue_;

  Ownership ownership_;
  std::atomic<std::uint32_t> commands_{0};
  std::atomic<bool> attention_{false};    ///< a posted receive must be looked at: parked Sends, or a flush
  std::atomic<bool> drained_{false};      ///< what draining_ waits for has happened
  std::atomic<std::uint32_t> wakers_{0};  ///< calls of on_revoked() that are due or running
  OwnerTask owner_task_;
  ParkTimer park_timer_;
  RxAttachment attachment_;  // written by attach() before the command
  LazyMemory new_verify_room_;

  // The owner's.
  MutableBytes scratch_;  ///< of the thread that is it
  io::ByteStream* stream_ = nullptr;
  Link* link_ = nullptr;
  const Settings* settings_ = nullptr;
  std::optional<iwarp::RxStream> rx_;
  LazyMemory verify_room_;
  LazyMemory unconsumed_;  // octets read but not taken, while stalled
  std::size_t unconsumed_bytes_ = 0;
  bool disarmed_ = false;  // the reactor has been told that it need not watch the stream
  bool reading_ = false;   // octets are still of interest
  bool stalled_ = false;
  bool at_fault_ =
      false;  // the peer is: nothing counts of what it has sent behind that, parked or still to be looked at
  bool flushed_ = false;
  bool cancelling_reads_ = false;  // responses that still come are dropped
  std::uint32_t inbound_reads_max_ = 0;
  std::uint64_t frames_counted_ = 0;

  // The Send at hand.
  SendSink send_sink_ = SendSink::none;
  ParkingLot parking_;
  struct Waiting {
    iwarp::Segment header;
    io::TimeNs arrived_ns;
  };
  /// The receive at the front, whose Send took a token of ours away: reported when nobody uses that any more.
  struct Draining {
    Revocable* revocable;  ///< held
    rdma::Completion completion;
  };
  std::optional<Draining> draining_;
  std::optional<Waiting> at_the_gate_;  // a Send for which the empty lot had no memory: reading has stalled before it
  rdma::WorkStatus receive_fault_ = rdma::WorkStatus::success;  // of the receive at the front, once it failed
  rdma::WorkStatus read_fault_ = rdma::WorkStatus::success;     // of the Read at the front, likewise
  // Between map() and unmap().
  std::array<RegionPin, iwarp::RxStream::kMapSpansMax> pins_;
  std::size_t pin_count_ = 0;
  bool kick_due_ = false;  // the transmit side has something new to look at
  PeerReport report_;
};

}  // namespace softndk::rnic
