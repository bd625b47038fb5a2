#include "tools/ndkperf/connect_slot.h"

#include <chrono>

namespace softndk::tools {
namespace {

std::uint64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

void ConnectSlot::start(ConnectSlot* slot) {
  slot->began_ns_ = now_ns();
  run(slot, STATUS_SUCCESS);
}

void ConnectSlot::accept(NDK_CONNECTOR* incoming) {
  is_passive_ = true;
  connector_ = incoming;
  start(this);
}

ConnectSlot::Step ConnectSlot::next(NTSTATUS status) {
  if (status != STATUS_SUCCESS) {
    static constexpr const char* kCalls[] = {
        "", "NdkCreateQp",   "NdkCreateConnector", "NdkConnect", "NdkCompleteConnect", "NdkAccept",
        "", "NdkDisconnect", "NdkCloseConnector",  "NdkCloseQp"};
    if (trouble_.call == nullptr) trouble_ = {kCalls[static_cast<std::size_t>(step_)], status};
    return connector_ != nullptr ? Step::close_connector : Step::close_qp;
  }
  switch (step_) {
    case Step::none:
      return Step::create_qp;
    case Step::create_qp:
      return is_passive_ ? Step::accept : Step::create_connector;
    case Step::create_connector:
      return Step::connect;
    case Step::connect:
      return Step::complete_connect;
    case Step::complete_connect:
    case Step::accept:
      return Step::up;
    case Step::up:
      return Step::disconnect;
    case Step::disconnect:
      return Step::close_connector;
    case Step::close_connector:
      connector_ = nullptr;
      return Step::close_qp;
    case Step::close_qp:
      qp_ = nullptr;
      return Step::none;
  }
  return Step::none;
}

NTSTATUS ConnectSlot::call() {
  // One read is all that is asked for: nothing is carried.
  constexpr ULONG kReads = 1;
  const auto private_bytes = shared_->private_bytes;
  switch (step_) {
    case Step::create_qp: {
      NDK_QP* qp = nullptr;
      const NTSTATUS status = shared_->pd->get()->Dispatch->NdkCreateQp(
          shared_->pd->get(), shared_->cq->get(), shared_->cq->get(), nullptr, 1, 1, 1, 1, 0, &created, this, &qp);
      if (status == STATUS_SUCCESS) qp_ = qp;
      return status;
    }
    case Step::create_connector: {
      NDK_ADAPTER* const adapter = shared_->adapter->get();
      NDK_CONNECTOR* connector = nullptr;
      const NTSTATUS status = adapter->Dispatch->NdkCreateConnector(adapter, &created, this, &connector);
      if (status == STATUS_SUCCESS) connector_ = connector;
      return status;
    }
    case Step::connect:
      return connector_->Dispatch->NdkConnect(
          connector_, qp_, shared_->source.sockaddr(), shared_->source.sockaddr_bytes(),
          shared_->destination.sockaddr(), shared_->destination.sockaddr_bytes(), kReads, kReads, private_bytes.data(),
          static_cast<ULONG>(private_bytes.size()), &completed, this);
    case Step::complete_connect:
      return connector_->Dispatch->NdkCompleteConnect(connector_, &disconnected, this, &completed, this);
    case Step::accept:
      return connector_->Dispatch->NdkAccept(connector_, qp_, kReads, kReads, nullptr, 0, &disconnected, this,
                                             &completed, this);
    case Step::disconnect:
      return connector_->Dispatch->NdkDisconnect(connector_, &completed, this);
    case Step::close_connector:
      return connector_->Dispatch->NdkCloseConnector(&connector_->Header, &closed, this);
    case Step::close_qp:
      return qp_ == nullptr ? STATUS_SUCCESS : qp_->Dispatch->NdkCloseQp(&qp_->Header, &closed, this);
    case Step::none:
    case Step::up:
      break;
  }
  return STATUS_SUCCESS;
}

void ConnectSlot::run(ConnectSlot* slot, NTSTATUS status) {
  for (;;) {
    slot->step_ = slot->next(status);
    if (slot->step_ == Step::up || slot->step_ == Step::none) {
      slot->took_ns_ = now_ns() - slot->began_ns_;
      const bool waits_for_peer = slot->is_passive_ && slot->step_ == Step::up;
      ConnectSlot* const following = slot->owner_->finished(*slot);
      if (waits_for_peer) slot->note_end();
      if (following == nullptr) return;
      slot = following;
      slot->began_ns_ = now_ns();
      status = STATUS_SUCCESS;
      continue;
    }
    status = slot->call();
    if (status == STATUS_PENDING) return;  // its callback goes on, or has gone on: nothing here is ours any more
  }
}

void ConnectSlot::note_end() {
  if (ends_.fetch_add(1) == 1) run(this, STATUS_SUCCESS);
}

VOID ConnectSlot::created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  auto* slot = static_cast<ConnectSlot*>(context);
  if (status == STATUS_SUCCESS) {
    if (slot->step_ == Step::create_qp)
      slot->qp_ = reinterpret_cast<NDK_QP*>(object);
    else
      slot->connector_ = reinterpret_cast<NDK_CONNECTOR*>(object);
  }
  run(slot, status);
}

VOID ConnectSlot::completed(PVOID context, NTSTATUS status) {
  run(static_cast<ConnectSlot*>(context), status);
}

VOID ConnectSlot::closed(PVOID context) {
  run(static_cast<ConnectSlot*>(context), STATUS_SUCCESS);
}

VOID ConnectSlot::disconnected(PVOID context) {
  auto* slot = static_cast<ConnectSlot*>(context);
  if (slot->is_passive_) slot->note_end();
}

}  // namespace softndk::tools
