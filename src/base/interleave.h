#pragma once
// Where another thread may come between, said aloud: at each lock, and before each step of the lock-free hand-overs. In
// a real run nothing happens here. The simulator, under which all threads are fibers of one, lets another go on at a
// point that its seed draws, and so meets the windows of nanoseconds in which such code is wrong.
#include <atomic>

namespace softndk {

/// `blocked`: the caller waits for another thread, which must therefore be let run; otherwise it only may be.
using InterleaveHook = void (*)(void* context, bool blocked) noexcept;

/// Null: real threads. Set while no other thread runs code of the library.
void set_interleave_hook(InterleaveHook hook, void* context) noexcept;

namespace detail {
extern std::atomic<InterleaveHook> interleave_hook;
/// Out of line. False: there is no hook.
bool interleave(bool blocked) noexcept;
}  // namespace detail

inline void interleave_point() noexcept {
  if (detail::interleave_hook.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
    static_cast<void>(detail::interleave(false));
}

/// Once round a wait for a few instructions of another thread, which may have lost its processor in the midst of them.
void interleave_wait() noexcept;

}  // namespace softndk
