#pragma once
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/ownership.h"
#include "io/byte_stream.h"
#include "io/executor.h"
#include "iwarp/mpa_handshake.h"
#include "iwarp/terminate.h"
#include "iwarp/tx_framer.h"
#include "rnic/batch_buffers.h"
#include "rnic/cq.h"
#include "rnic/link.h"
#include "rnic/read_tracking.h"
#include "rnic/settings.h"
#include "rnic/tpt/token_table.h"
#include "rnic/work_queues.h"

namespace softndk::rnic {

/// What both directions of a queue pair share; constant after construction.
struct QpContext {
  TokenTable& tokens;
  const TokenDomain& domain;
  void* consumer_context;
  Access read_access;  ///< what a read needs of its sinks
  rdma::DeviceCounters& counters;
  io::Clock& clock;
  io::Processor& processor;
  MutableBytes staging;  ///< the processor's: what one read takes of small frames
  MutableBytes scratch;  ///< the processor's: where octets go that nobody wants
  DeferPolicy defer;
  BatchBufferPool& batch_buffers;  ///< the processor's
};

/// How the transmit side uses a stream; handed over with attach().
struct TxAttachment {
  io::ByteStream* stream = nullptr;
  Link* link = nullptr;
  bool crc = true;
  bool markers = false;
  bool aligned = true;                    ///< fpdu=aligned: whole FPDUs of one segment a write
  iwarp::Rtr rtr = iwarp::Rtr::none;      ///< the initiator's first message
  std::uint32_t outbound_read_limit = 0;  ///< our Reads in progress (ORD)
};

/// The transmit side of a queue pair: initiator requests and read responses become FPDUs, FPDUs become gathering
/// writes. One thread at a time owns it: a poster that finds it free sends in its own context, a poster that finds it
/// taken leaves its request to the owner; the owner looks again after it let go (Ownership). Nobody ever waits.
class Transmitter final : private RevokeWaiter {
 public:
  Transmitter(const QpContext& context, Cq& cq, SpscFifo<PendingRead>& pending_reads,
              SpscFifo<InboundRead>& inbound_reads, const PollMark& poll_mark);
  ~Transmitter();

  // Any thread.

  /// Something was queued: requests in the ring (`own_bytes` of them the caller's), reads to answer, or a Read has
  /// been finished.
  void kick(std::size_t own_bytes = 0) noexcept { run(own_bytes + kPosterBytesMax); }
  /// The poster has queued something, or must start what it deferred before.
  void post(std::size_t own_bytes = 0) noexcept {
    queue_.release_deferred();
    kick(own_bytes);
  }
  /// Takes the memory that attach() needs; false: there is none.
  [[nodiscard]] bool prepare() noexcept;
  /// A stream to use from now on; while none is attached, after prepare(). Sends nothing before open_gate().
  void attach(const TxAttachment& attachment) noexcept;
  /// Messages may go out: the initiator's consumer completed the connect, or the responder saw a valid FPDU.
  void open_gate() noexcept { command(kOpenGate); }
  void on_writable() noexcept { command(kWritable); }
  /// Tries again what TCP had no room for, and goes on with what was too much for one call.
  void poll() noexcept {
    if (!blocked_.load() && !unfinished_.load()) return;
    commands_.fetch_or(kWritable);
    run(kPollBytesMax);
  }
  /// Sends `terminate` at the next FPDU boundary and nothing after it. Once for a stream.
  void send_terminate(const iwarp::Terminate& terminate) noexcept;
  /// Completes everything queued, and all that will be, as cancelled; an FPDU that is half out is still finished.
  void flush() noexcept { command(kFlush); }
  /// flush(), and no message goes out any more (a Terminate may). `dead`: nor anything else.
  void stop(bool dead) noexcept { command(dead ? kStop | kDead : kStop); }
  /// FIN once everything queued has gone out.
  void finish() noexcept { command(kFinish); }
  /// Forgets the stream; raises kTxDetached when nobody touches it any more.
  void detach() noexcept { command(kDetach); }
  /// How to ask the receive side to let go of the Reads that are on their way: set by the queue pair.
  void set_cancel_reads(void (*cancel)(void*) noexcept, void* context) noexcept {
    cancel_reads_ = cancel;
    cancel_context_ = context;
  }

  SendQueue& queue() { return queue_; }
  const SendQueue& queue() const { return queue_; }
  /// What is to be sent waits until the peer takes what was sent before.
  bool waits_for_peer() const { return blocked_.load(); }
  /// Nothing of it runs or is about to run.
  bool is_idle() const {
    // First: on_revoked() leaves its word before it says that it is gone.
    return wakers_.load() == 0 && !ownership_.is_owned() && !owner_task_.is_queued();
  }

 private:
  enum Command : std::uint32_t {
    kAttach = 1u << 0,
    kOpenGate = 1u << 1,
    kWritable = 1u << 2,
    kTerminate = 1u << 3,
    kFlush = 1u << 4,
    kStop = 1u << 5,
    kDead = 1u << 6,
    kFinish = 1u << 7,
    kDetach = 1u << 8,
  };
  /// A marker is a span, and cuts one of the payload in two. So an FPDU with markers has to stay small for a batch to
  /// hold it: 4 pages and, of 32 sges, two more each; header, trailer, pad.
  static constexpr std::uint32_t kMarkedUlpduBytesMax = 16 * 1024;
  static_assert(4 + 2 * 32 + 2 * (kMarkedUlpduBytesMax / iwarp::kMarkerInterval + 2) + 3 <= BatchBuffers::kSpans);
  static constexpr std::size_t kBatchBytes = 256 * 1024;
  /// Payload up to this is copied into the arena: one span for a whole small FPDU is cheaper than three.
  static constexpr std::uint32_t kCopyBytesMax = 256;
  /// What a poster may send of others' work before it hands the rest to the processor.
  static constexpr std::size_t kPosterBytesMax = 64 * 1024;
  static constexpr std::size_t kPollBytesMax = 256 * 1024;
  static constexpr unsigned kResponsesInRowMax = 4;
  static constexpr unsigned kBatchPins = 16;

  struct OwnerTask : io::Task {
    using Task::Task;
    Transmitter* transmitter = nullptr;
  };
  struct SinkWaiter final : RevokeWaiter {
    explicit SinkWaiter(Transmitter& it) noexcept : self(it) {}
    void on_revoked() noexcept override { self.wake(self.sink_revoked_); }
    Transmitter& self;
  };
  void wake(std::atomic<bool>& news) noexcept;

  void command(std::uint32_t bits) noexcept {
    interleave_point();
    commands_.fetch_or(bits);
    run(kPosterBytesMax);
  }
  void run(std::size_t budget_bytes) noexcept;
  bool work_as_owner() noexcept SOFTNDK_REQUIRES(ownership_);
  /// False: the ownership has gone elsewhere.
  bool send_as_owner() noexcept SOFTNDK_REQUIRES(ownership_);
  void take_buffers() noexcept SOFTNDK_REQUIRES(ownership_);
  void give_buffers_back() noexcept SOFTNDK_REQUIRES(ownership_);
  void obey_commands() noexcept SOFTNDK_REQUIRES(ownership_);
  void take_attachment() noexcept SOFTNDK_REQUIRES(ownership_);
  bool write_batch() noexcept SOFTNDK_REQUIRES(ownership_);
  void batch_written() noexcept SOFTNDK_REQUIRES(ownership_);
  void fill_batch() noexcept SOFTNDK_REQUIRES(ownership_);
  bool append_control() noexcept SOFTNDK_REQUIRES(ownership_);
  bool everything_sent() noexcept SOFTNDK_REQUIRES(ownership_);
  /// How far requests may begin. A disconnect waits for nobody to end his chain (R-DEF-07).
  RecordRing::Position startable() noexcept SOFTNDK_REQUIRES(ownership_) {
    const bool all = context_.defer == DeferPolicy::at_once || finish_due_;
    return all ? queue_.ring().published() : queue_.released();
  }
  bool fits(std::uint32_t stream_bytes, const iwarp::TxRoom& room) const noexcept SOFTNDK_REQUIRES(ownership_);

  enum class Append : std::uint8_t {
    done,
    full,     ///< not in this batch
    stalled,  ///< not before a Read of ours has finished
  };

  // Requests of ours.
  Append append_request_fpdu() noexcept SOFTNDK_REQUIRES(ownership_);
  bool start_record(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  iwarp::TxMessage message_of(const SendRecord& record) const noexcept;
  bool is_small(const SendRecord& record) const noexcept SOFTNDK_REQUIRES(ownership_);
  Append append_small(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  Append append_read(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  bool pin_sges(SendRecord& record, Access access) noexcept SOFTNDK_REQUIRES(ownership_);
  void unpin_sges(SendRecord& record, std::size_t count) noexcept SOFTNDK_REQUIRES(ownership_);
  void release_record(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  /// `record` cannot be executed: it carries the reason, and nothing behind it will be.
  Append refuse(SendRecord& record, rdma::WorkStatus status) noexcept SOFTNDK_REQUIRES(ownership_);

  // Fast-registers, binds and invalidates, which never see the wire (transmitter_memory.cpp).
  Append execute_memory_work(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  /// False: not before the window or the region has told us what it is about to.
  bool cancel_memory_work(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  void end_memory_work(SendRecord& record, bool bound) noexcept SOFTNDK_REQUIRES(ownership_);
  void on_revoked() noexcept override;
  /// A Read that is done and has its sink to invalidate (R-RLI-01). False: not yet.
  bool invalidate_sink(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);
  void leave_sink(SendRecord& record) noexcept SOFTNDK_REQUIRES(ownership_);

  // Answers to the peer's Reads.
  Append append_response_fpdu() noexcept SOFTNDK_REQUIRES(ownership_);
  /// One FPDU of `message` from `offset`, its payload found by `map(offset, length, spans) -> count`.
  template <class Map>
  bool append_cut(const iwarp::TxMessage& message, std::uint32_t& offset, Map&& map) noexcept
      SOFTNDK_REQUIRES(ownership_);

  void retire() noexcept SOFTNDK_REQUIRES(ownership_);
  void complete(SendRecord& record, rdma::WorkStatus status) noexcept SOFTNDK_REQUIRES(ownership_);
  void flush_queue() noexcept SOFTNDK_REQUIRES(ownership_);
  void keep_half_sent_octets() noexcept SOFTNDK_REQUIRES(ownership_);
  void drop_batch() noexcept SOFTNDK_REQUIRES(ownership_);
  void give_up(const iwarp::Terminate& terminate) noexcept SOFTNDK_REQUIRES(ownership_);
  void raise(std::uint32_t events) noexcept SOFTNDK_REQUIRES(ownership_) {
    if (link_ != nullptr) link_->raise(events);
  }

  const QpContext& context_;
  Cq& cq_;
  SpscFifo<PendingRead>& pending_reads_;
  SpscFifo<InboundRead>& inbound_reads_;
  const PollMark& poll_mark_;
  SendQueue queue_;
  void (*cancel_reads_)(void*) noexcept = nullptr;
  void* cancel_context_ = nullptr;

  Ownership ownership_;
  std::atomic<std::uint32_t> commands_{0};
  bool has_reserved_ = false;         // batch buffers; likewise
  TxAttachment attachment_;           // written by attach() before the command, read by the owner after it
  iwarp::Terminate asked_terminate_;  // likewise, by send_terminate()
  OwnerTask owner_task_;
  std::atomic<bool> revoked_{false};      ///< what the invalidate at built_ waits for has happened
  std::atomic<std::uint32_t> wakers_{0};  ///< calls of on_revoked() that are due or running, of both kinds
  SinkWaiter sink_waiter_{*this};
  std::atomic<bool> sink_revoked_{false};  ///< what the Read at retire_ waits for has happened

  // The owner's.
  io::ByteStream* stream_ SOFTNDK_GUARDED_BY(ownership_) = nullptr;
  Link* link_ SOFTNDK_GUARDED_BY(ownership_) = nullptr;
  std::optional<iwarp::TxFramer> framer_ SOFTNDK_GUARDED_BY(ownership_);
  iwarp::TxSequence sequence_ SOFTNDK_GUARDED_BY(ownership_);
  BatchBuffers* buffers_ SOFTNDK_GUARDED_BY(ownership_) = nullptr;  // behind batch_, while that is filled or has octets
  std::optional<iwarp::GatherList> batch_ SOFTNDK_GUARDED_BY(ownership_);
  LazyMemory kept_ SOFTNDK_GUARDED_BY(ownership_);  // octets of a half-sent batch whose requests were flushed
  bool aligned_ SOFTNDK_GUARDED_BY(ownership_) = true;
  bool markers_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool gate_open_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool spoken_ SOFTNDK_GUARDED_BY(ownership_) = false;  // an FPDU of ours has gone out
  std::atomic<bool> unfinished_{false};                 ///< too much for one call: the next poll goes on. Likewise
  std::atomic<bool> blocked_{false};  ///< TCP is full; a write event is armed. The owner's, who lets others look
  bool flushed_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool stopped_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool dead_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool finish_due_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool finished_ SOFTNDK_GUARDED_BY(ownership_) = false;
  iwarp::Terminate terminate_ SOFTNDK_GUARDED_BY(ownership_);
  bool terminate_due_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool terminate_in_batch_ SOFTNDK_GUARDED_BY(ownership_) = false;
  iwarp::Rtr rtr_due_ SOFTNDK_GUARDED_BY(ownership_) = iwarp::Rtr::none;
  bool rtr_in_batch_ SOFTNDK_GUARDED_BY(ownership_) = false;
  bool half_message_ SOFTNDK_GUARDED_BY(ownership_) = false;  // a message was abandoned: no other may follow
  std::uint32_t read_limit_ SOFTNDK_GUARDED_BY(ownership_) = 0;
  std::uint32_t segment_bytes_ SOFTNDK_GUARDED_BY(ownership_) = 0;
  std::size_t budget_bytes_ SOFTNDK_GUARDED_BY(ownership_) = 0;  // what this owner may still send
  std::uint32_t frames_in_batch_ SOFTNDK_GUARDED_BY(ownership_) = 0;

  // Positions in the initiator queue: retire_ <= sent_ <= built_ = cursor.
  RecordRing::Position retire_ SOFTNDK_GUARDED_BY(ownership_) = 0;  // oldest without completion
  RecordRing::Position sent_ SOFTNDK_GUARDED_BY(ownership_) = 0;    // everything before is with TCP
  RecordRing::Position built_ SOFTNDK_GUARDED_BY(ownership_) = 0;   // everything before is cut
  iwarp::TxMessage message_ SOFTNDK_GUARDED_BY(ownership_);         // of the record at built_, once started
  std::uint32_t message_offset_ SOFTNDK_GUARDED_BY(ownership_) = 0;

  std::uint32_t sinks_to_invalidate_ SOFTNDK_GUARDED_BY(ownership_) = 0;  // Reads begun whose sinks still have to go
  bool sink_waits_ SOFTNDK_GUARDED_BY(ownership_) = false;  // the one at retire_, for accesses in progress

  // The response being sent.
  RegionPin response_pin_ SOFTNDK_GUARDED_BY(ownership_);
  bool response_started_ SOFTNDK_GUARDED_BY(ownership_) = false;
  RegionPin batch_pins_[kBatchPins] SOFTNDK_GUARDED_BY(ownership_);  // of responses that end in the batch
  unsigned batch_pin_count_ SOFTNDK_GUARDED_BY(ownership_) = 0;
  std::uint32_t response_offset_ SOFTNDK_GUARDED_BY(ownership_) = 0;
  unsigned responses_in_row_ SOFTNDK_GUARDED_BY(ownership_) = 0;
};

}  // namespace softndk::rnic
