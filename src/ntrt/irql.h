#pragma once
// IRQL is a number of each thread. Raising it waits for nobody and stops nobody else; what it does is to make every
// call check that it is allowed where it is made (the table is in entry_points.h).
#include <cstdint>

#include "io/executor.h"
#include "ntrt/entry_points.h"

namespace softndk::ntrt {

using Irql = std::uint8_t;
inline constexpr Irql kPassiveLevel = 0;
inline constexpr Irql kApcLevel = 1;
inline constexpr Irql kDispatchLevel = 2;
inline constexpr Irql kHighLevel = 15;

/// What ntrt keeps in io::ThreadContext::local; slots from `first_free` on belong to the layers above.
enum class Slot : unsigned {
  irql,
  held_spin_locks,   ///< how many
  raised_at,         ///< code address of the call that raised the IRQL last
  thread_object,     ///< the thread's object, null for threads that the runtime did not make
  critical_regions,  ///< depth of KeEnterCriticalRegion
  held_lock_first,   ///< addresses of the spin locks held, the first few of them
  held_lock_last = held_lock_first + 3,
  stack_top,         ///< the outermost frame that called consumer code on this thread; 0: none (stack_context.h)
  stack_contexts,    ///< 1: a call of this thread may pend whose context lies on its stack
  announced_origin,  ///< of the next create, if a layer above the provider announced one (call_stack.h)
  first_free,
};
inline std::uintptr_t& local(Slot slot) noexcept {
  return io::this_thread().local[static_cast<unsigned>(slot)];
}

inline Irql current_irql() noexcept {
  return static_cast<Irql>(local(Slot::irql));
}
/// Raises to `to` (raising to a lower level is a bug check) and returns the level before. `raised_at` is the code
/// address that reports name.
Irql raise_irql(Irql to, const void* raised_at) noexcept;
/// Lowers to `to`; lowering to a higher level, or below DISPATCH_LEVEL with a spin lock held, is a bug check.
void lower_irql(Irql to) noexcept;

/// Runs consumer code at `level`: raises for the scope's life and, at its end, checks that IRQL, the number of held
/// spin locks and the critical regions are what they were at entry; a difference is a bug check that names `what` and
/// `routine`. So is a call that pends with its context in a frame of that code (stack_context.h). `level` is at least
/// the current IRQL. Touches nothing but the caller's frame and thread at its end, so the callback may have freed
/// anything.
class IrqlScope {
 public:
  explicit IrqlScope(Irql level, const char* what, const void* routine = nullptr) noexcept;
  ~IrqlScope() noexcept;
  IrqlScope(const IrqlScope&) = delete;
  IrqlScope& operator=(const IrqlScope&) = delete;

 private:
  const char* what_;
  const void* routine_;
  std::uintptr_t held_spin_locks_;
  std::uintptr_t critical_regions_;
  std::uintptr_t raised_at_;
  Irql before_;
  Irql level_;
  bool is_outermost_;
};

[[noreturn]] void report_irql_violation(EntryPoint entry, const void* caller) noexcept;

/// First line of an entry point: a bug check if the table forbids the current IRQL.
__attribute__((always_inline)) inline void check_irql(EntryPoint entry) noexcept {
  const Irql now = current_irql();
  const IrqlRange& range = irql_range(entry);
  if (now < range.lowest || now > range.highest) [[unlikely]]
    report_irql_violation(entry, __builtin_return_address(0));
}

}  // namespace softndk::ntrt
