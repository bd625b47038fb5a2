#pragma once
// The translation and protection table: which memory a token stands for, who may do what with it, and who is using it
// right now.
#include <atomic>
#include <cstdint>
#include <span>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/expected.h"
#include "base/thread_safety.h"
#include "io/rng.h"
#include "rdma/memory.h"
#include "rdma/work.h"

namespace softndk::rnic {

using rdma::AccessRights;
using rdma::Token;

/// Why an access was refused, in the order in which the checks are made (spec/iwarp.md 3.6).
enum class AccessError : std::uint8_t {
  invalid_token,  ///< unknown, disabled, or the key part is another one
  wrong_domain,
  wrong_rights,
  wraps,  ///< address + length passes 2^64
  out_of_bounds,
};

/// A protection domain as the table knows it; compared by identity. A token serves all queue pairs of its domain
/// (R-MR-17).
struct TokenDomain {
  Token privileged_token = 0;  ///< of a row of its own that is never enabled: for a peer it is a bad token (R-PTK-01)
};

/// What an access wants of a region.
enum class Access : std::uint8_t {
  local_read,
  local_write,
  read_sink,  ///< local_write, and announced
  remote_read,
  remote_write,
};

/// A piece of a region: `offset` octets from its begin.
struct RegionExtent {
  std::uint8_t* data;
  std::size_t bytes;
  std::uint64_t offset;
};

class Revocable;

/// Why a peer may not invalidate a token.
enum class PeerRefusal : std::uint8_t {
  unknown,        ///< it is nobody's, or dead
  not_permitted,  ///< of another domain, or of memory that no peer may invalidate
};

enum class RowKind : std::uint8_t {
  region,
  fast_region,
  window,   ///< of no use to our own requests
  mapping,  ///< no token at all: the high half of logical addresses
};

/// One row of the table. Everything but `state` is written while the row is disabled and without pins, and read only
/// under a pin.
struct alignas(64) TokenSlot {
  /// High half: the token while enabled, 0 while disabled. Low half: accesses in progress. One word, so that a pin
  /// and the check that the token still lives are one step.
  std::atomic<std::uint64_t> state{0};
  const TokenDomain* domain = nullptr;
  std::uint64_t base_address = 0;
  std::uint64_t length_bytes = 0;
  RegionExtent* extents = nullptr;
  std::uint32_t extent_count = 0;
  std::uint64_t first_octet = 0;  ///< where in the extents the row begins: windows lie inside a region's
  AccessRights rights;
  RowKind kind = RowKind::region;
  std::uint8_t key = 0;
  Revocable* revocable = nullptr;              ///< whose row it is, where an invalidate may end it
  rdma::DeregisterSink* drain_sink = nullptr;  ///< set before the token dies, called by the last unpin
  TokenSlot* next_free = nullptr;
  std::uint32_t index = 0;
};

/// Accesses in progress hold one; while it is held the region's memory stays described.
class RegionPin {
 public:
  RegionPin() = default;
  explicit RegionPin(TokenSlot* slot) : slot_(slot) {}
  RegionPin(RegionPin&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  RegionPin& operator=(RegionPin&& other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~RegionPin() { release(); }
  void release() noexcept;
  /// The pin stays, without a holder: TokenTable::unpin() ends it.
  void keep() noexcept { slot_ = nullptr; }
  const TokenSlot* slot() const { return slot_; }
  explicit operator bool() const { return slot_ != nullptr; }

 private:
  TokenSlot* slot_ = nullptr;
};

/// Tokens are index<<8 | key, the index scattered over 24 bits by a secret bijection: sparse, hard to guess, never 0
/// nor small. A freed row goes to the end of a queue and comes back with its next key (R-MR-13: not given out again
/// soon).
///
/// A logical address is its mapping's token and an offset of 32 bits: found as fast as a token, dead with it, and far
/// above what a host uses for virtual addresses, since no token has a high octet of 0.
class TokenTable {
 public:
  explicit TokenTable(io::Rng& rng);
  ~TokenTable();

  /// A disabled row; null when memory or the table is exhausted.
  TokenSlot* acquire_slot() noexcept;
  /// Back to the table; disabled and without pins.
  void release_slot(TokenSlot* slot) noexcept;

  /// The token the row will have until it is disabled.
  Token token_of(const TokenSlot& slot) const noexcept;
  /// From here on the token works.
  void enable(TokenSlot& slot) noexcept { enable(slot, token_of(slot)); }
  /// The same with one that was taken earlier, while the row still had another (R-MW-05).
  void enable(TokenSlot& slot, Token token) noexcept;
  /// The token is dead for new accesses. True: none is in progress. False: `sink` is told when the last one ended.
  bool disable(TokenSlot& slot, rdma::DeregisterSink& sink) noexcept;

  /// Pins what [address, address + length) is if somebody of `domain` may access it so by `token`.
  expected<RegionPin, AccessError> pin(Token token, const TokenDomain& domain, std::uint64_t address,
                                       std::uint64_t length_bytes, Access access) noexcept;
  /// Pins the mapping that `logical_address` lies in; empty if it lies in none.
  RegionPin pin_mapping(std::uint64_t logical_address) noexcept;
  /// For an sge that is pinned (RegionPin::keep): its row, and the end of the pin.
  const TokenSlot& pinned_slot(const rdma::Sge& sge, const TokenDomain& domain) const noexcept {
    return *slot_of(row_token(sge, domain));
  }
  void unpin(const rdma::Sge& sge, const TokenDomain& domain) noexcept {
    RegionPin end(slot_of(row_token(sge, domain)));
  }

  /// Whom an invalidation that a peer asks for would end (R-SINV-03): a bound window, or a valid fast-register region
  /// with remote rights. Held; the caller drops it.
  expected<Revocable*, PeerRefusal> hold_for_peer(Token token, const TokenDomain& domain) noexcept;
  /// The same for a Read that invalidates its sink: a valid fast-register region (R-RLI-03).
  Revocable* hold_fast_region(Token token, const TokenDomain& domain) noexcept;

 private:
  static constexpr unsigned kChunkSlots = 1024;
  static constexpr unsigned kChunks = (1u << 24) / kChunkSlots;
  TokenSlot* slot_at(std::uint32_t index) const noexcept;
  TokenSlot* slot_of(Token token) const noexcept { return slot_at(gather(token >> 8)); }
  std::uint32_t scatter(std::uint32_t index) const noexcept;
  std::uint32_t gather(std::uint32_t wire_index) const noexcept;
  /// Which row `sge` is about.
  static Token row_token(const rdma::Sge& sge, const TokenDomain& domain) noexcept {
    return sge.token == domain.privileged_token ? static_cast<Token>(sge.address >> 32) : sge.token;
  }
  /// Pins the row if the token is alive; else empty.
  RegionPin pin_row(Token token) noexcept;
  Revocable* hold(RegionPin pin, const TokenDomain& domain) noexcept;

  std::uint32_t multiplier_;  // odd: invertible modulo 2^24
  std::uint32_t inverse_;
  std::uint32_t offset_;
  std::atomic<TokenSlot*>* chunks_ = nullptr;
  Mutex mutex_;
  std::uint32_t used_ SOFTNDK_GUARDED_BY(mutex_) = 0;  // indexes ever used
  std::uint32_t made_ SOFTNDK_GUARDED_BY(mutex_) = 0;  // rows ever handed out
  TokenSlot* free_head_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  TokenSlot* free_tail_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
};

/// Where octets [address, address + length_bytes) of a pinned region lie: fills `spans`, returns how many it used and
/// leaves in `length_bytes` how many octets they cover (fewer if the spans did not suffice).
std::size_t map_region(const TokenSlot& slot, std::uint64_t address, std::size_t& length_bytes,
                       std::span<IoSpan> spans) noexcept;

/// Copies octets [address, address + length_bytes) of a pinned region; returns where they end.
std::uint8_t* copy_from_region(const TokenSlot& slot, std::uint64_t address, std::size_t length_bytes,
                               std::uint8_t* to) noexcept;
/// Copies `octets` to a pinned region, from `address` on.
void copy_to_region(const TokenSlot& slot, std::uint64_t address, Bytes octets) noexcept;

/// The extent in which octet `at` lies; null: behind the last one.
const RegionExtent* find_extent(const TokenSlot& slot, std::uint64_t at) noexcept;

}  // namespace softndk::rnic
