#include "rnic/tpt/token_table.h"

#include <algorithm>

#include "base/log.h"

namespace softndk::rnic {
namespace {

constexpr std::uint32_t kIndexMask = (1u << 24) - 1;
constexpr std::uint64_t kOnePin = 1;
constexpr std::uint64_t kPinMask = 0xFFFFFFFF;

std::uint32_t inverse_modulo_2_24(std::uint32_t odd) {
  std::uint32_t inverse = odd;  // right to 3 bits; each step doubles them
  for (int i = 0; i < 4; ++i)
    inverse *= 2 - odd * inverse;
  return inverse & kIndexMask;
}

bool allows(const TokenSlot& slot, Access access) {
  switch (access) {
    case Access::local_read:
      return !slot.remote_only;  // every registration has it
    case Access::local_write:
      return slot.rights.local_write;
    case Access::remote_read:
      return slot.rights.remote_read;
    case Access::remote_write:
      return slot.rights.remote_write;
  }
  SOFTNDK_UNREACHABLE();
}

}  // namespace

void RegionPin::release() noexcept {
  TokenSlot* slot = std::exchange(slot_, nullptr);
  if (slot == nullptr) return;
  const std::uint64_t before = slot->state.fetch_sub(kOnePin);
  // The last pin of a dead token: nobody can pin again, so exactly one unpin sees this. The sink was written before the
  // token died, in disable().
  if (before == kOnePin) slot->drain_sink->on_deregistered();
}

TokenTable::TokenTable(io::Rng& rng)
    : multiplier_((static_cast<std::uint32_t>(rng.next()) & kIndexMask) | 1),
      inverse_(inverse_modulo_2_24(multiplier_)),
      offset_(static_cast<std::uint32_t>(rng.next()) & kIndexMask) {
  chunks_ = static_cast<std::atomic<TokenSlot*>*>(try_allocate(sizeof(std::atomic<TokenSlot*>) * kChunks, 64));
  if (chunks_ != nullptr) std::uninitialized_value_construct_n(chunks_, kChunks);
}

TokenTable::~TokenTable() {
  if (chunks_ == nullptr) return;
  for (unsigned i = 0; i < kChunks; ++i)
    deallocate(chunks_[i].load(std::memory_order_relaxed));
  deallocate(chunks_);
}

std::uint32_t TokenTable::scatter(std::uint32_t index) const noexcept {
  return (index * multiplier_ + offset_) & kIndexMask;
}
std::uint32_t TokenTable::gather(std::uint32_t wire_index) const noexcept {
  return ((wire_index - offset_) * inverse_) & kIndexMask;
}

TokenSlot* TokenTable::slot_at(std::uint32_t index) const noexcept {
  // partner: the release store in acquire_slot
  TokenSlot* chunk = chunks_[index / kChunkSlots].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : &chunk[index % kChunkSlots];
}

TokenSlot* TokenTable::acquire_slot() noexcept {
  MutexLock lock(mutex_);
  if (chunks_ == nullptr) return nullptr;
  // Rows wait in the queue while fresh ones are to be had cheaply: a token that has just died stays dead for long.
  constexpr std::uint32_t kKeepFree = 256;
  if (free_head_ != nullptr && (used_ >= kKeepFree)) {
    TokenSlot* slot = free_head_;
    free_head_ = slot->next_free;
    if (free_head_ == nullptr) free_tail_ = nullptr;
    slot->next_free = nullptr;
    return slot;
  }
  for (;;) {
    if (used_ > kIndexMask) return nullptr;
    const std::uint32_t index = used_;
    if (slot_at(index) == nullptr) {
      void* memory = try_allocate(sizeof(TokenSlot) * kChunkSlots, alignof(TokenSlot));
      if (memory == nullptr) return nullptr;
      auto* chunk = static_cast<TokenSlot*>(memory);
      std::uninitialized_value_construct_n(chunk, kChunkSlots);
      chunks_[index / kChunkSlots].store(chunk, std::memory_order_release);  // partner: slot_at
    }
    ++used_;
    if (scatter(index) == 0) continue;  // a NIC may treat wire index 0 as "all memory": we never hand it out
    TokenSlot* slot = slot_at(index);
    slot->index = index;
    slot->key = static_cast<std::uint8_t>(index * 37 + offset_);
    return slot;
  }
}

void TokenTable::release_slot(TokenSlot* slot) noexcept {
  SOFTNDK_CHECK(slot->state.load() == 0);
  MutexLock lock(mutex_);
  ++slot->key;
  slot->extents = nullptr;
  slot->first_octet = 0;
  slot->remote_only = false;
  slot->next_free = nullptr;
  if (free_tail_ != nullptr) {
    free_tail_->next_free = slot;
  } else {
    free_head_ = slot;
  }
  free_tail_ = slot;
}

Token TokenTable::token_of(const TokenSlot& slot) const noexcept {
  return scatter(slot.index) << 8 | slot.key;
}

void TokenTable::enable(TokenSlot& slot, Token token) noexcept {
  slot.state.store(std::uint64_t{token} << 32);  // publishes the row's fields to pin()
}

bool TokenTable::disable(TokenSlot& slot, rdma::DeregisterSink& sink) noexcept {
  slot.drain_sink = &sink;
  return slot.state.fetch_and(kPinMask) << 32 == 0;
}

expected<RegionPin, AccessError> TokenTable::pin(Token token, const void* domain, std::uint64_t address,
                                                 std::uint64_t length_bytes, Access access) noexcept {
  TokenSlot* slot = chunks_ == nullptr ? nullptr : slot_at(gather(token >> 8));
  if (slot == nullptr || token >> 8 == 0) return unexpected(AccessError::invalid_token);
  std::uint64_t state = slot->state.load();
  do {
    if (state >> 32 != token) return unexpected(AccessError::invalid_token);
  } while (!slot->state.compare_exchange_weak(state, state + kOnePin));
  RegionPin pin(slot);
  if (slot->domain != domain) return unexpected(AccessError::wrong_domain);
  if (!allows(*slot, access)) return unexpected(AccessError::wrong_rights);
  // Wrap first, and by arithmetic that cannot itself wrap.
  if (length_bytes != 0 && address > UINT64_MAX - (length_bytes - 1)) return unexpected(AccessError::wraps);
  if (address < slot->base_address) return unexpected(AccessError::out_of_bounds);
  const std::uint64_t offset = address - slot->base_address;
  if (offset > slot->length_bytes || length_bytes > slot->length_bytes - offset)
    return unexpected(AccessError::out_of_bounds);
  return pin;
}

std::size_t map_region(const TokenSlot& slot, std::uint64_t address, std::size_t& length_bytes,
                       std::span<IoSpan> spans) noexcept {
  std::uint64_t offset = address - slot.base_address + slot.first_octet;
  const RegionExtent* end = slot.extents + slot.extent_count;
  const RegionExtent* extent = slot.extents;
  if (slot.extent_count > 1) {
    extent = std::upper_bound(extent, end, offset,
                              [](std::uint64_t at, const RegionExtent& candidate) { return at < candidate.offset; }) -
             1;
  }
  std::size_t left = length_bytes;
  std::size_t count = 0;
  while (left != 0 && count < spans.size() && extent != end) {
    const std::size_t within = offset - extent->offset;
    const std::size_t bytes = std::min(left, extent->bytes - within);
    spans[count++] = {extent->data + within, bytes};
    left -= bytes;
    offset += bytes;
    ++extent;
  }
  length_bytes -= left;
  return count;
}

}  // namespace softndk::rnic
