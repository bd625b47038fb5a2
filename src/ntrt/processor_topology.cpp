// One node and one group of processors: the processor threads of the world.
#include "ntrt/deferred.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

unsigned processor_count() noexcept {
  return kernel().executor().processor_count();
}

io::Processor& processor(unsigned index) noexcept {
  io::Executor& executor = kernel().executor();
  return executor.processor(index % executor.processor_count());
}

unsigned choose_processor(std::uint64_t affinity_mask, unsigned group) noexcept {
  const unsigned count = processor_count();
  if (affinity_mask == 0 || group != 0) return kernel().next_processor() % count;
  return static_cast<unsigned>(__builtin_ctzll(affinity_mask)) % count;
}

io::Processor* current_processor() noexcept {
  io::Executor& executor = kernel().executor();
  for (unsigned i = 0; i < executor.processor_count(); ++i) {
    if (executor.processor(i).is_current()) return &executor.processor(i);
  }
  return nullptr;
}

namespace {
// What a driver asked for; all zero before the first time, as on Windows.
thread_local constinit GROUP_AFFINITY affinity_of_thread = {};

KAFFINITY active_mask() {
  const unsigned count = processor_count();
  return count >= 64 ? ~KAFFINITY{0} : (KAFFINITY{1} << count) - 1;
}
}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

USHORT KeGetCurrentNodeNumber(void) noexcept {
  return 0;
}

void KeQueryNodeActiveAffinity(USHORT node, PGROUP_AFFINITY affinity, PUSHORT count) noexcept {
  const bool exists = node == 0;
  if (affinity != nullptr) {
    *affinity = GROUP_AFFINITY{};
    if (exists) affinity->Mask = active_mask();
  }
  if (count != nullptr) *count = exists ? static_cast<USHORT>(__builtin_popcountll(active_mask())) : USHORT{0};
}

ULONG KeQueryActiveProcessorCount(PKAFFINITY active) noexcept {
  if (active != nullptr) *active = active_mask();
  return static_cast<ULONG>(__builtin_popcountll(active_mask()));
}

USHORT KeQueryHighestNodeNumber(void) noexcept {
  return 0;
}

ULONG KeQueryMaximumProcessorCount(void) noexcept {
  return processor_count();
}

ULONG KeQueryMaximumProcessorCountEx(USHORT group) noexcept {
  return KeQueryActiveProcessorCountEx(group);
}

KAFFINITY KeQueryActiveProcessors(void) noexcept {
  return active_mask();
}

USHORT KeQueryActiveGroupCount(void) noexcept {
  return 1;
}

USHORT KeQueryMaximumGroupCount(void) noexcept {
  return 1;
}

KAFFINITY KeQueryGroupAffinity(USHORT group) noexcept {
  return group == 0 ? active_mask() : 0;
}

ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER number) noexcept {
  const softndk::io::Processor* current = current_processor();
  unsigned index = 0;
  while (current != nullptr && &processor(index) != current)
    ++index;
  if (number != nullptr) *number = {0, static_cast<UCHAR>(index), 0};
  return index;
}

ULONG KeGetProcessorIndexFromNumber(PPROCESSOR_NUMBER number) noexcept {
  constexpr ULONG kNone = ~ULONG{0};
  return number->Group == 0 && number->Number < processor_count() ? number->Number : kNone;
}

NTSTATUS KeGetProcessorNumberFromIndex(ULONG index, PPROCESSOR_NUMBER number) noexcept {
  if (index >= processor_count()) return STATUS_INVALID_PARAMETER;
  *number = {0, static_cast<UCHAR>(index), 0};
  return STATUS_SUCCESS;
}

void KeSetSystemGroupAffinityThread(PGROUP_AFFINITY affinity, PGROUP_AFFINITY previous) noexcept {
  check_irql(EntryPoint::KeSetSystemAffinityThread);
  GROUP_AFFINITY& now = affinity_of_thread;
  if (previous != nullptr) *previous = now;
  if (affinity->Group == 0 && (affinity->Mask & active_mask()) != 0) now = *affinity;
}

void KeRevertToUserGroupAffinityThread(PGROUP_AFFINITY previous) noexcept {
  check_irql(EntryPoint::KeSetSystemAffinityThread);
  affinity_of_thread = *previous;
}

ULONG KeQueryActiveProcessorCountEx(USHORT group) noexcept {
  return group == 0 || group == ALL_PROCESSOR_GROUPS ? processor_count() : 0;
}
}
