#include "rnic/tpt/window.h"

namespace softndk::rnic {

using rdma::WorkStatus;

OwnedInterface<Window> Window::create(TokenTable& table, const TokenDomain& domain, rdma::WindowSink& sink) noexcept {
  TokenSlot* slot = table.acquire_slot();
  if (slot == nullptr) return nullptr;
  slot->domain = &domain;
  slot->kind = RowKind::window;
  OwnedInterface<Window> window = make_interface<Window>(table, *slot, sink);
  if (window == nullptr) table.release_slot(slot);
  return window;
}

Window::Window(TokenTable& table, TokenSlot& slot, rdma::WindowSink& sink) noexcept
    : Revocable(table, slot), sink_(sink) {}

Token Window::take_token() noexcept {
  MutexLock lock(mutex_);
  ++slot_->key;  // of the row's next life: while it is enabled, its state says which token works (R-MW-06)
  token_ = table_.token_of(*slot_);
  return token_.load();
}

WorkStatus Window::bind(const rdma::WindowWork& work, Token token, const TokenDomain& domain) noexcept {
  if (slot_->domain != &domain) return WorkStatus::local_access;
  if (work.region == nullptr) return WorkStatus::wrong_state;
  // What the peer may write must be ours to write; to read, any registration will do (R-MW-02, R-MW-03). Pinned, and on
  // failure let go of, outside the lock: the end of a pin may be the end of a deregistration.
  auto region = table_.pin(work.region->local_token(), domain, work.address, work.length_bytes,
                           work.rights.remote_write ? Access::local_write : Access::local_read);
  if (!region) return region.error() == AccessError::invalid_token ? WorkStatus::wrong_state : WorkStatus::local_access;
  MutexLock lock(mutex_);
  if (state_ != State::idle) return WorkStatus::wrong_state;
  region_ = std::move(*region);
  region_owner_ = work.region_owner;
  const TokenSlot& of_region = *region_.slot();
  slot_->base_address = work.address;
  slot_->length_bytes = work.length_bytes;
  slot_->extents = of_region.extents;
  slot_->extent_count = of_region.extent_count;
  slot_->first_octet = work.address - of_region.base_address;
  slot_->rights = {
      .local_write = false, .remote_read = work.rights.remote_read, .remote_write = work.rights.remote_write};
  state_ = State::live;
  table_.enable(*slot_, token);
  return WorkStatus::success;
}

void Window::ended() noexcept {
  RegionPin region;
  void* owner = nullptr;
  {
    MutexLock lock(mutex_);
    region = std::move(region_);
    owner = region_owner_;
  }
  region.release();
  sink_.on_unbound(owner);
}

}  // namespace softndk::rnic
