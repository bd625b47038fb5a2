#pragma once
#include "sim/stack.h"

#if !defined(__x86_64__) && !defined(SOFTNDK_SIM_UCONTEXT)
#define SOFTNDK_SIM_UCONTEXT 1
#endif
#if defined(SOFTNDK_SIM_UCONTEXT)
#include <ucontext.h>
#endif

namespace softndk::sim {

/// Something that executes: a stack and the place on it to go on from. All of it within one OS thread, and known to
/// AddressSanitizer and ThreadSanitizer.
class Fiber {
 public:
  using Entry = void (*)(void*);

  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// This object stands for the calling OS thread's own stack, which can be switched away from and back to.
  void adopt_thread();
  /// The first switch to this fiber calls entry(argument), which never returns: it ends by finish().
  /// `stack` stays the caller's. `name` is for ThreadSanitizer's reports.
  void start(Stack stack, Entry entry, void* argument, const char* name);
  /// Goes on where `to` is; returns when somebody switches back. `ordered`: to ThreadSanitizer, all that happened on
  /// this fiber happens before what follows on the other.
  void switch_to(Fiber& to, bool ordered);
  /// switch_to for the last time: after it the stack may be used again.
  [[noreturn]] void finish(Fiber& to);
  /// After finish(), or before the first switch. (A fiber that never ended is left as it is.)
  void release();

 private:
  void leave_for(Fiber& to, bool ordered, bool last);
  void arrive();
#if defined(SOFTNDK_SIM_UCONTEXT)
  static void begin(unsigned high, unsigned low);
#else
  static void begin(Fiber* fiber);
#endif

  Entry entry_ = nullptr;
  void* argument_ = nullptr;
#if defined(SOFTNDK_SIM_UCONTEXT)
  ucontext_t context_;
#else
  void* stack_pointer_ = nullptr;
#endif
  // For AddressSanitizer: the stack that is switched to, and the shadow frames of the one left.
  const void* bottom_ = nullptr;
  std::size_t size_bytes_ = 0;
  void* fake_stack_ = nullptr;
  Fiber* from_ = nullptr;  // who switched here
  void* tsan_ = nullptr;
};

}  // namespace softndk::sim
