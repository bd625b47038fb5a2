#pragma once
// Memory that a side opens to its peer for some transfers only: by fast registration or by a memory window, again and
// again with the same few objects, and ended by either of the two.
#include <deque>

#include "workload/lifetime.h"
#include "workload/mapping.h"
#include "workload/memory_map.h"
#include "workload/plan.h"

namespace softndk::workload {

/// A region for fast registration.
class FastRegion {
 public:
  FastRegion(unsigned number, Caller& caller)
      : mr("fast region", "NdkCreateMr", "NdkCloseMr", number, caller),
        initializing("NdkInitializeFastRegisterMr", Call::Kind::request, mr.node, caller) {}
  /// Its create and its initialization; may be asked again and again. True: it can be registered. `pd` is used only
  /// while the create has not been called.
  bool make(NDK_PD* pd, ULONG pages_max, bool has_remote_access);
  bool failed() const { return mr.failed() || (initializing.is_done() && initializing.status() != STATUS_SUCCESS); }
  /// True: it is gone.
  bool close(bool hasty);

  Slot<NDK_MR> mr;
  Call initializing;
  UINT32 local_token = 0, remote_token = 0;
  unsigned uses = 0;
  bool ends_by_read = false;  ///< its last use does: the next is posted behind a fence (R-RLI-01)
};

struct Window {
  Window(unsigned number, Caller& caller) : mw("MW", "NdkCreateMw", "NdkCloseMw", number, caller) {}
  Slot<NDK_MW> mw;
  UINT32 token = 0;
  unsigned uses = 0;
};

/// From its opening to its end.
struct Lease {
  LeasePlan plan;
  std::uint32_t first = 0, end = 0;  ///< octets of the map
  bool is_read = false, is_written = false;
  bool has_end = false;     ///< a Send of the peer says when
  bool is_revoked = false;  ///< and ends it as well
  std::uint64_t base = 0;   ///< what the peer calls the first octet
  unsigned use = 0;         ///< of its object
  enum class Stage : std::uint8_t { planned, opening, closing, closed };
  std::atomic<Stage> stage{Stage::planned};   ///< what its owner has asked for
  std::atomic<UINT32> token{0};               ///< 0: not known yet
  std::atomic<bool> is_open{false};           ///< as its owner has seen, or its peer from a later message
  std::atomic<bool> is_over{false};           ///< the peer does not use it any more
  std::atomic<std::size_t> told_by{kNobody};  ///< the number of the first message that was posted behind its opening
  static constexpr std::size_t kNobody = SIZE_MAX;
  bool can_be_used() const { return is_open.load() && token.load() != 0; }
};

class Leases {
 public:
  Leases(unsigned number, Caller& caller);

  // Before anything runs.
  void add(const LeasePlan& plan) { leases_.emplace_back().plan = plan; }
  /// A patch that the peer writes into, or reads, through lease `number`.
  std::size_t add_target(int number, std::uint32_t bytes, Pattern pattern);
  std::size_t add_constant(int number, std::uint32_t bytes, Pattern pattern);
  void end_is_told(int number, bool revokes);
  /// Places their objects over `pd`.
  void build(Node& pd);

  bool is_needed() const { return !leases_.empty(); }
  /// All objects; may be asked again and again. True: all are there. `pd` is used only while `issued()` is not true.
  bool make(NDK_ADAPTER* adapter, NDK_PD* pd);
  bool failed() const;
  /// Every create was called.
  bool issued() const;
  /// True: no region and no window is left.
  bool close_objects(bool hasty);
  /// True: the region that windows are bound to is gone.
  bool close_bound_region(bool hasty, bool deregisters);
  /// No region and no window is left.
  bool are_gone() const;

  std::deque<Lease>& all() { return leases_; }
  const std::deque<Lease>& all() const { return leases_; }
  Lease& at(int number) { return leases_[static_cast<std::size_t>(number)]; }
  const Lease& at(int number) const { return leases_[static_cast<std::size_t>(number)]; }
  std::uint64_t address(const Lease& lease, std::size_t patch) const {
    return lease.base + map.offset(patch) - lease.first;
  }
  /// None uses the object before it.
  bool is_free_for(const Lease& lease) const;
  bool are_over() const;

  MemoryMap map;
  Mapping mapping;
  Slot<NDK_MR> bound_mr;  ///< what windows are bound to; it has no remote right of its own (R-MW-03)
  Call registering, deregistering;
  std::deque<FastRegion> regions;
  std::deque<Window> windows;

 private:
  std::size_t covers(int number, std::size_t patch);
  bool has_windows() const;
  std::deque<Lease> leases_;
  std::vector<std::vector<std::size_t>> patches_;
};

}  // namespace softndk::workload
