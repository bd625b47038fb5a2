#include "ntrt/pool.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread_safety.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/pool_blocks.h"

#if defined(__SANITIZE_ADDRESS__)
#define SOFTNDK_POOL_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOFTNDK_POOL_UNDER_ASAN 1
#endif
#endif

namespace softndk::ntrt {
namespace {

#ifdef SOFTNDK_POOL_UNDER_ASAN
// The sanitizer's own red zones begin at the exact end of the block and its quarantine finds uses after free: guards
// and a quarantine of ours would only get between it and the mistake.
constexpr bool kUnderAsan = true;
#else
constexpr bool kUnderAsan = false;
#endif

constexpr std::size_t kPageSize = 4096;
constexpr std::size_t kGuardBytes = kUnderAsan ? 0 : 16;
constexpr std::uint8_t kGuardByte = 0xF5;
constexpr std::size_t kHistory = 256;              // blocks remembered after their end, for the words of a double free
constexpr std::size_t kQuarantineBlock = 16384;    // larger ones go back at once
constexpr std::size_t kQuarantineBytes = 1 << 20;  // all together

struct Pool {
  Mutex mutex;
  PoolBlockTree live SOFTNDK_GUARDED_BY(mutex);
  PoolUsage usage SOFTNDK_GUARDED_BY(mutex);
  std::uint64_t serial SOFTNDK_GUARDED_BY(mutex) = 0;
  // The last kHistory freed blocks, oldest at `freed_next`. Those with `held` still own their memory.
  struct Freed {
    PoolBlock block;
    bool held = false;
  };
  Freed freed[kHistory] SOFTNDK_GUARDED_BY(mutex);
  std::size_t freed_next SOFTNDK_GUARDED_BY(mutex) = 0;
  std::size_t freed_oldest_held SOFTNDK_GUARDED_BY(mutex) = 0;
  std::size_t held_bytes SOFTNDK_GUARDED_BY(mutex) = 0;
};
constinit Pool g_pool;

/// "0x55d2c3a01234 driver_entry+0x54 (driver)"
struct CallerText {
  explicit CallerText(void* caller) noexcept {
    char place[128];
    describe_code_address(caller, place, sizeof place);
    std::snprintf(text, sizeof text, "%p %s", caller, place);
  }
  char text[160];
};

bool all_bytes_are(std::uint8_t value, std::uintptr_t begin, std::size_t bytes) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(begin);
  return std::all_of(at, at + bytes, [value](std::uint8_t byte) { return byte == value; });
}

[[noreturn]] void report_written_after_free(const PoolBlock& block) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(block.begin);
  std::size_t offset = 0;
  while (offset < block.bytes && at[offset] == kPoolFreedByte)
    ++offset;
  bug_check(
      BugCode::bad_pool_caller,
      "pool block %p (%zu bytes, tag %s) was written at offset %zu after it was freed; allocated by %s, freed by %s",
      reinterpret_cast<void*>(block.begin), block.bytes, PoolTagText(block.tag).text, offset,
      CallerText(block.allocated_by).text, CallerText(block.freed_by).text);
}

/// Gives the memory of the oldest held block back; false if it was written meanwhile (a copy for the report then).
bool release_oldest_held(PoolBlock& spoilt) SOFTNDK_REQUIRES(g_pool.mutex) {
  Pool::Freed& oldest = g_pool.freed[g_pool.freed_oldest_held];
  g_pool.freed_oldest_held = (g_pool.freed_oldest_held + 1) % kHistory;
  if (!oldest.held) return true;
  oldest.held = false;
  g_pool.held_bytes -= oldest.block.bytes;
  const bool intact = all_bytes_are(kPoolFreedByte, oldest.block.begin, oldest.block.bytes);
  if (!intact) {
    spoilt = oldest.block;
    return false;
  }
  std::free(reinterpret_cast<void*>(oldest.block.begin));
  return true;
}

/// Remembers a freed block, and holds its memory if it is small. True: the caller frees the memory.
bool bury(const PoolBlock& block, PoolBlock& spoilt, bool& was_spoilt) SOFTNDK_REQUIRES(g_pool.mutex) {
  if (g_pool.freed[g_pool.freed_next].held) {  // the ring is full of held blocks: make room
    if (!release_oldest_held(spoilt)) was_spoilt = true;
  } else if (g_pool.freed_oldest_held == g_pool.freed_next) {
    g_pool.freed_oldest_held = (g_pool.freed_next + 1) % kHistory;
  }
  const bool hold = !kUnderAsan && block.bytes <= kQuarantineBlock;
  g_pool.freed[g_pool.freed_next] = {block, hold};
  g_pool.freed_next = (g_pool.freed_next + 1) % kHistory;
  if (hold) g_pool.held_bytes += block.bytes;
  while (!was_spoilt && g_pool.held_bytes > kQuarantineBytes) {
    if (!release_oldest_held(spoilt)) was_spoilt = true;
  }
  return !hold;
}

[[noreturn]] void report_not_live(std::uintptr_t begin, void* caller) {
  PoolBlock known;
  enum { unknown, freed_before, inside } what = unknown;
  {
    MutexLock lock(g_pool.mutex);
    for (std::size_t back = 1; back <= kHistory && what == unknown; ++back) {  // the newest first
      const PoolBlock& block = g_pool.freed[(g_pool.freed_next + kHistory - back) % kHistory].block;
      if (block.begin == begin) {
        known = block;
        what = freed_before;
      }
    }
    if (const PoolBlock* block = g_pool.live.floor(begin); block != nullptr && begin - block->begin < block->bytes) {
      known = *block;
      what = inside;
    }
  }
  void* address = reinterpret_cast<void*>(begin);
  switch (what) {
    case freed_before:
      bug_check(BugCode::bad_pool_caller,
                "double free of pool block %p (%zu bytes, tag %s) by %s; allocated by %s, freed before by %s", address,
                known.bytes, PoolTagText(known.tag).text, CallerText(caller).text, CallerText(known.allocated_by).text,
                CallerText(known.freed_by).text);
    case inside:
      bug_check(BugCode::bad_pool_caller,
                "free of %p by %s: this is %zu bytes into a live pool block (%zu bytes, tag %s, allocated by %s)",
                address, CallerText(caller).text, static_cast<std::size_t>(begin - known.begin), known.bytes,
                PoolTagText(known.tag).text, CallerText(known.allocated_by).text);
    case unknown:
      break;
  }
  bug_check(BugCode::bad_pool_caller, "free of %p by %s: no pool block begins there", address, CallerText(caller).text);
}

}  // namespace

PoolTagText::PoolTagText(ULONG tag) noexcept {
  for (int i = 0; i < 4; ++i) {
    const auto byte = static_cast<unsigned char>(tag >> (8 * i));
    text[i] = byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
  }
  text[4] = '\0';
}

void* pool_allocate(const PoolRequest& request, void* caller) noexcept {
  if (fault_injected("pool") || request.bytes > SIZE_MAX / 2) return nullptr;
  // A block of n <= 2^k bytes at a multiple of 2^k, k <= 12, lies in one page: that is the whole rule for small ones.
  std::size_t alignment = request.cache_aligned ? 64 : 16;
  if (request.bytes > alignment) alignment = request.bytes >= kPageSize ? kPageSize : std::bit_ceil(request.bytes);
  auto* record = static_cast<PoolBlock*>(std::malloc(sizeof(PoolBlock)));
  void* memory = nullptr;
  if (record == nullptr || posix_memalign(&memory, alignment, std::max<std::size_t>(request.bytes, 1) + kGuardBytes)) {
    std::free(record);
    return nullptr;
  }
  std::memset(memory, request.zeroed ? 0 : kPoolFreshByte, request.bytes);
  std::memset(static_cast<char*>(memory) + request.bytes, kGuardByte, kGuardBytes);
  ::new (record) PoolBlock;
  record->begin = reinterpret_cast<std::uintptr_t>(memory);
  record->bytes = request.bytes;
  record->allocated_by = caller;
  record->tag = request.tag;
  record->paged = request.paged;
  record->stack = capture_stack(caller);

  MutexLock lock(g_pool.mutex);
  record->serial = ++g_pool.serial;
  g_pool.live.insert(*record);
  g_pool.usage.bytes += request.bytes;
  ++g_pool.usage.blocks;
  return memory;
}

void pool_free(void* block, ULONG tag, void* caller) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(block);
  PoolBlock* record = nullptr;
  {
    MutexLock lock(g_pool.mutex);
    record = g_pool.live.remove(begin);
    if (record != nullptr) {
      g_pool.usage.bytes -= record->bytes;
      --g_pool.usage.blocks;
    }
  }
  if (record == nullptr) report_not_live(begin, caller);
  if (record->paged) check_irql(EntryPoint::ExFreePool_Paged);
  if (tag != 0 && tag != record->tag) {
    bug_check(BugCode::bad_pool_caller,
              "pool block %p (%zu bytes) freed with tag %s by %s; it was allocated with tag %s by %s", block,
              record->bytes, PoolTagText(tag).text, CallerText(caller).text, PoolTagText(record->tag).text,
              CallerText(record->allocated_by).text);
  }
  if (!all_bytes_are(kGuardByte, begin + record->bytes, kGuardBytes)) {
    bug_check(BugCode::bad_pool_caller,
              "pool block %p was written past its end (%zu bytes, tag %s, allocated by %s); freed by %s", block,
              record->bytes, PoolTagText(record->tag).text, CallerText(record->allocated_by).text,
              CallerText(caller).text);
  }
  record->freed_by = caller;
  std::memset(block, kPoolFreedByte, record->bytes);

  PoolBlock spoilt;
  bool was_spoilt = false;
  bool free_now = false;
  {
    MutexLock lock(g_pool.mutex);
    free_now = bury(*record, spoilt, was_spoilt);
  }
  std::free(record);
  if (free_now) std::free(block);
  if (was_spoilt) report_written_after_free(spoilt);
}

bool pool_contains(const void* address, std::size_t bytes) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  MutexLock lock(g_pool.mutex);
  const PoolBlock* block = g_pool.live.floor(begin);
  if (block == nullptr || block->paged) return false;
  const std::size_t offset = begin - block->begin;
  return offset < block->bytes && bytes <= block->bytes - offset;
}

PoolUsage pool_usage() noexcept {
  MutexLock lock(g_pool.mutex);
  return g_pool.usage;
}

PoolUsage pool_usage(ULONG tag) noexcept {
  PoolUsage usage;
  MutexLock lock(g_pool.mutex);
  g_pool.live.for_each([&](const PoolBlock& block) {
    if (block.tag != tag) return;
    usage.bytes += block.bytes;
    ++usage.blocks;
  });
  return usage;
}

namespace {

void write_leak(const LineSink& sink, const PoolBlock& block) {
  const char* kind = block.tag == kMdlTag ? "MDL" : block.tag == kWorkItemTag ? "work item" : "pool";
  char line[512];
  std::snprintf(line, sizeof line, "%s %p: %zu bytes, tag %s, allocated by %s", kind,
                reinterpret_cast<void*>(block.begin), block.bytes, PoolTagText(block.tag).text,
                CallerText(block.allocated_by).text);
  sink.write(sink.context, line);
  if (block.stack != nullptr) write_stack(sink, *block.stack, 6);
}

}  // namespace

std::size_t pool_report_leaks(const LineSink& sink, const void* allocated_in) noexcept {
  const void* const module = allocated_in == nullptr ? nullptr : code_module(allocated_in);
  constexpr std::size_t kLines = 100;
  PoolBlock oldest[kLines];
  std::size_t total = 0;
  {
    MutexLock lock(g_pool.mutex);
    std::size_t kept = 0;
    g_pool.live.for_each([&](const PoolBlock& block) {
      if (module != nullptr && code_module(block.allocated_by) != module) return;
      ++total;
      // Insertion into a short sorted list: copies, so that nothing is printed under the lock.
      std::size_t at = kept;
      while (at > 0 && oldest[at - 1].serial > block.serial)
        --at;
      if (at == kLines) return;
      if (kept < kLines) ++kept;
      std::copy_backward(oldest + at, oldest + kept - 1, oldest + kept);
      oldest[at] = block;
    });
  }
  for (std::size_t i = 0; i < std::min(total, kLines); ++i)
    write_leak(sink, oldest[i]);
  if (total > kLines) {
    char line[64];
    std::snprintf(line, sizeof line, "and %zu more pool blocks", total - kLines);
    sink.write(sink.context, line);
  }
  return total;
}

}  // namespace softndk::ntrt
