#pragma once
#include "rnic/tpt/token_table.h"

namespace softndk::rnic {

inline constexpr std::uint64_t kPageBytes = 4096;

/// A logical address mapping: a row of the token table whose token is the high half of its addresses. It destroys
/// itself when it is released and the last access has ended, which by R-LAM-13 is at once.
class Mapping final : public rdma::AddressMapping, private rdma::DeregisterSink {
 public:
  /// `pages`: of whole pages. Null when memory, the table, or the 4 GiB of a row do not suffice.
  static Mapping* create(TokenTable& table, std::span<const rdma::MemoryExtent> pages, std::uint32_t first_octet,
                         std::uint64_t length_bytes) noexcept;
  Mapping(TokenTable& table, TokenSlot& slot, std::span<const rdma::MemoryExtent> pages, std::uint32_t first_octet,
          std::uint64_t length_bytes) noexcept;  // for create()

  std::uint64_t address() const noexcept override { return address_; }
  bool release() noexcept override;

 private:
  void on_deregistered() noexcept override { destroy(); }
  void destroy() noexcept;
  RegionExtent* extents() noexcept { return reinterpret_cast<RegionExtent*>(this + 1); }

  TokenTable& table_;
  TokenSlot* const slot_;
  std::uint64_t address_ = 0;
};

/// Finds pages by their logical addresses; cheap where they follow each other.
class MappedPages {
 public:
  explicit MappedPages(TokenTable& table) noexcept : table_(table) {}
  /// Null: `logical_address` is not that of a page of a mapping.
  std::uint8_t* at(std::uint64_t logical_address) noexcept;

 private:
  TokenTable& table_;
  RegionPin mapping_;
  const RegionExtent* extent_ = nullptr;
};

}  // namespace softndk::rnic
