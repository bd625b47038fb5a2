// Objects and the connection: what comes before the data.
#include "workload/side.h"

#include <cstring>

#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {
namespace {

constexpr std::uint32_t kPrivateBytesMax = 512;

Pattern request_pattern(unsigned session) {
  return {1000 + session};
}
Pattern reply_pattern(unsigned session) {
  return {2000 + session};
}

std::uint32_t number_of(const SessionPlan& session, bool is_active) {
  return session.number * 10 + (is_active ? 1 : 2);
}

}  // namespace

Side::Side(Session& session, bool is_active, const SidePlan& plan)
    : session_(session),
      is_active_(is_active),
      plan_(plan),
      stage_(session.stage),
      adapter_(nullptr),
      own_pd_("PD", "NdkCreatePd", "NdkClosePd", number_of(session.plan, is_active), *this),
      pd_(&own_pd_),
      own_receive_pump_(number_of(session.plan, is_active) * 10, plan),
      own_initiator_pump_(number_of(session.plan, is_active) * 10 + 1, plan),
      receive_pump_(&own_receive_pump_),
      initiator_pump_(plan.two_cqs ? &own_initiator_pump_ : &own_receive_pump_),
      local_mr_("MR", "NdkCreateMr", "NdkCloseMr", number_of(session.plan, is_active) * 10, *this),
      remote_mr_("MR", "NdkCreateMr", "NdkCloseMr", number_of(session.plan, is_active) * 10 + 1, *this),
      register_local_("NdkRegisterMr", Call::Kind::request, local_mr_.node, *this),
      register_remote_("NdkRegisterMr", Call::Kind::request, remote_mr_.node, *this),
      deregister_local_("NdkDeregisterMr", Call::Kind::request, local_mr_.node, *this),
      deregister_remote_("NdkDeregisterMr", Call::Kind::request, remote_mr_.node, *this),
      qp_("QP", "NdkCreateQp", "NdkCloseQp", number_of(session.plan, is_active), *this),
      connector_("connector", "NdkCreateConnector", "NdkCloseConnector", number_of(session.plan, is_active), *this),
      connect_("NdkConnect", Call::Kind::request, connector_.node, *this),
      connect_shared_("NdkConnectWithSharedEndpoint", Call::Kind::request, connector_.node, *this),
      complete_("NdkCompleteConnect", Call::Kind::request, connector_.node, *this),
      accept_("NdkAccept", Call::Kind::request, connector_.node, *this),
      disconnect_("NdkDisconnect", Call::Kind::request, connector_.node, *this),
      local_("local memory"),
      remote_("memory open to the peer"),
      mapping_(number_of(session.plan, is_active), *this),
      fast_region_(number_of(session.plan, is_active) * 10 + 2, *this),
      leases_(number_of(session.plan, is_active) * 10 + 4, *this),
      basin_(number_of(session.plan, is_active), plan, *this) {
  set_style(plan.style);
}

void Side::lay_out() {
  Session& session = session_;
  Door& door = *stage_.doors[session.plan.listener];
  const unsigned adapter = is_active_ ? session.plan.active_adapter : door.plan.adapter;
  adapter_ = stage_.adapters[adapter]->adapter;
  peer_ = is_active_ ? &session.passive : &session.active;
  Shared& shared = *stage_.shared[adapter];
  if (plan_.shares_pd) {
    pd_ = &shared.pd;
    shared.pd_users.push_back(this);
  }
  if (is_active_ && session.plan.shared_endpoint) {
    endpoint_ = &shared.endpoints[session.plan.ipv6];
    shared.endpoint_users.push_back(this);
  }
  if (plan_.shares_cq) receive_pump_ = initiator_pump_ = &shared.pump;
  receive_pump_->attach(*this);
  if (initiator_pump_ != receive_pump_) initiator_pump_->attach(*this);
  own_receive_pump_.owner = own_initiator_pump_.owner = this;
  if (!plan_.shares_cq && own_receive_pump_.is_polled()) {
    stage_.polled.push_back(&own_receive_pump_);
    stage_.polled.push_back(&own_initiator_pump_);
  }
  local_mr_.node.over({&pd_->node});
  remote_mr_.node.over({&pd_->node});
  qp_.node.over({&pd_->node, &receive_pump_->cq.node, &initiator_pump_->cq.node});
  fast_region_.mr.node.over({&pd_->node});
  if (plan_.shared_receives) {
    basin_.srq.node.over({&pd_->node});
    qp_.node.over({&basin_.srq.node});
  }
  if (plan_.solicited_only && receive_pump_ == &own_receive_pump_) own_receive_pump_.arm_for_solicited();
  if (!is_active_) connector_.node.over({&door.listener.node});

  // Our transfers' sources and sinks; where the peer's land and come from.
  const std::uint32_t ours = number_of(session.plan, is_active_) * 100;
  const std::uint32_t theirs = number_of(session.plan, !is_active_) * 100;
  for (std::size_t i = 0; i < plan_.transfers.size(); ++i) {
    const Transfer& transfer = plan_.transfers[i];
    const auto number = static_cast<std::uint32_t>(i);
    local_patch_.push_back(transfer.kind == Transfer::Kind::read
                               ? local_.add_target(transfer.bytes, {ours + number})
                               : local_.add_constant(transfer.bytes, {ours + number}));
    if (transfer.kind == Transfer::Kind::send) solicited_.push_back(0);
  }
  int leases = 0;
  for (const Transfer& transfer : peer_->plan_.transfers)
    leases = std::max({leases, transfer.lease + 1, transfer.closes + 1});
  for (int i = 0; i < leases; ++i)
    leases_.add(plan_.leases[static_cast<std::size_t>(i)]);
  // Each transfer of ours may need three requests, each lease two.
  const std::size_t requests = 3 * plan_.transfers.size() + 2 * static_cast<std::size_t>(leases);
  for (std::size_t i = 0; i < requests; ++i)
    initiator_.emplace_back().number = i;
  std::size_t messages = 0;
  for (std::size_t i = 0; i < peer_->plan_.transfers.size(); ++i) {
    const Transfer& transfer = peer_->plan_.transfers[i];
    const Pattern pattern{theirs + static_cast<std::uint32_t>(i)};
    const bool is_leased = transfer.lease != Transfer::kNoLease;
    std::size_t patch = 0;
    if (transfer.kind == Transfer::Kind::send) {
      Work& work = receives_.emplace_back();
      work.bytes = transfer.bytes;
      // Sometimes larger than the message.
      work.patch = local_.add_target(transfer.bytes + (i % 3 == 0 ? 40 : 0), pattern);
      work.number = messages++;
      work.kind = Work::Kind::receive;
      patch = i;
      if (transfer.closes != Transfer::kNoLease) leases_.end_is_told(transfer.closes, transfer.revokes);
    } else if (transfer.kind == Transfer::Kind::write) {
      patch = is_leased ? leases_.add_target(transfer.lease, transfer.bytes, pattern)
                        : remote_.add_target(transfer.bytes, pattern);
    } else {
      patch = is_leased ? leases_.add_constant(transfer.lease, transfer.bytes, pattern)
                        : remote_.add_constant(transfer.bytes, pattern);
    }
    peer_->remote_patch_.push_back(patch);
  }
  for (std::uint32_t i = 0; i < plan_.spare_receives; ++i) {
    Work& work = receives_.emplace_back();
    work.patch = local_.add_target(100, {});
    work.number = messages++;
    work.kind = Work::Kind::receive;
    work.bytes = UINT32_MAX;  // nobody sends it
  }
  local_.build();
  remote_.build();
  leases_.build(pd_->node);
}

void Side::start() {
  kick();
}

void Side::hurry() {
  hurried_ = true;
  kick();
}

bool Side::failures_are_right() const {
  return stage_.is_faulty() || session_.ends.load() || hurried_.load() || peer_->hurried_.load();
}

bool Side::reached(Until until) const {
  switch (until) {
    case Until::created:
      return true;
    case Until::asked:
      return is_active_ ? !connect_.is_idle() || !connect_shared_.is_idle() : connector_.is_live();
    case Until::answered:
      return answered_.load();
    case Until::established:
      return established_.load();
    case Until::half_done:
      return established_.load() && sent_ >= (plan_.transfers.size() + 1) / 2;
    case Until::done:
      return false;  // run_transfers() says when
  }
  return false;
}

void Side::step() {
  if (finished_.load()) return;
  if (!ending_.load()) make_objects();
  if (!ending_.load() && (hurried_.load() || (created_.load() && reached(plan_.until)))) begin_ending();
  if (!ending_.load() && plan_.until == Until::created && !own_pd_.creation.is_idle()) begin_ending();
  if (!ending_.load() && created_.load() && !established_.load()) {
    if (is_active_) {
      establish_active();
    } else {
      establish_passive();
    }
  }
  if (!ending_.load() && established_.load()) run_transfers();
  if (!ending_.load() && created_.load() && reached(plan_.until)) begin_ending();
  if (ending_.load()) end();
}

/// Each as soon as what it needs is there, several at a time.
void Side::make_objects() {
  if (created_.load()) return;
  const bool short_of_something =
      own_pd_.failed() || own_receive_pump_.cq.failed() || own_initiator_pump_.cq.failed() || local_mr_.failed() ||
      remote_mr_.failed() || qp_.failed() || connector_.failed() || mapping_.failed() || fast_region_.failed() ||
      leases_.failed() || basin_.srq.failed() ||
      (register_local_.is_done() && register_local_.status() != STATUS_SUCCESS) ||
      (register_remote_.is_done() && register_remote_.status() != STATUS_SUCCESS) ||
      (plan_.shares_pd && !issued_all_.load() && !pd_->is_live()) || (plan_.shares_cq && !receive_pump_->cq.is_live());
  if (short_of_something) {
    if (!stage_.is_faulty()) fail("%s: a create failed in a world without faults", describe().c_str());
    return begin_ending();
  }
  const ULONG cq_depth = 2 * plan_.depth + 1;
  if (!plan_.shares_pd && own_pd_.creation.is_idle())
    own_pd_.make([&](auto... rest) { return adapter_->Dispatch->NdkCreatePd(adapter_, rest...); });
  if (!plan_.shares_cq && own_receive_pump_.cq.creation.is_idle()) own_receive_pump_.create(adapter_, cq_depth);
  if (initiator_pump_ == &own_initiator_pump_ && own_initiator_pump_.cq.creation.is_idle())
    own_initiator_pump_.create(adapter_, cq_depth);
  if (is_active_ && connector_.creation.is_idle())
    connector_.make([&](auto... rest) { return adapter_->Dispatch->NdkCreateConnector(adapter_, rest...); });
  if (!issued_all_.load() && !pd_->is_live()) return;  // a shared one may be closing already (R-CLS-06)
  NDK_PD* pd = pd_->get();
  struct Registration {
    Slot<NDK_MR>& mr;
    Call& call;
    MemoryMap& map;
    ULONG flags;
  } registrations[] = {
      {local_mr_, register_local_, local_, NDK_MR_FLAG_ALLOW_LOCAL_WRITE},
      {remote_mr_, register_remote_, remote_, NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE}};
  bool registered = true;
  for (Registration& each : registrations) {
    if (each.mr.creation.is_idle())
      each.mr.make([&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); });
    if (each.mr.is_live() && each.call.is_idle()) {
      NDK_MR* mr = each.mr.get();
      each.call.make([&] {
        return mr->Dispatch->NdkRegisterMr(mr, each.map.memory().mdl, each.map.memory().bytes, each.flags,
                                           &Call::completed, &each.call);
      });
    }
    registered = registered && each.call.is_done() && each.call.status() == STATUS_SUCCESS;
  }
  if (needs_mapping()) {
    registered = mapping_.make(adapter_, local_) && registered;
    if (!issued_all_.load()) pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(pd, &privileged_token_);
  }
  if (needs_fast_region()) {
    const auto pages = static_cast<ULONG>(local_.memory().bytes / PAGE_SIZE + 2);
    registered = fast_region_.make(pd, pages, false) && registered;
  }
  registered = leases_.make(adapter_, pd) && registered;
  const bool has_receives = !plan_.shared_receives || basin_.make(pd);
  if (receive_pump_->cq.is_live() && initiator_pump_->cq.is_live() && has_receives && qp_.creation.is_idle()) {
    qp_.make([&](auto... rest) {
      if (plan_.shared_receives) {
        return pd->Dispatch->NdkCreateQpWithSrq(pd, receive_pump_->cq.get(), initiator_pump_->cq.get(),
                                                basin_.srq.get(), this, plan_.depth, plan_.sges, plan_.inline_bytes,
                                                rest...);
      }
      return pd->Dispatch->NdkCreateQp(pd, receive_pump_->cq.get(), initiator_pump_->cq.get(), this, plan_.depth,
                                       plan_.depth, plan_.sges, plan_.sges, plan_.inline_bytes, rest...);
    });
  }
  const bool issued = !qp_.creation.is_idle() && registered && leases_.issued();
  if (issued) issued_all_ = true;
  if (!issued || !qp_.is_live() || (is_active_ && !connector_.is_live())) return;
  const NDK_MR* remote = remote_mr_.get();
  remote_token_ = remote->Dispatch->NdkGetRemoteTokenFromMr(remote_mr_.get());
  if (!plan_.lazy_receiver) post_receives(plan_.depth / 2);
  created_ = true;
}

void Side::post_receives(std::size_t count_max) {
  for (; count_max > 0 && receives_posted_ < receives_.size(); --count_max) {
    if (receives_posted_ - receives_completed_.load() >= plan_.depth) return;
    Work& work = receives_[receives_posted_];
    const std::uint32_t bytes = local_.bytes(work.patch);
    const std::uint32_t first = plan_.sges > 1 ? bytes / 3 : bytes;
    const Place place = plan_.logical_receives ? Place::logical : Place::region;
    const NDK_SGE sges[2] = {sge(place, work.patch, 0, first), sge(place, work.patch, first, bytes - first)};
    const ULONG count = plan_.sges > 1 ? 2 : 1;
    work.is_logical = plan_.logical_receives;
    local_.may_be_written(work.patch, work.bytes == UINT32_MAX ? 0 : work.bytes);
    work.state = Work::State::posted;
    ++receives_posted_;
    NDK_QP* qp = qp_.get();
    NDK_SRQ* srq = basin_.srq.get();
    const Calling calling;
    const NTSTATUS posted = plan_.shared_receives ? srq->Dispatch->NdkSrqReceive(srq, &work, sges, count)
                                                  : qp->Dispatch->NdkReceive(qp, &work, sges, count);
    if (posted != STATUS_SUCCESS)
      fail("%s: NdkReceive or NdkSrqReceive, within the queue's depth, returned %s (R-WR-09, R-WR-12, R-SRQ-13)",
           describe().c_str(), name_of(posted));
  }
}

// ---- the active side

void Side::establish_active() {
  NDK_CONNECTOR* connector = connector_.get();
  const SessionPlan& plan = session_.plan;
  if (connect().is_idle()) {
    if (endpoint_ != nullptr && !endpoint_->is_live()) return begin_ending();  // a shortage
    Door& door = *stage_.doors[plan.listener];
    if (door.address.bytes == 0) return begin_ending();  // memory was short for the listener
    std::uint8_t data[256];
    std::memcpy(data, &plan.number, sizeof plan.number);
    for (std::uint32_t i = 4; i < plan_.private_bytes + 4; ++i)
      data[i] = request_pattern(plan.number).at(i);
    const stack::Sockaddr from = stage_.local_address(plan.active_adapter, plan.ipv6);
    ++attempts_;
    const auto data_bytes = plan_.private_bytes + 4;
    connect().make([&] {
      if (endpoint_ != nullptr) {
        return connector->Dispatch->NdkConnectWithSharedEndpoint(
            connector, qp_.get(), endpoint_->get(), door.address.get(), door.address.bytes, plan_.read_limit,
            plan_.read_limit, data, data_bytes, &Call::completed, &connect_shared_);
      }
      return connector->Dispatch->NdkConnect(connector, qp_.get(), from.get(), from.bytes, door.address.get(),
                                             door.address.bytes, plan_.read_limit, plan_.read_limit, data, data_bytes,
                                             &Call::completed, &connect_);
    });
    return;
  }
  if (!connect().is_done()) return;
  if (connect().status() != STATUS_SUCCESS) return connect_failed();
  if (complete_.is_idle()) {
    answered_ = true;
    check_connection_data();
    if (plan_.until == Until::answered) return;
    if (plan.active_rejects) {
      session_.ends = session_.roughly = true;
      const NTSTATUS rejected = connector->Dispatch->NdkReject(connector, nullptr, 0);
      if (rejected != STATUS_SUCCESS && rejected != STATUS_CONNECTION_ABORTED)
        fail("%s: NdkReject returned %s", describe().c_str(), name_of(rejected));
      rejected_ = true;
      return begin_ending();
    }
    complete_.make([&] {
      if (plan_.extended) {
        return connector->Dispatch->NdkCompleteConnectEx(connector, &Side::disconnected_ex, this, &Call::completed,
                                                         &complete_);
      }
      return connector->Dispatch->NdkCompleteConnect(connector, &Side::disconnected, this, &Call::completed,
                                                     &complete_);
    });
    return;
  }
  if (!complete_.is_done()) return;
  if (complete_.status() == STATUS_SUCCESS) return established();
  if (!failures_are_right())
    fail("%s: NdkCompleteConnect ended with %s, and nobody had ended anything", describe().c_str(),
         name_of(complete_.status()));
  begin_ending();
}

/// Another connection over the same endpoint goes, or went a moment ago, to the same place.
bool Side::may_exist_already() const {
  if (endpoint_ == nullptr) return false;
  for (const auto& each : stage_.sessions)
    if (&each->active != this && each->active.endpoint_ == endpoint_ && each->plan.listener == session_.plan.listener)
      return true;
  return false;
}

void Side::connect_failed() {
  const NTSTATUS status = connect().status();
  if (status == STATUS_ADDRESS_ALREADY_EXISTS && may_exist_already()) return begin_ending();
  const bool retryable = status == STATUS_CONNECTION_REFUSED || status == STATUS_IO_TIMEOUT ||
                         status == STATUS_NETWORK_UNREACHABLE || status == STATUS_HOST_UNREACHABLE;
  // Refusals come from the listener's side (paused, closed, full, turned away); all else from faults.
  if (status != STATUS_CONNECTION_REFUSED && !failures_are_right() && !peer_->is_ending())
    fail("%s: NdkConnect ended with %s", describe().c_str(), name_of(status));
  if (!retryable || attempts_ > session_.plan.retries) return begin_ending();
  connect().reset();
  kick();
}

void Side::check_connection_data() {
  if (session_.plan.answer != Answer::accept) return;
  std::uint8_t data[kPrivateBytesMax];
  ULONG bytes = sizeof data, inbound = 0, outbound = 0;
  NDK_CONNECTOR* connector = connector_.get();
  const NTSTATUS status = connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, data, &bytes);
  if (status != STATUS_SUCCESS) fail("%s: NdkGetConnectionData returned %s", describe().c_str(), name_of(status));
  const SidePlan& theirs = peer_->plan_;
  for (ULONG i = 0; i < bytes; ++i) {
    const std::uint8_t wanted = i < theirs.private_bytes ? reply_pattern(session_.plan.number).at(i) : 0;
    if (data[i] != wanted)
      fail("%s: octet %u of the private data is 0x%02x and not 0x%02x (R-GCD-03)", describe().c_str(), i, data[i],
           wanted);
  }
  const std::uint32_t limit = std::min(plan_.read_limit, theirs.read_limit);
  if (inbound != limit || outbound != limit)
    fail("%s: read limits %u in and %u out instead of %u (R-RL-01)", describe().c_str(), inbound, outbound, limit);
}

// ---- the passive side

bool Side::offer(NDK_CONNECTOR* connector) {
  NDK_CONNECTOR* none = nullptr;
  if (!offered_.compare_exchange_strong(none, connector)) return false;
  kick();
  return true;
}

void Side::establish_passive() {
  if (connector_.node.state() == Node::State::none) {
    NDK_CONNECTOR* connector = offered_.load();
    if (connector == nullptr) {
      // The other side will not come any more.
      if (peer_->is_ending()) begin_ending();
      return;
    }
    connector_.adopt(connector);
    if (plan_.until == Until::asked) return;
  }
  NDK_CONNECTOR* connector = connector_.get();
  if (accept_.is_idle()) {
    std::uint8_t data[256];
    for (std::uint32_t i = 0; i < plan_.private_bytes; ++i)
      data[i] = reply_pattern(session_.plan.number).at(i);
    if (session_.plan.answer == Answer::reject) {
      session_.ends = session_.roughly = true;
      const NTSTATUS rejected = connector->Dispatch->NdkReject(connector, data, plan_.private_bytes);
      if (rejected != STATUS_SUCCESS && rejected != STATUS_CONNECTION_ABORTED)
        fail("%s: NdkReject returned %s", describe().c_str(), name_of(rejected));
      rejected_ = true;
      return begin_ending();
    }
    if (session_.plan.answer == Answer::close) return begin_ending();
    answered_ = true;
    accept_.make([&] {
      if (plan_.extended) {
        return connector->Dispatch->NdkAcceptEx(connector, qp_.get(), plan_.read_limit, plan_.read_limit, data,
                                                plan_.private_bytes, &Side::disconnected_ex, this, &Call::completed,
                                                &accept_);
      }
      return connector->Dispatch->NdkAccept(connector, qp_.get(), plan_.read_limit, plan_.read_limit, data,
                                            plan_.private_bytes, &Side::disconnected, this, &Call::completed, &accept_);
    });
    return;
  }
  if (!accept_.is_done()) return;
  if (accept_.status() == STATUS_SUCCESS) return established();
  if (!failures_are_right())
    fail("%s: NdkAccept ended with %s, and nobody had ended anything", describe().c_str(), name_of(accept_.status()));
  begin_ending();
}

void Side::established() {
  established_ = true;
  kick();
  peer_->kick();
}

// ---- words

std::string Side::describe() const {
  std::string text =
      "session " + std::to_string(session_.plan.number) + (is_active_ ? ", active side" : ", passive side");
  text += finished_.load()      ? " (finished"
          : ending_.load()      ? " (ending"
          : established_.load() ? " (established"
          : created_.load()     ? " (has its objects"
                                : " (makes its objects";
  text += ", posted " + std::to_string(posted_) + " for " + std::to_string(sent_) + " of " +
          std::to_string(plan_.transfers.size()) + " and " + std::to_string(receives_posted_) + " of " +
          std::to_string(receives_.size()) + " receives, completed " + std::to_string(initiator_completed_.load()) +
          " and " + std::to_string(receives_completed_.load());
  for (const Node* node : {&own_pd_.node, &own_receive_pump_.cq.node, &own_initiator_pump_.cq.node, &local_mr_.node,
                           &remote_mr_.node, &qp_.node, &connector_.node})
    if (!node->is_gone()) text += std::string("; ") + node->kind() + " " + node->state_name();
  for (const Lease& lease : leases_.all())
    text += std::string("; lease ") + (lease.plan.by_window ? "by window " : "by region ") +
            std::to_string(lease.plan.object) + " at stage " +
            std::to_string(static_cast<unsigned>(lease.stage.load())) + (lease.is_open.load() ? ", open" : "") +
            (lease.is_over.load() ? ", over" : "");
  for (const Call* call :
       {&connect_, &connect_shared_, &complete_, &accept_, &disconnect_, &register_local_, &register_remote_,
        &deregister_local_, &deregister_remote_, &mapping_.building, &fast_region_.initializing, &leases_.registering,
        &leases_.deregistering, &leases_.mapping.building, &basin_.modifying})
    if (call->is_pending()) text += std::string("; ") + call->function() + " is pending";
  return text + ")";
}

}  // namespace softndk::workload
