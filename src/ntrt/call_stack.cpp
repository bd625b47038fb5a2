#include "ntrt/call_stack.h"

#include <execinfo.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/alloc.h"
#include "ntrt/irql.h"

namespace softndk::ntrt {
namespace {

constinit std::atomic<unsigned> g_depth{0};

/// Entries are only ever added: a reader needs no lock.
constexpr unsigned kBuckets = 1024;
constinit std::atomic<const CallStack*> g_stacks[kBuckets] = {};

/// Frames of ours between an entry point and capture_stack(), at most.
constexpr unsigned kOwnFramesMax = 12;

std::uint32_t hash_of(const void* const* frames, unsigned count) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (unsigned i = 0; i < count; ++i)
    hash = (hash ^ reinterpret_cast<std::uintptr_t>(frames[i])) * 0x100000001b3;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

const CallStack* find(const CallStack* first, std::uint32_t hash, const void* const* frames, unsigned count) {
  for (const CallStack* stack = first; stack != nullptr; stack = stack->next) {
    if (stack->hash == hash && stack->count == count && std::equal(frames, frames + count, stack->frames)) return stack;
  }
  return nullptr;
}

/// The one copy of this stack.
const CallStack* keep(const void* const* frames, unsigned count) {
  const std::uint32_t hash = hash_of(frames, count);
  std::atomic<const CallStack*>& bucket = g_stacks[hash % kBuckets];
  const CallStack* first = bucket.load(std::memory_order_acquire);  // partner: the exchange below
  if (const CallStack* known = find(first, hash, frames, count)) return known;
  const std::size_t bytes = offsetof(CallStack, frames) + count * sizeof(void*);
  auto* made = static_cast<CallStack*>(try_allocate(bytes, alignof(CallStack)));
  if (made == nullptr) return nullptr;
  made->hash = hash;
  made->count = count;
  std::copy(frames, frames + count, made->frames);
  do {
    made->next = first;
    // Two threads may add the same stack at once: it is then there twice, which costs some octets and no more.
  } while (!bucket.compare_exchange_weak(first, made, std::memory_order_acq_rel, std::memory_order_acquire));
  return made;
}

}  // namespace

void set_stack_depth(unsigned frames) noexcept {
  g_depth.store(std::min(frames, CallStack::kFramesMax), std::memory_order_relaxed);
}

unsigned stack_depth() noexcept {
  return g_depth.load(std::memory_order_relaxed);
}

const CallStack* capture_stack(const void* from) noexcept {
  const unsigned depth = stack_depth();
  if (depth == 0) [[likely]]
    return nullptr;
  void* frames[CallStack::kFramesMax + kOwnFramesMax];
  const int taken = backtrace(frames, static_cast<int>(depth + kOwnFramesMax));
  void** const end = frames + taken;
  void** begin = std::find(frames, end, const_cast<void*>(from));
  if (begin == end) begin = std::min(frames + 1, end);  // the first is this function
  const auto count = std::min(static_cast<unsigned>(end - begin), depth);
  return count == 0 ? nullptr : keep(begin, count);
}

AnnouncedOrigin::AnnouncedOrigin(const CallOrigin& origin) noexcept : origin_(origin) {
  local(Slot::announced_origin) = reinterpret_cast<std::uintptr_t>(&origin_);
}

AnnouncedOrigin::~AnnouncedOrigin() noexcept {
  local(Slot::announced_origin) = 0;
}

CallOrigin take_origin(const void* caller) noexcept {
  const auto announced = std::exchange(local(Slot::announced_origin), 0);
  return announced != 0 ? *reinterpret_cast<const CallOrigin*>(announced) : CallOrigin{caller, nullptr};
}

}  // namespace softndk::ntrt
