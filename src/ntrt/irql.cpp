#include "ntrt/irql.h"

#include "ntrt/bug_check.h"
#include "ntrt/kernel.h"
#include "ntrt/stack_context.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {
namespace {

const char* level_name(unsigned irql) {
  switch (irql) {
    case kPassiveLevel:
      return "PASSIVE_LEVEL";
    case kApcLevel:
      return "APC_LEVEL";
    case kDispatchLevel:
      return "DISPATCH_LEVEL";
    default:
      return "above DISPATCH_LEVEL";
  }
}

struct CodeName {
  explicit CodeName(const void* address) { describe_code_address(address, text, sizeof text); }
  char text[192];
};

const void* raised_at() {
  return reinterpret_cast<const void*>(local(Slot::raised_at));
}

}  // namespace

Irql raise_irql(Irql to, const void* by) noexcept {
  const Irql before = current_irql();
  if (to < before) {
    bug_check(BugCode::irql_not_greater_or_equal, "raising the IRQL from %u to the lower level %u, at %s", before, to,
              CodeName(by).text);
  }
  if (to != before) local(Slot::raised_at) = reinterpret_cast<std::uintptr_t>(by);
  local(Slot::irql) = to;
  return before;
}

void lower_irql(Irql to) noexcept {
  const Irql before = current_irql();
  if (to > before) {
    bug_check(BugCode::irql_not_less_or_equal, "lowering the IRQL from %u to the higher level %u", before, to);
  }
  if (to < kDispatchLevel && local(Slot::held_spin_locks) != 0) {
    bug_check(BugCode::irql_not_less_or_equal, "IRQL lowered to %s with %zu spin lock(s) held", level_name(to),
              static_cast<std::size_t>(local(Slot::held_spin_locks)));
  }
  local(Slot::irql) = to;
}

void report_irql_violation(EntryPoint entry, const void* caller) noexcept {
  const IrqlRange& range = irql_range(entry);
  const Irql now = current_irql();
  const auto code = now > range.highest ? BugCode::irql_not_less_or_equal : BugCode::irql_not_greater_or_equal;
  if (now == kPassiveLevel) {
    bug_check(code, "%s called at PASSIVE_LEVEL from %s; allowed from %s on", range.name, CodeName(caller).text,
              level_name(range.lowest));
  }
  bug_check(code, "%s called at %s (IRQL %u) from %s; allowed: %s to %s; this thread's IRQL was raised at %s",
            range.name, level_name(now), now, CodeName(caller).text, level_name(range.lowest),
            level_name(range.highest), CodeName(raised_at()).text);
}

IrqlScope::IrqlScope(Irql level, const char* what, const void* routine) noexcept
    : what_(what),
      routine_(routine),
      held_spin_locks_(local(Slot::held_spin_locks)),
      critical_regions_(local(Slot::critical_regions)),
      raised_at_(local(Slot::raised_at)),
      before_(raise_irql(level, routine)),
      level_(level),
      is_outermost_(local(Slot::stack_top) == 0) {
  if (is_outermost_) local(Slot::stack_top) = reinterpret_cast<std::uintptr_t>(this);
}

IrqlScope::~IrqlScope() noexcept {
  if (current_irql() != level_) {
    bug_check(BugCode::irql_left_raised, "%s (%s) was entered at IRQL %u and returned at IRQL %u, raised at %s", what_,
              CodeName(routine_).text, level_, current_irql(), CodeName(raised_at()).text);
  }
  if (local(Slot::held_spin_locks) != held_spin_locks_) {
    bug_check(BugCode::irql_left_raised, "%s (%s) was entered with %zu spin lock(s) held and returned with %zu", what_,
              CodeName(routine_).text, static_cast<std::size_t>(held_spin_locks_),
              static_cast<std::size_t>(local(Slot::held_spin_locks)));
  }
  if (local(Slot::critical_regions) != critical_regions_) {
    bug_check(BugCode::irql_left_raised, "%s (%s) was entered in %zu critical region(s) and returned in %zu", what_,
              CodeName(routine_).text, static_cast<std::size_t>(critical_regions_),
              static_cast<std::size_t>(local(Slot::critical_regions)));
  }
  frames_are_gone(this, what_, routine_);
  if (is_outermost_) local(Slot::stack_top) = 0;
  local(Slot::irql) = before_;
  local(Slot::raised_at) = raised_at_;
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

KIRQL KeGetCurrentIrql(void) noexcept {
  return current_irql();
}

void KeRaiseIrql(KIRQL to, PKIRQL before) noexcept {
  *before = raise_irql(to, __builtin_return_address(0));
}

void KeLowerIrql(KIRQL to) noexcept {
  lower_irql(to);
  scheduling_point();
}

void SoftNdkPagedCode(const char* function, const char* file, int line) noexcept {
  if (current_irql() <= irql_range(EntryPoint::PAGED_CODE).highest) return;
  bug_check(BugCode::irql_not_less_or_equal, "PAGED_CODE in %s (%s:%d) at %s; this thread's IRQL was raised at %s",
            function, file, line, level_name(current_irql()), CodeName(raised_at()).text);
}
}
