#pragma once
#include "rnic/tpt/revocable.h"

namespace softndk::rnic {

/// A memory window: a row of the token table that borrows the extents of a region's row, live while it is bound. While
/// it is not idle it holds a pin on the region's row, so the region's memory stays described.
class Window final : public rdma::MemoryWindow, public Revocable {
 public:
  /// Null when memory or the table is exhausted.
  static OwnedInterface<Window> create(TokenTable& table, const TokenDomain& domain, rdma::WindowSink& sink) noexcept;
  Window(TokenTable& table, TokenSlot& slot, rdma::WindowSink& sink) noexcept;

  // rdma::MemoryWindow
  Token remote_token() const noexcept override { return token_.load(); }
  void close() noexcept override { begin_close(); }

  /// The token of a bind that is being posted.
  Token take_token() noexcept SOFTNDK_EXCLUDES(mutex_);

  /// When the posted bind's turn has come; `domain` is that of the queue pair. success: the token works. wrong_state:
  /// bound already, or the region is not registered (R-MW-07). local_access: range, rights or domain (R-MW-01).
  rdma::WorkStatus bind(const rdma::WindowWork& work, Token token, const TokenDomain& domain) noexcept
      SOFTNDK_EXCLUDES(mutex_);
  void work_done(void* region_owner, bool bound) noexcept override { sink_.on_window_work_done(region_owner, bound); }

 private:
  void ended() noexcept override SOFTNDK_EXCLUDES(mutex_);
  void closed() noexcept override { sink_.on_window_closed(); }

  rdma::WindowSink& sink_;
  std::atomic<Token> token_{0};
  RegionPin region_ SOFTNDK_GUARDED_BY(mutex_);
  void* region_owner_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace softndk::rnic
