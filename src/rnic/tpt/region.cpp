#include "rnic/tpt/region.h"

#include "base/log.h"

namespace softndk::rnic {

OwnedInterface<Region> Region::create(TokenTable& table, const TokenDomain& domain, std::uint64_t bytes_max) noexcept {
  TokenSlot* slot = table.acquire_slot();
  if (slot == nullptr) return nullptr;
  slot->domain = &domain;
  OwnedInterface<Region> region = make_interface<Region>(table, *slot, bytes_max);
  if (region == nullptr) table.release_slot(slot);
  return region;
}

Region::Region(TokenTable& table, TokenSlot& slot, std::uint64_t bytes_max)
    : table_(table), slot_(&slot), bytes_max_(bytes_max) {}

Region::~Region() {
  SOFTNDK_CHECK(token_.load() == 0);
  deallocate(slot_->extents);
  table_.release_slot(slot_);
}

expected<void, rdma::MemoryError> Region::enable(std::uint64_t base_address,
                                                 std::span<const rdma::MemoryExtent> extents,
                                                 AccessRights rights) noexcept {
  if (token_.load() != 0) return unexpected(rdma::MemoryError::wrong_state);
  void* memory = try_allocate(sizeof(RegionExtent) * extents.size(), alignof(RegionExtent));
  if (memory == nullptr) return unexpected(rdma::MemoryError::no_resources);
  auto* copied = static_cast<RegionExtent*>(memory);
  std::uint64_t length_bytes = 0;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    copied[i] = {extents[i].data, extents[i].bytes, length_bytes};
    length_bytes += extents[i].bytes;
  }
  if (length_bytes > bytes_max_) {
    deallocate(memory);
    return unexpected(rdma::MemoryError::too_long);
  }
  deallocate(slot_->extents);
  slot_->extents = copied;
  slot_->extent_count = static_cast<std::uint32_t>(extents.size());
  slot_->base_address = base_address;
  slot_->length_bytes = length_bytes;
  slot_->rights = rights;
  ++slot_->key;  // a token that died by disable() does not come back with the next registration
  table_.enable(*slot_);
  token_ = table_.token_of(*slot_);
  return {};
}

bool Region::disable(rdma::DeregisterSink& sink) noexcept {
  token_ = 0;
  return table_.disable(*slot_, sink);
}

}  // namespace softndk::rnic
