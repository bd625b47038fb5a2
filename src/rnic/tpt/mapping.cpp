#include "rnic/tpt/mapping.h"

namespace softndk::rnic {

static_assert(sizeof(Mapping) % alignof(RegionExtent) == 0 && alignof(RegionExtent) <= 16);

Mapping* Mapping::create(TokenTable& table, std::span<const rdma::MemoryExtent> pages, std::uint32_t first_octet,
                         std::uint64_t length_bytes) noexcept {
  if (length_bytes > (std::uint64_t{1} << 32) - first_octet) return nullptr;
  void* memory = try_allocate(sizeof(Mapping) + pages.size() * sizeof(RegionExtent));
  if (memory == nullptr) return nullptr;
  TokenSlot* slot = table.acquire_slot();
  if (slot == nullptr) {
    deallocate(memory);
    return nullptr;
  }
  return ::new (memory) Mapping(table, *slot, pages, first_octet, length_bytes);
}

Mapping::Mapping(TokenTable& table, TokenSlot& slot, std::span<const rdma::MemoryExtent> pages,
                 std::uint32_t first_octet, std::uint64_t length_bytes) noexcept
    : table_(table), slot_(&slot), address_(std::uint64_t{table.token_of(slot)} << 32) {
  std::uint64_t offset = 0;
  RegionExtent* to = extents();
  for (const rdma::MemoryExtent& extent : pages) {
    *to++ = {extent.data, extent.bytes, offset};
    offset += extent.bytes;
  }
  slot.domain = nullptr;  // of the device: whoever has its domain's privileged token may use it
  slot.kind = RowKind::mapping;
  slot.base_address = address_ + first_octet;
  slot.length_bytes = length_bytes;
  slot.first_octet = first_octet;
  slot.extents = extents();
  slot.extent_count = static_cast<std::uint32_t>(pages.size());
  slot.rights = {.local_write = true, .remote_read = false, .remote_write = false};
  table.enable(slot);
}

bool Mapping::release() noexcept {
  if (!table_.disable(*slot_, *this)) return false;  // the last unpin destroys it, perhaps before this returns
  destroy();
  return true;
}

void Mapping::destroy() noexcept {
  table_.release_slot(slot_);
  void* memory = this;
  this->~Mapping();
  deallocate(memory);
}

std::uint8_t* MappedPages::at(std::uint64_t logical_address) noexcept {
  if (logical_address % kPageBytes != 0) return nullptr;
  if (!mapping_ || (mapping_.slot()->base_address ^ logical_address) >> 32 != 0) {
    mapping_ = table_.pin_mapping(logical_address);
    if (!mapping_) return nullptr;
    extent_ = nullptr;
  }
  const std::uint64_t offset = static_cast<std::uint32_t>(logical_address);
  if (extent_ == nullptr || offset - extent_->offset >= extent_->bytes) extent_ = find_extent(*mapping_.slot(), offset);
  return extent_ == nullptr ? nullptr : extent_->data + (offset - extent_->offset);
}

}  // namespace softndk::rnic
