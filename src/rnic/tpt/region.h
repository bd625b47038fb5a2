#pragma once
#include "rnic/tpt/token_table.h"

namespace softndk::rnic {

/// A memory region: one row of the token table, from its creation to its end.
class Region final : public rdma::MemoryRegion {
 public:
  /// Null when memory or the table is exhausted.
  static OwnedInterface<Region> create(TokenTable& table, const TokenDomain& domain, std::uint64_t bytes_max) noexcept;
  Region(TokenTable& table, TokenSlot& slot, std::uint64_t bytes_max);
  ~Region() override;

  expected<void, rdma::MemoryError> enable(std::uint64_t base_address, std::span<const rdma::MemoryExtent> extents,
                                           AccessRights rights) noexcept override;
  bool disable(rdma::DeregisterSink& sink) noexcept override;
  bool is_enabled() const noexcept override { return token_.load() != 0; }
  Token local_token() const noexcept override { return token_.load(); }
  /// The same key: rights decide what a peer may do with it, and a region without remote rights refuses every peer
  /// (R-MR-16).
  Token remote_token() const noexcept override { return token_.load(); }

 private:
  TokenTable& table_;
  TokenSlot* slot_;
  std::uint64_t bytes_max_;
  std::atomic<Token> token_{0};  // a bind looks at it while the owner may change it
};

}  // namespace softndk::rnic
