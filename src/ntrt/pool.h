#pragma once
// The pool behind ExAllocatePool*: aligned as Windows aligns (a consumer may register a 64 KiB buffer and hard-code a
// first-byte offset of 0), poisoned, and with every live block on record.
//
//   n >= 4096   page aligned
//   n <  4096   16-byte aligned (64 for cache-aligned kinds), never across a page boundary
//   fresh       filled with kPoolFreshByte, or zeroed where the interface says so
//   freed       filled with kPoolFreedByte and kept from reuse for a while; a write into it meanwhile is found. Under
//               AddressSanitizer the sanitizer does both, sharper, and ours steps aside.
//   past the end   without a sanitizer, 16 guard bytes that are looked at when the block is freed
//
// All functions: any thread, <= DISPATCH_LEVEL; the one lock is held for short sections only.
#include <cstddef>
#include <cstdint>
#include "ntrt/object_tree.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {

inline constexpr std::uint8_t kPoolFreshByte = 0xAA;  // both make pointers that are not canonical, so that following
inline constexpr std::uint8_t kPoolFreedByte = 0x55;  // one faults where it happens

struct PoolRequest {
  std::size_t bytes = 0;
  ULONG tag = 0;
  bool paged = false;
  bool zeroed = false;
  bool cache_aligned = false;
};

/// nullptr: memory is short, or the fault hook failed "pool". `caller` is what leak lists name.
[[nodiscard]] void* pool_allocate(const PoolRequest& request, void* caller) noexcept;

/// Bug checks (BAD_POOL_CALLER) if `block` is not the start of a live block, was freed before, carries another tag
/// (0: any), or was written past its end.
void pool_free(void* block, ULONG tag, void* caller) noexcept;

/// The whole of [address, address + bytes) lies in one live block of the nonpaged pool.
bool pool_contains(const void* address, std::size_t bytes) noexcept;

struct PoolUsage {
  std::size_t bytes = 0;
  std::size_t blocks = 0;
};
PoolUsage pool_usage() noexcept;
PoolUsage pool_usage(ULONG tag) noexcept;

/// One line for each live block, oldest first, at most 100 and a count of the rest, and the stacks that are known. MDLs
/// and work items live in the pool too, and are called by their names. `allocated_in`: only those that code of the
/// module of this address asked for; null: all. Returns how many are live.
std::size_t pool_report_leaks(const LineSink& sink, const void* allocated_in = nullptr) noexcept;

inline constexpr ULONG kMdlTag = ' ldM';       // "Mdl " in leak lists, as on Windows
inline constexpr ULONG kWorkItemTag = 'kroW';  // "Work"

/// A tag in memory order, as debuggers print it: 'tkdN' in the source is "Ndkt". Unprintable bytes become '.'.
struct PoolTagText {
  explicit PoolTagText(ULONG tag) noexcept;
  char text[5];
};

}  // namespace softndk::ntrt
