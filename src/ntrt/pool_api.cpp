// ExAllocatePool* and ExFreePool*: which IRQL, which kind of block; pool.cpp does the rest.
#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {
namespace {

constexpr int kPagedBit = 1;         // of a POOL_TYPE
constexpr int kCacheAlignedBit = 4;  // of a POOL_TYPE

void* allocate(const PoolRequest& request, void* caller) {
  if (request.tag == 0 || request.bytes == 0) {
    char place[128];
    describe_code_address(caller, place, sizeof place);
    log(LogLevel::warning, "pool: %s allocates %zu bytes with tag %s: %s is a mistake Windows' verifier stops at",
        place, request.bytes, PoolTagText(request.tag).text, request.tag == 0 ? "tag 0" : "length 0");
  }
  return pool_allocate(request, caller);
}

__attribute__((always_inline)) inline void* allocate_of_type(POOL_TYPE type, SIZE_T bytes, ULONG tag, void* caller) {
  const bool paged = (type & kPagedBit) != 0;
  check_irql(paged ? EntryPoint::ExAllocatePool_Paged : EntryPoint::ExAllocatePool_NonPaged);
  return allocate({.bytes = bytes, .tag = tag, .paged = paged, .cache_aligned = (type & kCacheAlignedBit) != 0},
                  caller);
}

/// A parameter that is not optional has to be understood: what each of these asks for holds, or means nothing, here.
bool understands(PCPOOL_EXTENDED_PARAMETER parameters, ULONG count) {
  if (count != 0 && parameters == nullptr) return false;
  for (ULONG i = 0; i < count; ++i) {
    const bool known =
        parameters[i].Type == PoolExtendedParameterPriority || parameters[i].Type == PoolExtendedParameterNumaNode;
    if (!known && !parameters[i].Optional) return false;
  }
  return true;
}

__attribute__((always_inline)) inline void* allocate_with_flags(POOL_FLAGS flags, SIZE_T bytes, ULONG tag,
                                                                bool understood, void* caller) {
  const bool paged = (flags & POOL_FLAG_PAGED) != 0;
  check_irql(paged ? EntryPoint::ExAllocatePool_Paged : EntryPoint::ExAllocatePool_NonPaged);
  constexpr POOL_FLAGS kKinds = POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED;
  const POOL_FLAGS kind = flags & kKinds;
  const bool one_kind = kind != 0 && (kind & (kind - 1)) == 0;
  void* block = nullptr;
  if (one_kind && understood) {
    block = allocate({.bytes = bytes,
                      .tag = tag,
                      .paged = paged,
                      .zeroed = (flags & POOL_FLAG_UNINITIALIZED) == 0,
                      .cache_aligned = (flags & POOL_FLAG_CACHE_ALIGNED) != 0},
                     caller);
  }
  if (block == nullptr && (flags & POOL_FLAG_RAISE_ON_FAILURE) != 0) {
    bug_check(
        BugCode::no_resources,
        "an allocation of %zu bytes with POOL_FLAG_RAISE_ON_FAILURE failed; the exception has no counterpart here",
        static_cast<std::size_t>(bytes));
  }
  return block;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T bytes, ULONG tag) noexcept {
  return allocate_of_type(type, bytes, tag, __builtin_return_address(0));
}

PVOID ExAllocatePoolWithTagPriority(POOL_TYPE type, SIZE_T bytes, ULONG tag, EX_POOL_PRIORITY) noexcept {
  return allocate_of_type(type, bytes, tag, __builtin_return_address(0));
}

PVOID ExAllocatePool2(POOL_FLAGS flags, SIZE_T bytes, ULONG tag) noexcept {
  return allocate_with_flags(flags, bytes, tag, true, __builtin_return_address(0));
}

PVOID ExAllocatePool3(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, PCPOOL_EXTENDED_PARAMETER parameters,
                      ULONG parameter_count) noexcept {
  return allocate_with_flags(flags, bytes, tag, understands(parameters, parameter_count), __builtin_return_address(0));
}

VOID ExFreePool(PVOID block) noexcept {
  check_irql(EntryPoint::ExFreePool_NonPaged);
  pool_free(block, 0, __builtin_return_address(0));
}

VOID ExFreePoolWithTag(PVOID block, ULONG tag) noexcept {
  check_irql(EntryPoint::ExFreePool_NonPaged);
  pool_free(block, tag, __builtin_return_address(0));
}

VOID ExFreePool2(PVOID block, ULONG tag, PCPOOL_EXTENDED_PARAMETER, ULONG) noexcept {
  check_irql(EntryPoint::ExFreePool_NonPaged);
  pool_free(block, tag, __builtin_return_address(0));
}

}  // extern "C"
