#include "workload/plan.h"

#include <cstdio>
#include <iterator>

#include "workload/dice.h"

namespace softndk::workload {
namespace {

constexpr const char* kPolicies[] = {"default", "inline", "nested", "early", "later", "mixed"};

// So that the peer's reader never has to stop for want of receives (R-CNCT-20): a lazy receiver is always legal.
constexpr std::uint32_t kMessageBytesMax = 12'000;
constexpr std::uint32_t kTransfersMax = 12;

std::uint32_t draw_bytes(Dice& dice) {
  switch (dice.below(8)) {
    case 0:
      return 0;
    case 1:
    case 2:
    case 3:
      return dice.between(1, 64);
    case 4:
    case 5:
      return dice.between(65, 2000);
    default:
      return dice.between(2001, kMessageBytesMax);
  }
}

Transfer draw_transfer(Dice& dice, const SidePlan& side) {
  constexpr Transfer::Kind kKinds[] = {Transfer::Kind::send, Transfer::Kind::send, Transfer::Kind::write,
                                       Transfer::Kind::read};
  Transfer transfer;
  transfer.kind = dice.any(kKinds);
  transfer.bytes = draw_bytes(dice);
  transfer.sges = static_cast<std::uint8_t>(dice.between(transfer.bytes == 0 ? 0 : 1, side.sges));
  transfer.silent = dice.one_in(3);
  transfer.solicited = dice.one_in(2);
  transfer.inlined = transfer.kind != Transfer::Kind::read && transfer.bytes <= side.inline_bytes && dice.one_in(2);
  return transfer;
}

SidePlan draw_side(Dice& dice) {
  constexpr Style kStyles[] = {Style::inside, Style::dpc, Style::thread};
  constexpr Until kEarly[] = {Until::created, Until::asked, Until::answered, Until::established, Until::half_done};
  constexpr End kEnds[] = {End::disconnect,      End::disconnect,          End::close,
                           End::flush_and_close, End::wait_and_disconnect, End::wait_and_close};
  SidePlan side;
  side.style = dice.any(kStyles);
  side.shares_pd = dice.one_in(3);
  side.shares_cq = dice.one_in(3);
  side.two_cqs = dice.one_in(2);
  side.polled = dice.one_in(4);
  side.extended = dice.one_in(2);
  side.lazy_receiver = dice.one_in(6);
  side.closes_inside = dice.one_in(3);
  side.depth = dice.between(1, 8);
  side.sges = dice.between(1, 4);
  side.inline_bytes = dice.between(0, 128);
  side.read_limit = dice.between(1, 6);
  side.spare_receives = dice.one_in(3) ? dice.between(1, 2) : 0;
  side.private_bytes = dice.one_in(2) ? dice.between(0, 248) : 0;
  side.until = dice.one_in(3) ? dice.any(kEarly) : Until::done;
  side.end = dice.any(kEnds);
  side.close_order = dice.next();
  const std::uint32_t count = dice.one_in(5) ? 0 : dice.between(1, kTransfersMax);
  for (std::uint32_t i = 0; i < count; ++i)
    side.transfers.push_back(draw_transfer(dice, side));
  return side;
}

SessionPlan draw_session(Dice& dice, unsigned number, const Plan& plan) {
  SessionPlan session;
  session.number = number;
  session.active_adapter = dice.between(0, plan.adapters - 1);
  session.listener = dice.between(0, static_cast<std::uint32_t>(plan.listeners.size() - 1));
  session.ipv6 = plan.listeners[session.listener].ipv6;
  constexpr Answer kAnswers[] = {Answer::accept, Answer::accept,         Answer::accept, Answer::accept,
                                 Answer::accept, Answer::accept,         Answer::accept, Answer::reject,
                                 Answer::close,  Answer::reject_in_event};
  session.answer = dice.any(kAnswers);
  session.active_rejects = dice.one_in(12);
  session.retries = dice.between(0, 3);
  session.shared_endpoint = dice.one_in(4);
  session.active = draw_side(dice);
  session.passive = draw_side(dice);
  // One of the two has to begin with the end.
  const bool both_wait =
      session.active.end >= End::wait_and_disconnect && session.passive.end >= End::wait_and_disconnect;
  if (both_wait) session.active.end = End::disconnect;
  return session;
}

void draw_faults(Dice& dice, Plan& plan) {
  sim::Options& world = plan.world;
  world.processors = dice.between(1, 3);
  world.segment_bytes = dice.one_in(2) ? dice.between(200, 1460) : 1460;
  if (dice.one_in(4)) world.segment_bytes_later = dice.between(128, 1460);
  if (dice.one_in(3)) world.short_read = world.short_write = sim::Chance::one_in(2);
  if (dice.one_in(5)) world.send_buffer_bytes = dice.between(512, 8192);
  if (dice.one_in(5)) world.receive_buffer_bytes = dice.between(512, 8192);
  if (dice.one_in(6)) world.stall = sim::Chance::one_in(500);
  world.stall_ns = {10 * io::kMicrosecond, 2 * io::kMillisecond};
  switch (dice.below(10)) {
    case 0:
      world.reset = sim::Chance::one_in(2);
      world.reset_at_bytes = {0, 20'000};
      plan.faulty = true;
      break;
    case 1:
      world.silence = sim::Chance::one_in(2);
      world.silence_at_bytes = {0, 20'000};
      plan.faulty = true;
      break;
    case 2:
      world.unanswered_connect = sim::Chance::one_in(3);
      plan.faulty = true;
      break;
    case 3:
      world.fail_nth_call = dice.between(1, 400);
      plan.faulty = true;
      break;
    case 4:
      world.fail_call = sim::Chance::one_in(dice.between(10, 200));
      plan.faulty = true;
      break;
    default:
      break;
  }
}

void draw_settings(Dice& dice, Plan& plan) {
  std::string policy = dice.any(kPolicies);
  if (policy == "mixed") policy += "(" + std::to_string(dice.below(1000)) + ")";
  plan.settings = {{"policy", policy},         {"request_timeout_ms", "1000"},    {"connect_timeout_ms", "3000"},
                   {"rtr_timeout_ms", "3000"}, {"disconnect_timeout_ms", "1000"}, {"no_receive_timeout_ms", "2000"}};
  if (dice.one_in(4)) plan.settings.push_back({"verifier", "passthrough"});
  if (dice.one_in(4)) plan.settings.push_back({"latency_us", std::to_string(dice.between(1, 300))});
  if (dice.one_in(4)) plan.settings.push_back({"order", "permuted(" + std::to_string(dice.below(1000)) + ")"});
  if (dice.one_in(2)) plan.settings.push_back({"poll_reads", dice.one_in(3) ? "off" : "at_once"});
  if (dice.one_in(4)) plan.settings.push_back({"rtr", "never"});
  if (dice.one_in(5)) plan.settings.push_back({"crc", "off"});
  if (dice.one_in(4)) plan.settings.push_back({"abandon", "polite"});
  if (dice.one_in(4)) plan.settings.push_back({"verify_before_place", "on"});
  if (dice.one_in(3)) plan.settings.push_back({"fpdu", dice.one_in(2) ? "aligned" : "stream"});
  if (dice.one_in(6)) plan.settings.push_back({"backlog", "1"});
}

}  // namespace

Plan draw_plan(std::uint64_t seed) {
  Dice dice(seed, 0x776f726b);
  Plan plan;
  plan.seed = seed;
  draw_settings(dice, plan);
  draw_faults(dice, plan);
  plan.adapters = dice.between(1, 3);
  for (unsigned i = 0; i < plan.adapters; ++i)
    plan.interface_of.push_back(dice.between(0, 2));
  plan.closes_adapters_early = dice.one_in(2);
  const std::uint32_t listeners = dice.between(1, 2);
  for (std::uint32_t i = 0; i < listeners; ++i) {
    ListenerPlan listener;
    listener.adapter = dice.between(0, plan.adapters - 1);
    listener.ipv6 = dice.one_in(3);
    if (dice.one_in(5)) {
      listener.pause_at_ns = dice.between(1, 300) * io::kMicrosecond;
      listener.pause_ns = dice.between(1, 300) * io::kMicrosecond;
    }
    if (dice.one_in(5)) listener.close_at_ns = dice.between(1, 1000) * io::kMicrosecond;
    plan.listeners.push_back(listener);
  }
  const std::uint32_t sessions = dice.between(1, 4);
  for (std::uint32_t i = 0; i < sessions; ++i)
    plan.sessions.push_back(draw_session(dice, i, plan));
  // All results in one queue, from several processors at once.
  if (dice.one_in(5)) {
    plan.world.processors = 3;
    for (SessionPlan& session : plan.sessions) {
      session.active_adapter = plan.listeners[session.listener].adapter;
      session.active.shares_cq = session.passive.shares_cq = true;
    }
  }
  // Both ends of one wire: loopback speaks to loopback only.
  for (SessionPlan& session : plan.sessions) {
    const unsigned listens = plan.interface_of[plan.listeners[session.listener].adapter];
    unsigned& connects = plan.interface_of[session.active_adapter];
    if ((listens == 0) != (connects == 0)) session.active_adapter = plan.listeners[session.listener].adapter;
  }
  draw_memory(plan);
  return plan;
}

namespace {

SidePlan* side_of(Plan& plan, unsigned session, char side) {
  for (SessionPlan& each : plan.sessions)
    if (each.number == session) return side == 'a' ? &each.active : &each.passive;
  return nullptr;
}

void without_faults(Plan& plan) {
  sim::Options& world = plan.world;
  world.reset = world.silence = world.unanswered_connect = world.fail_call = world.stall = sim::Chance::never();
  world.fail_nth_call = 0;
  plan.faulty = false;
}

void without(SidePlan& side, const std::string& what) {
  for (Transfer& transfer : side.transfers) {
    if (what == "-leases") transfer.lease = transfer.closes = Transfer::kNoLease;
    if (what == "-places") transfer.place = Place::region;
  }
  if (what == "-places") side.logical_receives = false;
  if (what == "-srq") side.shared_receives = false;
  if (what == "-solicited") side.solicited_only = false;
}

bool cut(Plan& plan, const std::string& what) {
  unsigned session = 0, count = 0;
  char side = 0;
  if (std::sscanf(what.c_str(), "-s%u", &session) == 1) {
    std::erase_if(plan.sessions, [&](const SessionPlan& each) { return each.number == session; });
  } else if (std::sscanf(what.c_str(), "-t%u%c%u", &session, &side, &count) == 3) {
    SidePlan* found = side_of(plan, session, side);
    if (found != nullptr && found->transfers.size() > count) found->transfers.resize(count);
  } else if (what == "-faults") {
    without_faults(plan);
  } else if (what == "-policy") {
    plan.settings.front().second = "default";
  } else if (what == "-settings") {
    plan.settings.resize(6);
  } else if (what == "-listeners") {
    for (ListenerPlan& listener : plan.listeners)
      listener.pause_at_ns = listener.close_at_ns = 0;
  } else if (what == "-interleave") {
    plan.world.interleave = sim::Chance::never();
  } else if (what == "-sharing") {
    for (SessionPlan& each : plan.sessions)
      for (SidePlan* of : {&each.active, &each.passive})
        of->shares_cq = of->shares_pd = false;
  } else if (what == "-leases" || what == "-places" || what == "-srq" || what == "-solicited") {
    for (SessionPlan& each : plan.sessions)
      for (SidePlan* of : {&each.active, &each.passive})
        without(*of, what);
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool cut_plan(Plan& plan, const std::string& cuts) {
  for (std::size_t at = 0; at < cuts.size();) {
    const std::size_t comma = std::min(cuts.find(',', at), cuts.size());
    if (!cut(plan, cuts.substr(at, comma - at))) return false;
    at = comma + 1;
  }
  return true;
}

void normalize_plan(Plan& plan) {
  bool rtr = true;
  for (const auto& [name, value] : plan.settings)
    if (name == "rtr" && value == "never") rtr = false;
  // Without a ready-to-receive message the passive side may not send before the active one has (R-CNCT-19).
  for (SessionPlan& session : plan.sessions) {
    if (rtr) break;
    if (session.active.transfers.empty()) {
      session.passive.transfers.clear();
    } else {
      session.active.transfers.front().lease = Transfer::kNoLease;  // which the passive side has to open first
    }
  }
}

std::vector<std::string> possible_cuts(const Plan& plan) {
  std::vector<std::string> cuts;
  for (const SessionPlan& session : plan.sessions)
    if (plan.sessions.size() > 1) cuts.push_back("-s" + std::to_string(session.number));
  for (const char* whole : {"-faults", "-settings", "-policy", "-listeners", "-sharing", "-interleave", "-leases",
                            "-places", "-srq", "-solicited"})
    cuts.push_back(whole);
  for (const SessionPlan& session : plan.sessions) {
    for (const auto& [name, side] : {std::pair{"a", &session.active}, std::pair{"p", &session.passive}}) {
      const std::size_t count = side->transfers.size();
      for (const std::size_t left : {std::size_t{0}, count / 2, count - 1})
        if (left < count) cuts.push_back("-t" + std::to_string(session.number) + name + std::to_string(left));
    }
  }
  return cuts;
}

namespace {

std::string describe_memory(const Transfer& transfer) {
  std::string text;
  if (transfer.place == Place::logical) text += "l";
  if (transfer.place == Place::fast_region) text += "f";
  if (transfer.revokes) text += "r";
  if (transfer.lease != Transfer::kNoLease) text += "@" + std::to_string(transfer.lease);
  if (transfer.closes != Transfer::kNoLease) text += "/" + std::to_string(transfer.closes);
  return text;
}

}  // namespace

std::string describe(const Plan& plan) {
  constexpr const char* kUntil[] = {"created", "asked", "answered", "established", "half done", "done"};
  constexpr const char* kEnd[] = {"disconnects", "closes", "flushes and closes", "waits and disconnects",
                                  "waits and closes"};
  constexpr const char* kStyle[] = {"in callbacks", "in DPCs", "in a thread"};
  constexpr const char* kAnswer[] = {"accepts", "rejects", "closes", "rejects in the event"};
  std::string text = "seed " + std::to_string(plan.seed) + ": " + std::to_string(plan.adapters) + " adapters, " +
                     std::to_string(plan.listeners.size()) + " listeners, " +
                     (plan.faulty ? "with faults" : "no faults");
  for (const auto& [name, value] : plan.settings)
    text += ", " + name + "=" + value;
  for (const SessionPlan& session : plan.sessions) {
    text += "\n  session " + std::to_string(session.number) + " to listener " + std::to_string(session.listener) +
            ", which " + kAnswer[static_cast<unsigned>(session.answer)] + (session.ipv6 ? ", IPv6" : "") +
            (session.active_rejects ? ", rejected by the active side" : "") +
            (session.shared_endpoint ? ", over a shared endpoint" : "");
    for (const auto& [name, side] : {std::pair{"active", &session.active}, std::pair{"passive", &session.passive}}) {
      text += std::string("\n    ") + name + " side " + kStyle[static_cast<unsigned>(side->style)] + ", until " +
              kUntil[static_cast<unsigned>(side->until)] + ", then " + kEnd[static_cast<unsigned>(side->end)] +
              ", depth " + std::to_string(side->depth) + (side->polled ? ", polled" : "") +
              (side->lazy_receiver ? ", lazy receiver" : "") + (side->shares_cq ? ", shared CQ" : "") +
              (side->shares_pd ? ", shared PD" : "") + (side->closes_inside ? ", closes inside" : "") +
              (side->shared_receives ? ", SRQ" : "") + (side->solicited_only ? ", solicited only" : "") +
              (side->logical_receives ? ", logical receives" : "") + ":";
      for (const Transfer& transfer : side->transfers) {
        constexpr const char* kKind[] = {" send ", " write ", " read "};
        text += kKind[static_cast<unsigned>(transfer.kind)] + std::to_string(transfer.bytes) +
                (transfer.silent ? "s" : "") + (transfer.inlined ? "i" : "") + describe_memory(transfer);
      }
    }
  }
  return text + "\n";
}

}  // namespace softndk::workload
