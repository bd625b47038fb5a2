#pragma once
// What one seed makes of the world and of the consumers in it: plain values, drawn before anything runs, so that a
// failing plan can be cut down part by part and run again.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/options.h"

namespace softndk::workload {

/// How the memory of the side that posts a transfer is named in it.
enum class Place : std::uint8_t {
  region,       ///< by the token of a registered region
  logical,      ///< by the privileged token and logical addresses
  fast_region,  ///< by that of a region that is fast-registered for this one transfer
};

struct Transfer {
  enum class Kind : std::uint8_t { send, write, read };
  Kind kind = Kind::send;
  std::uint32_t bytes = 0;
  std::uint8_t sges = 1;
  bool silent = false;
  bool inlined = false;
  bool solicited = false;
  Place place = Place::region;
  int lease = kNoLease;   ///< of a write or read: the peer's memory is reached through this lease
  int closes = kNoLease;  ///< of a send: tells the peer that this lease is not used any more
  bool revokes = false;   ///< and ends it (NdkSendAndInvalidate); of a read: ends its own sink (R-RLI-01)
  static constexpr int kNoLease = -1;
};

/// A part of a side's memory that it opens to its peer for some transfers only.
struct LeasePlan {
  bool by_window = false;   ///< a memory window is bound for it, else a region is fast-registered
  std::uint8_t object = 0;  ///< which one of the side: what several leases have in common is used again and again
};

/// Where the consumer's own code runs.
enum class Style : std::uint8_t {
  inside,  ///< in the callbacks themselves
  dpc,     ///< in a DPC that they queue
  thread,  ///< in a thread that waits for them
};

/// How far a side goes before it ends, whatever it has not heard of by then.
enum class Until : std::uint8_t { created, asked, answered, established, half_done, done };

/// How a side ends an established connection; anything less is closed.
enum class End : std::uint8_t { disconnect, close, flush_and_close, wait_and_disconnect, wait_and_close };

struct SidePlan {
  Style style = Style::thread;
  bool shares_pd = false;
  bool shares_cq = false;
  bool two_cqs = false;
  bool polled = false;
  bool extended = false;       ///< AcceptEx or CompleteConnectEx, GetCqResultsEx
  bool lazy_receiver = false;  ///< posts its receives only when its own transfers are done
  bool closes_inside = false;  ///< the connector, inside the completion that ends its plan
  std::uint32_t depth = 8;     ///< of both queues
  std::uint32_t sges = 4;
  std::uint32_t inline_bytes = 64;
  std::uint32_t read_limit = 4;
  std::uint32_t spare_receives = 0;  ///< more than the peer will ever fill
  std::uint32_t private_bytes = 0;
  Until until = Until::done;
  End end = End::close;
  bool logical_receives = false;  ///< of privileged token and logical addresses
  bool shared_receives = false;   ///< posted to a shared receive queue
  bool solicited_only = false;    ///< armed so is the queue of its receives
  std::uint64_t close_order = 0;
  std::vector<Transfer> transfers;
  std::vector<LeasePlan> leases;  ///< in the order in which the peer's transfers use them
};

enum class Answer : std::uint8_t { accept, reject, close, reject_in_event };

struct SessionPlan {
  unsigned number = 0;
  unsigned active_adapter = 0;
  unsigned listener = 0;
  bool ipv6 = false;
  bool shared_endpoint = false;
  Answer answer = Answer::accept;
  bool active_rejects = false;  ///< after its connect succeeded
  unsigned retries = 2;
  SidePlan active, passive;
};

struct ListenerPlan {
  unsigned adapter = 0;
  bool ipv6 = false;
  std::uint64_t pause_at_ns = 0;  ///< after the start; 0: never
  std::uint64_t pause_ns = 0;
  std::uint64_t close_at_ns = 0;  ///< 0: at the end
};

struct Plan {
  std::uint64_t seed = 0;
  sim::Options world;
  bool faulty = false;  ///< connections may be lost, peers silent, calls fail: any documented failure is right then
  bool closes_adapters_early = false;  ///< as soon as every close was called
  std::vector<std::pair<std::string, std::string>> settings;
  unsigned adapters = 2;  ///< opened instances; the n-th is of interface interface_of[n]
  std::vector<unsigned> interface_of;
  std::vector<ListenerPlan> listeners;
  std::vector<SessionPlan> sessions;
};

Plan draw_plan(std::uint64_t seed);
/// What its consumers do with memory and queues besides, from dice of their own (plan_memory.cpp).
void draw_memory(Plan& plan);

/// What is left of a plan: "-s2" without session 2, "-t1a3" without the transfers of session 1's active side from the
/// third on, "-faults", "-policy", "-listeners", "-interleave", "-sharing", "-leases", "-places", "-srq", "-solicited";
/// in any order, separated by commas.
bool cut_plan(Plan& plan, const std::string& cuts);
/// What the consumers of `plan` would wait for in vain, and rightly: taken out of it. The last thing done to a plan.
void normalize_plan(Plan& plan);
/// The cuts that could be made to it next, largest first.
std::vector<std::string> possible_cuts(const Plan& plan);

/// For people: some lines.
std::string describe(const Plan& plan);

}  // namespace softndk::workload
