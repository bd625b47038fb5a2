#pragma once
#include "rnic/tpt/token_table.h"

namespace softndk::rnic {

/// Who waits for a binding to end.
class WindowWaiter {
 public:
  /// Any thread; once for each time that unbind() said it would be.
  virtual void on_window_free() noexcept = 0;

 protected:
  ~WindowWaiter() = default;
};

/// A memory window: a row of the token table that borrows the extents of a region's row.
///
///   free --bind--> bound --unbind or close--> draining --last access ended--> free
///
/// While it is not free it holds a pin on the region's row, so the region's memory stays described.
class Window final : public rdma::MemoryWindow, private rdma::DeregisterSink {
 public:
  /// `domain` is compared by identity only. Null when memory or the table is exhausted.
  static OwnedInterface<Window> create(TokenTable& table, const void* domain, rdma::WindowSink& sink) noexcept;
  Window(TokenTable& table, TokenSlot& slot, rdma::WindowSink& sink);
  ~Window() override;

  // rdma::MemoryWindow
  Token remote_token() const noexcept override { return token_.load(); }
  void close() noexcept override SOFTNDK_EXCLUDES(mutex_);

  /// The token of a bind that is being posted.
  Token take_token() noexcept SOFTNDK_EXCLUDES(mutex_);

  // When the posted work's turn has come; `domain` is that of the queue pair.

  /// success: the token works. wrong_state: bound already, or the region is not registered (R-MW-07). local_access:
  /// range, rights or domain (R-MW-01).
  rdma::WorkStatus bind(const rdma::WindowWork& work, Token token, const void* domain) noexcept
      SOFTNDK_EXCLUDES(mutex_);
  enum class Unbind : std::uint8_t {
    wrong_state,  ///< nothing is bound (R-INV-03)
    done,
    waits,  ///< the token is dead; `waiter` is told when no access is in progress any more
  };
  Unbind unbind(const void* domain, WindowWaiter& waiter) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// False: too late, the waiter is being told.
  [[nodiscard]] bool forget(WindowWaiter& waiter) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// A posted bind or invalidate is over. The window may be gone after this.
  void work_done(void* region_owner, bool bound) noexcept { sink_.on_window_work_done(region_owner, bound); }

 private:
  enum class State : std::uint8_t { free, bound, draining };
  void on_deregistered() noexcept override;
  void end_binding() noexcept SOFTNDK_EXCLUDES(mutex_);

  TokenTable& table_;
  TokenSlot* const slot_;
  rdma::WindowSink& sink_;
  std::atomic<Token> token_{0};

  Mutex mutex_;
  State state_ SOFTNDK_GUARDED_BY(mutex_) = State::free;
  bool closing_ SOFTNDK_GUARDED_BY(mutex_) = false;
  WindowWaiter* waiter_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  RegionPin region_ SOFTNDK_GUARDED_BY(mutex_);
  void* region_owner_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace softndk::rnic
