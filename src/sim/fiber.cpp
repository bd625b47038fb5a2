#include "sim/fiber.h"

#include <cstdint>
#include <cstring>

#include "base/log.h"
#include "sim/sanitizer.h"

#if SOFTNDK_TSAN && defined(__GLIBC__)
#include <sys/single_threaded.h>
#endif

#if !defined(SOFTNDK_SIM_UCONTEXT)
// softndk_sim_switch(void** save, void* load): keeps what the System V ABI calls preserved across a call (rbx, rbp,
// r12 to r15, the control words of SSE and x87) on the stack, and swaps stacks. The frame looks the same on both
// sides, so the unwinder needs no more than the pushes.
// softndk_sim_begin is where a new fiber's first switch returns to; nothing is above it.
asm(R"(
.text
.p2align 4
.globl softndk_sim_switch
.hidden softndk_sim_switch
.type softndk_sim_switch, @function
softndk_sim_switch:
  .cfi_startproc
  pushq %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbp, 0
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %rbx, 0
  pushq %r12
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r12, 0
  pushq %r13
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r13, 0
  pushq %r14
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r14, 0
  pushq %r15
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset %r15, 0
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  stmxcsr (%rsp)
  fnstcw 4(%rsp)
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  ldmxcsr (%rsp)
  fldcw 4(%rsp)
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  popq %r15
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r15
  popq %r14
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r14
  popq %r13
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r13
  popq %r12
  .cfi_adjust_cfa_offset -8
  .cfi_restore %r12
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
  popq %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbp
  ret
  .cfi_endproc
.size softndk_sim_switch, .-softndk_sim_switch

.p2align 4
.type softndk_sim_begin, @function
.globl softndk_sim_begin
.hidden softndk_sim_begin
softndk_sim_begin:
  .cfi_startproc
  .cfi_undefined %rip
  xorl %ebp, %ebp
  movq %r12, %rdi
  callq *%r13
  ud2
  .cfi_endproc
.size softndk_sim_begin, .-softndk_sim_begin
)");
extern "C" void softndk_sim_switch(void** save, void* load);
extern "C" void softndk_sim_begin();
#endif

namespace softndk::sim {

SOFTNDK_NO_TSAN void Fiber::adopt_thread() {
#if SOFTNDK_TSAN
  tsan_ = __tsan_get_current_fiber();
#if defined(__GLIBC__)
  // While a process has one thread, shared_ptr counts without atomics: a race between fibers that are to pass for
  // threads. From here on it takes the atomic path.
  __libc_single_threaded = 0;
#endif
#endif
}

SOFTNDK_NO_TSAN void Fiber::start(Stack stack, Entry entry, void* argument, [[maybe_unused]] const char* name) {
  entry_ = entry;
  argument_ = argument;
  bottom_ = stack.bottom;
  size_bytes_ = stack.size_bytes;
  fake_stack_ = nullptr;
#if SOFTNDK_TSAN
  tsan_ = __tsan_create_fiber(0);
  __tsan_set_fiber_name(tsan_, name);
#endif
#if defined(SOFTNDK_SIM_UCONTEXT)
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack.bottom;
  context_.uc_stack.ss_size = stack.size_bytes;
  context_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::begin), 2,
              static_cast<unsigned>(std::uint64_t{self} >> 32), static_cast<unsigned>(self));
#else
  // What softndk_sim_switch pops, from below: control words, r15, r14, r13, r12, rbx, rbp, return address. The top is
  // aligned to 16, as softndk_sim_begin's call wants it.
  auto* top = reinterpret_cast<void**>(stack.bottom + stack.size_bytes);
  void** frame = top - 8;
  std::uint32_t sse;
  std::uint16_t x87;
  asm("stmxcsr %0" : "=m"(sse));
  asm("fnstcw %0" : "=m"(x87));
  const std::uint64_t control = std::uint64_t{x87} << 32 | sse;
  std::memcpy(&frame[0], &control, sizeof control);
  frame[1] = frame[2] = nullptr;
  frame[3] = reinterpret_cast<void*>(static_cast<void (*)(Fiber*)>(&Fiber::begin));
  frame[4] = this;
  frame[5] = frame[6] = nullptr;
  frame[7] = reinterpret_cast<void*>(&softndk_sim_begin);
  stack_pointer_ = frame;
#endif
}

#if defined(SOFTNDK_SIM_UCONTEXT)
SOFTNDK_NO_TSAN void Fiber::begin(unsigned high, unsigned low) {
  auto* fiber = reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(std::uint64_t{high} << 32 | low));
#else
SOFTNDK_NO_TSAN void Fiber::begin(Fiber* fiber) {
#endif
  fiber->arrive();
  fiber->entry_(fiber->argument_);
  SOFTNDK_UNREACHABLE();
}

/// On the new stack, right after a switch.
SOFTNDK_NO_TSAN void Fiber::arrive() {
#if SOFTNDK_ASAN
  // Where the other's stack lies is told here: for an adopted thread nobody else knows.
  __sanitizer_finish_switch_fiber(fake_stack_, &from_->bottom_, &from_->size_bytes_);
#endif
}

SOFTNDK_NO_TSAN void Fiber::leave_for(Fiber& to, [[maybe_unused]] bool ordered, [[maybe_unused]] bool last) {
  to.from_ = this;
#if SOFTNDK_ASAN
  __sanitizer_start_switch_fiber(last ? nullptr : &fake_stack_, to.bottom_, to.size_bytes_);
#endif
#if SOFTNDK_TSAN
  __tsan_switch_to_fiber(to.tsan_, ordered ? 0 : __tsan_switch_to_fiber_no_sync);
#endif
#if defined(SOFTNDK_SIM_UCONTEXT)
  swapcontext(&context_, &to.context_);
#else
  softndk_sim_switch(&stack_pointer_, to.stack_pointer_);
#endif
  arrive();
}

SOFTNDK_NO_TSAN void Fiber::switch_to(Fiber& to, bool ordered) {
  leave_for(to, ordered, false);
}

SOFTNDK_NO_TSAN void Fiber::finish(Fiber& to) {
  leave_for(to, true, true);
  SOFTNDK_UNREACHABLE();
}

SOFTNDK_NO_TSAN void Fiber::release() {
#if SOFTNDK_TSAN
  if (tsan_ != nullptr) __tsan_destroy_fiber(tsan_);
#endif
  tsan_ = nullptr;
}

}  // namespace softndk::sim
