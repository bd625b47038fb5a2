#pragma once
// The completion context in a frame that has returned: a driver keeps it in a local variable, makes a call that pends,
// and returns. The completion then writes into whatever lies there by then. Who makes a call notes a context that lies
// on the calling thread's own stack; whenever it is certain that frames of that thread are gone, those that still pend
// in them are a bug check: when consumer code returns to the runtime (a callback, a DPC, a work item, a thread's
// routine, DriverEntry), and when the thread begins to wait.
//
// What is reported is so: the frame is gone, and the completion has not begun. What is not seen: a frame that returned
// on a thread that neither waits nor returns to the runtime before the completion; a thread that the runtime did not
// make, where it has called nothing of the driver; a stack that the driver switched to by itself.
#include <cstdint>

#include "ntrt/irql.h"

namespace softndk::ntrt {

/// One pending call's context. Lives with the record of the call; takes no memory, and with more than some hundreds on
/// stacks at once the next ones are not looked at.
class StackContext {
 public:
  /// Notes `context` if it lies on this thread's stack. `call` names the function in reports and is a constant.
  void begin(const void* context, const char* call) noexcept;
  /// The completion is about to run, or there will be none. Any thread, once for each begin(); more does no harm.
  void end() noexcept;

 private:
  std::uint16_t entry_ = 0;  ///< 0: not on a stack
};

/// Whether it is a bug check (at first), or nothing is noted.
void set_dead_contexts_reported(bool reported) noexcept;

/// Bug check if a call of this thread pends whose context lies below `frame`: none of those frames exists any more. The
/// moment is named by `what`, which "began" or "returned", and a code address.
void check_dead_contexts(const void* frame, const char* what, const char* verb, const void* place) noexcept;

/// The same, where it costs a load if no call of this thread had its context on the stack.
inline void frames_are_gone(const void* frame, const char* what, const void* place) noexcept {
  if (local(Slot::stack_contexts) != 0) [[unlikely]]
    check_dead_contexts(frame, what, "returned", place);
}

/// In an entry point that drivers call: whatever lies below the caller's frame is gone.
__attribute__((always_inline)) inline void caller_waits(const char* what) noexcept {
  if (local(Slot::stack_contexts) == 0) [[likely]]
    return;
  constexpr unsigned kSavedBytes = 2 * sizeof(void*);  // the frame pointer and the return address
  check_dead_contexts(static_cast<const char*>(__builtin_frame_address(0)) + kSavedBytes, what, "began",
                      __builtin_return_address(0));
}

}  // namespace softndk::ntrt
