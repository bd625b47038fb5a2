#include "rnic/tpt/revocable.h"

#include "base/interleave.h"

namespace softndk::rnic {

Revocable::Revocable(TokenTable& table, TokenSlot& slot) noexcept : table_(table), slot_(&slot) {
  slot.revocable = this;
}

Revocable::~Revocable() {
  table_.release_slot(slot_);
}

Revocable::Revoke Revocable::revoke(const TokenDomain& domain, RevokeWaiter& waiter) noexcept {
  {
    MutexLock lock(mutex_);
    if (state_ != State::live || slot_->domain != &domain) return Revoke::wrong_state;
    state_ = State::draining;
    waiter_ = &waiter;
  }
  if (!table_.disable(*slot_, *this)) return Revoke::waits;
  {
    MutexLock lock(mutex_);
    waiter_ = nullptr;
  }
  end();
  return Revoke::done;
}

bool Revocable::forget(RevokeWaiter& waiter) noexcept {
  MutexLock lock(mutex_);
  if (waiter_ != &waiter) return false;
  waiter_ = nullptr;
  return true;
}

void Revocable::hold() noexcept {
  MutexLock lock(mutex_);
  ++holders_;
}

void Revocable::drop() noexcept {
  bool last = false;
  {
    MutexLock lock(mutex_);
    last = --holders_ == 0 && closing_ && state_ == State::idle;
  }
  if (last) closed();
}

void Revocable::begin_close() noexcept {
  State before;
  bool held = false;
  {
    MutexLock lock(mutex_);
    closing_ = true;
    before = state_;
    held = holders_ != 0;
    if (state_ == State::live) state_ = State::draining;
  }
  if (before == State::idle && !held) closed();
  // Else it goes on from here: by the end that is under way, or by the last holder.
  if (before == State::live && table_.disable(*slot_, *this)) end();
}

void Revocable::on_deregistered() noexcept {
  end();
}

void Revocable::end() noexcept {
  ended();
  RevokeWaiter* waiter = nullptr;
  {
    MutexLock lock(mutex_);
    ++holders_;            // ours: until the waiter was told
    state_ = State::idle;  // only now: who finds it idle may let it go
    waiter = std::exchange(waiter_, nullptr);
  }
  interleave_point();
  if (waiter != nullptr) waiter->on_revoked();
  drop();
}

}  // namespace softndk::rnic
