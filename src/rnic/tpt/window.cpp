#include "rnic/tpt/window.h"

#include "base/log.h"

namespace softndk::rnic {

using rdma::WorkStatus;

OwnedInterface<Window> Window::create(TokenTable& table, const void* domain, rdma::WindowSink& sink) noexcept {
  TokenSlot* slot = table.acquire_slot();
  if (slot == nullptr) return nullptr;
  slot->domain = domain;
  slot->remote_only = true;
  OwnedInterface<Window> window = make_interface<Window>(table, *slot, sink);
  if (window == nullptr) table.release_slot(slot);
  return window;
}

Window::Window(TokenTable& table, TokenSlot& slot, rdma::WindowSink& sink) : table_(table), slot_(&slot), sink_(sink) {}

Window::~Window() {
  table_.release_slot(slot_);
}

Token Window::take_token() noexcept {
  MutexLock lock(mutex_);
  ++slot_->key;  // of the row's next life: while it is enabled, its state says which token works (R-MW-06)
  token_ = table_.token_of(*slot_);
  return token_.load();
}

WorkStatus Window::bind(const rdma::WindowWork& work, Token token, const void* domain) noexcept {
  if (slot_->domain != domain) return WorkStatus::local_access;
  // What the peer may write must be ours to write; to read, any registration will do (R-MW-02, R-MW-03). Pinned, and on
  // failure let go of, outside the lock: the end of a pin may be the end of a deregistration.
  auto region = table_.pin(work.region->local_token(), domain, work.address, work.length_bytes,
                           work.rights.remote_write ? Access::local_write : Access::local_read);
  if (!region) return region.error() == AccessError::invalid_token ? WorkStatus::wrong_state : WorkStatus::local_access;
  MutexLock lock(mutex_);
  if (state_ != State::free) return WorkStatus::wrong_state;
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
  state_ = State::bound;
  table_.enable(*slot_, token);
  return WorkStatus::success;
}

Window::Unbind Window::unbind(const void* domain, WindowWaiter& waiter) noexcept {
  {
    MutexLock lock(mutex_);
    if (state_ != State::bound || slot_->domain != domain) return Unbind::wrong_state;
    state_ = State::draining;
    waiter_ = &waiter;
  }
  if (!table_.disable(*slot_, *this)) return Unbind::waits;
  {
    MutexLock lock(mutex_);
    waiter_ = nullptr;
  }
  end_binding();
  return Unbind::done;
}

bool Window::forget(WindowWaiter& waiter) noexcept {
  MutexLock lock(mutex_);
  if (waiter_ != &waiter) return false;
  waiter_ = nullptr;
  return true;
}

void Window::close() noexcept {
  rdma::WindowSink& sink = sink_;
  State before;
  {
    MutexLock lock(mutex_);
    closing_ = true;
    before = state_;
    if (state_ == State::bound) state_ = State::draining;
  }
  if (before == State::free) sink.on_window_closed();
  // Else the end of the binding goes on from here: this one, or the one that is under way.
  if (before == State::bound && table_.disable(*slot_, *this)) end_binding();
}

void Window::on_deregistered() noexcept {
  end_binding();
}

void Window::end_binding() noexcept {
  RegionPin region;
  void* owner = nullptr;
  {
    MutexLock lock(mutex_);
    region = std::move(region_);
    owner = region_owner_;
  }
  region.release();
  rdma::WindowSink& sink = sink_;
  sink.on_unbound(owner);
  WindowWaiter* waiter = nullptr;
  bool closing = false;
  {
    MutexLock lock(mutex_);
    state_ = State::free;  // only now: who finds it free may let the window go
    waiter = std::exchange(waiter_, nullptr);
    closing = closing_;
  }
  if (waiter != nullptr) waiter->on_window_free();
  if (closing) sink.on_window_closed();
}

}  // namespace softndk::rnic
