#pragma once
// One end of one connection, as a consumer lives it: makes its objects, connects or is connected to, moves its data,
// ends. All in steps that never wait; each looks at what is done and calls what comes next.
#include <atomic>
#include <deque>
#include <string>

#include "workload/basin.h"
#include "workload/leases.h"
#include "workload/lifetime.h"
#include "workload/mapping.h"
#include "workload/memory_map.h"
#include "workload/plan.h"
#include "workload/pump.h"
#include "workload/strand.h"

namespace softndk::workload {

class Session;
struct Stage;

/// A work request, from its post to its completion.
struct Work {
  enum class State : std::uint8_t { none, posted, done };
  enum class Kind : std::uint8_t { receive, send, write, read, fast_register, bind, invalidate };
  Kind kind = Kind::send;
  bool is_receive() const { return kind == Kind::receive; }
  bool silent = false;
  bool is_logical = false;   ///< of privileged token and logical addresses
  bool is_fast = false;      ///< out of, or into, a fast region of our own
  bool is_again = false;     ///< a bind or fast-register of what was bound or registered before
  bool invalidates = false;  ///< a Read: its sink
  bool uses_lease = false;   ///< a Read or Write
  Lease* lease = nullptr;    ///< a request that opens this one, or ends it
  std::size_t number = 0;    ///< in its queue
  std::size_t patch = 0;     ///< of the local map
  std::uint32_t bytes = 0;
  std::atomic<State> state{State::none};
  NTSTATUS status = STATUS_PENDING;
};

class Side final : public Strand, public Caller {
 public:
  Side(Session& session, bool is_active, const SidePlan& plan);

  void start();
  /// Patience is over: end, whatever the plan says.
  void hurry();
  bool is_finished() const { return finished_.load(); }
  /// Calls no function of its protection domain any more (but those of what it made over it).
  bool is_done_with_pd() const { return issued_all_.load() || ending_.load(); }
  /// After the end: nothing is out of place in memory.
  void check_memory() const;
  std::string describe() const;
  void add_to(struct Tally& tally) const;

  /// In the connect event. False: this side wants no connector, or has one.
  bool offer(NDK_CONNECTOR* connector);

  /// From the pump of the queue. True: it is one that a queue armed for solicited receives tells of.
  bool take_result(const NDK_RESULT_EX& result, bool has_type);
  enum class Drain : std::uint8_t { none, wanted, done };
  std::atomic<Drain> drain{Drain::none};
  std::atomic<const Pump*> drains{nullptr};  ///< of which
  void drained(bool results_were_discarded);

  void inside(Call& call) override;
  void kick() override { kick_strand(); }

  // What the other side may look at.
  bool transfers_done() const { return transfers_done_.load(); }
  bool is_ending() const { return ending_.load(); }
  bool is_established() const { return established_.load(); }
  const Slot<NDK_SHARED_ENDPOINT>* endpoint() const { return endpoint_; }
  const SidePlan& plan() const { return plan_; }
  std::size_t target_of(std::size_t transfer) const { return remote_patch_[transfer]; }
  /// Where the peer's transfer finds our patch `patch`, and under which token.
  struct Target {
    MemoryMap& map;
    std::uint64_t address;
    UINT32 token;
  };
  Target target(const Transfer& transfer, std::size_t patch);
  bool is_open_for(const Transfer& transfer);
  bool is_registered() const { return remote_token_.load() != 0; }

  /// Before anything runs, when both sides exist.
  void lay_out();

 private:
  void step() override;

  // side.cpp: objects and connection
  void make_objects();
  void post_receives(std::size_t count_max);
  void establish_active();
  Call& connect() { return endpoint_ != nullptr ? connect_shared_ : connect_; }
  bool may_exist_already() const;
  void connect_failed();
  void establish_passive();
  void established();
  void check_connection_data();
  bool reached(Until until) const;

  // side_posts.cpp: what is posted
  bool post(std::size_t transfer);
  bool post_one(std::size_t transfer, bool silent, ULONG flags);
  bool post_chain(std::size_t transfer);
  ULONG source_or_sink(const Transfer& transfer, std::size_t patch, NDK_SGE* sges) const;
  NDK_SGE sge(Place place, std::size_t patch, std::uint32_t offset, std::uint32_t bytes) const;
  Work& next_request(Work::Kind kind, bool silent);
  bool posted(Work& work, NTSTATUS status, bool needs_memory = false);
  bool has_room(std::size_t requests) const;
  bool may_be_silent() const;
  bool needs_mapping() const;
  bool needs_fast_region() const;
  bool is_solicited(std::size_t transfer) const;

  // side_leases.cpp: memory that is open for a while
  void tend_leases();
  bool open(Lease& lease);
  bool end(Lease& lease);
  void announce(std::size_t message);
  void hear_of_leases(std::size_t message);
  void lease_request_done(Work& work);

  // side_transfers.cpp: the ledger
  void run_transfers();
  void check_order(Work& work, NTSTATUS status);
  void check_type(const Work& work, const NDK_RESULT_EX& result) const;
  void succeeded(Work& work);
  const Transfer* message(std::size_t number) const;
  void check_failure(const Work& work, NTSTATUS status) const;
  void receive_done(const Work& work, std::uint32_t bytes);
  void check_all_completed() const;
  bool failures_are_right() const;

  // side_end.cpp
  void begin_ending();
  void end();
  bool disconnect();
  bool close_objects();
  bool close_one(unsigned which);
  void finish();
  static VOID disconnected(PVOID context);
  static VOID disconnected_ex(PVOID context, ULONG reason);
  void peer_disconnected();

  Session& session_;
  const bool is_active_;
  const SidePlan& plan_;
  Side* peer_ = nullptr;
  Stage& stage_;
  NDK_ADAPTER* adapter_;

  // Objects. The shared ones are the stage's.
  Slot<NDK_PD> own_pd_;
  Slot<NDK_PD>* pd_;
  Pump own_receive_pump_, own_initiator_pump_;
  Pump* receive_pump_;
  Pump* initiator_pump_;
  Slot<NDK_MR> local_mr_, remote_mr_;
  Call register_local_, register_remote_, deregister_local_, deregister_remote_;
  Slot<NDK_QP> qp_;
  Slot<NDK_CONNECTOR> connector_;
  Slot<NDK_SHARED_ENDPOINT>* endpoint_ = nullptr;  ///< it connects over this one
  Call connect_, connect_shared_, complete_, accept_, disconnect_;
  std::atomic<NDK_CONNECTOR*> offered_{nullptr};

  // Memory: `local_` is ours alone, `remote_` is what the peer writes and reads, `leases_` for a while only.
  MemoryMap local_, remote_;
  Mapping mapping_;         ///< of `local_`
  FastRegion fast_region_;  ///< of `local_` too, for one transfer after another
  UINT32 privileged_token_ = 0;
  Leases leases_;
  Basin basin_;
  std::deque<Work> initiator_, receives_;
  std::vector<std::size_t> local_patch_;   ///< by the number of our transfer
  std::vector<std::size_t> remote_patch_;  ///< by the number of our transfer: the patch in the peer's `remote_`
  std::atomic<UINT32> remote_token_{0};

  std::atomic<bool> issued_all_{false};
  std::atomic<bool> created_{false};
  std::atomic<bool> answered_{false};
  std::atomic<bool> established_{false};
  std::atomic<bool> transfers_done_{false};
  std::atomic<bool> ending_{false};
  std::atomic<bool> hurried_{false};
  std::atomic<bool> finished_{false};
  std::atomic<int> disconnect_events_{0};
  std::atomic<bool> discarded_{false};
  std::atomic<std::size_t> initiator_completed_{0};  ///< up to here all are done, or were silent
  std::atomic<std::size_t> receives_completed_{0};
  std::size_t posted_ = 0;      ///< requests, of which a transfer may need several
  std::size_t sent_ = 0;        ///< transfers
  std::size_t silent_run_ = 0;  ///< of the last requests
  std::size_t messages_sent_ = 0;
  std::vector<std::uint8_t> solicited_;  ///< by the number of our message
  Tally done_;
  std::size_t receives_posted_ = 0;
  bool posts_refused_ = false;
  unsigned attempts_ = 0;
  bool flushed_ = false;
  bool rejected_ = false;
  std::atomic<bool> checked_completions_{false};
  bool drained_initiator_ = false;
};

}  // namespace softndk::workload
