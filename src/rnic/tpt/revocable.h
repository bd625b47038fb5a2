#pragma once
#include "rnic/tpt/token_table.h"

namespace softndk::rnic {

/// Who waits until no access through a token that died is in progress.
class RevokeWaiter {
 public:
  /// Any thread; once for each revoke() that said it would be.
  virtual void on_revoked() noexcept = 0;

 protected:
  ~RevokeWaiter() = default;
};

/// What invalidates end, our own ones and a peer's: a window's binding, the validity of a fast-register region. Owns
/// its row of the token table.
///
///   idle --work of a queue pair--> live --revoke() or close--> draining --last access ended--> idle
///
/// Idle means that nothing comes through the token any more (R-INV-04). Closed for good when it is idle and nobody
/// holds it.
class Revocable : private rdma::DeregisterSink {
 public:
  enum class Revoke : std::uint8_t {
    wrong_state,  ///< not live (R-INV-03), or another domain's
    done,
    waits,  ///< the token is dead; `waiter` is, or was, told when no access is in progress any more
  };
  /// `domain` is that of the queue pair on which the invalidate came.
  Revoke revoke(const TokenDomain& domain, RevokeWaiter& waiter) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// False: too late, the waiter is being told.
  [[nodiscard]] bool forget(RevokeWaiter& waiter) noexcept SOFTNDK_EXCLUDES(mutex_);

  /// While it is held it is not destroyed. By somebody under whose feet it cannot go: TokenTable::hold().
  void hold() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// It may be gone after this.
  void drop() noexcept SOFTNDK_EXCLUDES(mutex_);

  /// Posted work that names it is over. It may be gone after this.
  virtual void work_done(void* region_owner, bool bound) noexcept = 0;

 protected:
  enum class State : std::uint8_t { idle, live, draining };
  Revocable(TokenTable& table, TokenSlot& slot) noexcept;
  ~Revocable();
  void begin_close() noexcept SOFTNDK_EXCLUDES(mutex_);

  /// No access is in progress any more; it is not idle yet. No lock is held.
  virtual void ended() noexcept = 0;
  /// The last call, after begin_close(): it may be destroyed inside it.
  virtual void closed() noexcept = 0;

  TokenTable& table_;
  TokenSlot* const slot_;
  Mutex mutex_;
  State state_ SOFTNDK_GUARDED_BY(mutex_) = State::idle;

 private:
  void on_deregistered() noexcept override;
  void end() noexcept SOFTNDK_EXCLUDES(mutex_);

  bool closing_ SOFTNDK_GUARDED_BY(mutex_) = false;
  std::uint32_t holders_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  RevokeWaiter* waiter_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace softndk::rnic
