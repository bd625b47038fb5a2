// Rundown protection in one word: twice the number of references, plus 1 once rundown has begun. Zeroed memory is an
// initialised reference, 1 is run down.
#include <atomic>

#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_queue.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG_PTR kBegun = 1;
constexpr ULONG_PTR kOneReference = 2;

std::atomic_ref<ULONG_PTR> word_of(const void* rundown) {
  // The header's `volatile` is the driver's view; ours is atomic.
  return std::atomic_ref<ULONG_PTR>(const_cast<ULONG_PTR&>(static_cast<const EX_RUNDOWN_REF*>(rundown)->Count));
}

BOOLEAN acquire(PEX_RUNDOWN_REF rundown, ULONG count) {
  auto word = word_of(rundown);
  ULONG_PTR now = word.load();
  do {
    if ((now & kBegun) != 0) return FALSE;
  } while (!word.compare_exchange_weak(now, now + count * kOneReference));
  return TRUE;
}

void release(PEX_RUNDOWN_REF rundown, ULONG count, const void* caller) {
  auto word = word_of(rundown);
  // Once the last release is visible the waiter may free the structure and stop the kernel: get ready before it.
  Kernel* running = kernel_if_running();
  io::Executor* executor = running != nullptr ? &running->executor() : nullptr;
  ULONG_PTR now = word.load();
  ULONG_PTR after;
  do {
    if (now / kOneReference < count) {
      char where[192];
      describe_code_address(caller, where, sizeof where);
      bug_check(BugCode::reference_below_zero,
                "rundown protection %p released %u time(s) at %s, but only %llu reference(s) are held",
                static_cast<void*>(rundown), count, where, now / kOneReference);
    }
    after = now - count * kOneReference;
  } while (!word.compare_exchange_weak(now, after));
  if (after == kBegun && executor != nullptr) wake_address(rundown, *executor);
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void ExInitializeRundownProtection(PEX_RUNDOWN_REF rundown) noexcept {
  rundown->Count = 0;
}

BOOLEAN ExAcquireRundownProtection(PEX_RUNDOWN_REF rundown) noexcept {
  check_irql(EntryPoint::ExAcquireRundownProtection);
  scheduling_point();
  return acquire(rundown, 1);
}

BOOLEAN ExAcquireRundownProtectionEx(PEX_RUNDOWN_REF rundown, ULONG count) noexcept {
  check_irql(EntryPoint::ExAcquireRundownProtection);
  scheduling_point();
  return acquire(rundown, count);
}

void ExReleaseRundownProtection(PEX_RUNDOWN_REF rundown) noexcept {
  check_irql(EntryPoint::ExReleaseRundownProtection);
  release(rundown, 1, __builtin_return_address(0));
  scheduling_point();
}

void ExReleaseRundownProtectionEx(PEX_RUNDOWN_REF rundown, ULONG count) noexcept {
  check_irql(EntryPoint::ExReleaseRundownProtection);
  release(rundown, count, __builtin_return_address(0));
  scheduling_point();
}

void ExWaitForRundownProtectionRelease(PEX_RUNDOWN_REF rundown) noexcept {
  check_irql(EntryPoint::ExWaitForRundownProtectionRelease);
  scheduling_point();
  if ((word_of(rundown).fetch_or(kBegun) & ~kBegun) == 0) return;
  const auto is_run_down = [](const void* address) noexcept { return word_of(address).load() == kBegun; };
  wait_on_address(rundown, is_run_down, softndk::io::kNever, "rundown protection", __builtin_return_address(0));
}
}
