#include "rnic/tpt/token_table.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/log.h"
#include "rnic/tpt/revocable.h"

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

/// Whether [address, address + length) lies in the row.
std::optional<AccessError> check_range(const TokenSlot& slot, std::uint64_t address, std::uint64_t length_bytes) {
  // Wrap first, and by arithmetic that cannot itself wrap.
  if (length_bytes != 0 && address > UINT64_MAX - (length_bytes - 1)) return AccessError::wraps;
  if (address < slot.base_address) return AccessError::out_of_bounds;
  const std::uint64_t offset = address - slot.base_address;
  if (offset > slot.length_bytes || length_bytes > slot.length_bytes - offset) return AccessError::out_of_bounds;
  return std::nullopt;
}

bool allows(const TokenSlot& slot, Access access) {
  switch (access) {
    case Access::local_read:
      return slot.kind != RowKind::window;  // every registration has it
    case Access::local_write:
      return slot.rights.local_write;
    case Access::read_sink:
      return slot.rights.read_sink;
    case Access::remote_read:  // R-MR-07
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
  if (free_head_ != nullptr && made_ >= kKeepFree) {
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
    // A NIC may treat wire index 0 as "all memory", and logical addresses must not look like virtual ones: no small
    // ones.
    if (scatter(index) >> 16 == 0) continue;
    ++made_;
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
  slot->kind = RowKind::region;
  slot->revocable = nullptr;
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

RegionPin TokenTable::pin_row(Token token) noexcept {
  TokenSlot* slot = chunks_ == nullptr ? nullptr : slot_of(token);
  if (slot == nullptr || token >> 8 == 0) return {};
  std::uint64_t state = slot->state.load();
  do {
    if (state >> 32 != token) return {};
  } while (!slot->state.compare_exchange_weak(state, state + kOnePin));
  return RegionPin(slot);
}

expected<RegionPin, AccessError> TokenTable::pin(Token token, const TokenDomain& domain, std::uint64_t address,
                                                 std::uint64_t length_bytes, Access access) noexcept {
  const bool is_remote = access == Access::remote_read || access == Access::remote_write;
  if (!is_remote && token == domain.privileged_token) {
    RegionPin mapping = pin_mapping(address);
    if (!mapping) return unexpected(AccessError::invalid_token);
    if (access == Access::read_sink) return unexpected(AccessError::wrong_rights);  // R-PTK-03
    if (const auto error = check_range(*mapping.slot(), address, length_bytes)) return unexpected(*error);
    return mapping;
  }
  RegionPin pin = pin_row(token);
  if (!pin || pin.slot()->kind == RowKind::mapping) return unexpected(AccessError::invalid_token);
  const TokenSlot& slot = *pin.slot();
  if (slot.domain != &domain) return unexpected(AccessError::wrong_domain);
  if (!allows(slot, access)) return unexpected(AccessError::wrong_rights);
  if (const auto error = check_range(slot, address, length_bytes)) return unexpected(*error);
  return pin;
}

RegionPin TokenTable::pin_mapping(std::uint64_t logical_address) noexcept {
  RegionPin pin = pin_row(static_cast<Token>(logical_address >> 32));
  if (pin && pin.slot()->kind != RowKind::mapping) pin.release();
  return pin;
}

Revocable* TokenTable::hold(RegionPin pin, const TokenDomain& domain) noexcept {
  if (pin.slot()->domain != &domain) return nullptr;
  pin.slot()->revocable->hold();  // it cannot go while its row is pinned
  return pin.slot()->revocable;
}

expected<Revocable*, PeerRefusal> TokenTable::hold_for_peer(Token token, const TokenDomain& domain) noexcept {
  RegionPin pin = pin_row(token);
  if (!pin || pin.slot()->kind == RowKind::mapping) return unexpected(PeerRefusal::unknown);
  const bool is_remote = pin.slot()->rights.remote_read || pin.slot()->rights.remote_write;
  Revocable* held = is_remote && pin.slot()->revocable != nullptr ? hold(std::move(pin), domain) : nullptr;
  if (held == nullptr) return unexpected(PeerRefusal::not_permitted);
  return held;
}

Revocable* TokenTable::hold_fast_region(Token token, const TokenDomain& domain) noexcept {
  RegionPin pin = pin_row(token);
  if (!pin || pin.slot()->kind != RowKind::fast_region) return nullptr;
  return hold(std::move(pin), domain);
}

const RegionExtent* find_extent(const TokenSlot& slot, std::uint64_t at) noexcept {
  const RegionExtent* end = slot.extents + slot.extent_count;
  const RegionExtent* extent = slot.extents;
  if (slot.extent_count > 1) {
    extent = std::upper_bound(extent, end, at,
                              [](std::uint64_t it, const RegionExtent& candidate) { return it < candidate.offset; }) -
             1;
  }
  return at - extent->offset < extent->bytes ? extent : nullptr;
}

namespace {
/// Calls `piece(data, bytes)` for each stretch of octets [address, address + length_bytes) of a pinned region.
template <class Piece>
void for_each_piece(const TokenSlot& slot, std::uint64_t address, std::size_t length_bytes, Piece&& piece) {
  std::uint64_t offset = address - slot.base_address + slot.first_octet;
  const RegionExtent* extent = find_extent(slot, offset);
  SOFTNDK_CHECK(extent != nullptr);  // the access was checked against the region's bounds
  for (; length_bytes != 0; ++extent) {
    const std::size_t within = offset - extent->offset;
    const std::size_t bytes = std::min(length_bytes, extent->bytes - within);
    piece(extent->data + within, bytes);
    offset += bytes;
    length_bytes -= bytes;
  }
}
}  // namespace

std::uint8_t* copy_from_region(const TokenSlot& slot, std::uint64_t address, std::size_t length_bytes,
                               std::uint8_t* to) noexcept {
  for_each_piece(slot, address, length_bytes, [&](const std::uint8_t* data, std::size_t bytes) {
    std::memmove(to, data, bytes);  // memcpy would become "rep movsq" here, which is slow to begin
    to += bytes;
  });
  return to;
}

void copy_to_region(const TokenSlot& slot, std::uint64_t address, Bytes octets) noexcept {
  const std::uint8_t* from = octets.data();
  for_each_piece(slot, address, octets.size(), [&](std::uint8_t* data, std::size_t bytes) {
    std::memmove(data, from, bytes);
    from += bytes;
  });
}

std::size_t map_region(const TokenSlot& slot, std::uint64_t address, std::size_t& length_bytes,
                       std::span<IoSpan> spans) noexcept {
  if (length_bytes == 0) return 0;
  std::uint64_t offset = address - slot.base_address + slot.first_octet;
  const RegionExtent* end = slot.extents + slot.extent_count;
  const RegionExtent* extent = find_extent(slot, offset);
  SOFTNDK_CHECK(extent != nullptr);  // the access was checked against the region's bounds
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
