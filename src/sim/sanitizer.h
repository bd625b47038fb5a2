#pragma once
// What the sanitizers must be told about fibers; nothing in other builds.
//
// ThreadSanitizer sees each fiber as a thread. With Options::find_races a switch is no synchronisation to it, so the
// program's own data races are found. The world's state is shared by all fibers without locks, rightly: its accesses
// are hidden (HiddenFromTsan in each call that enters the world), and the order that io's contracts promise (an
// unpark before the park that it ends, a post before its run, a write before the peer's read) is told one by one.
#include <cstddef>

#if defined(__has_feature)
#define SOFTNDK_HAS_FEATURE(x) __has_feature(x)
#else
#define SOFTNDK_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || SOFTNDK_HAS_FEATURE(address_sanitizer)
#define SOFTNDK_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#else
#define SOFTNDK_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || SOFTNDK_HAS_FEATURE(thread_sanitizer)
#define SOFTNDK_TSAN 1
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#else
#define SOFTNDK_TSAN 0
#endif

#if SOFTNDK_TSAN
/// For the few lines around a switch, which run as one fiber and then as another.
#define SOFTNDK_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define SOFTNDK_NO_TSAN
#endif

namespace softndk::sim {

#if SOFTNDK_TSAN
inline void hide_from_tsan() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
inline void show_to_tsan() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
/// All that the caller did so far happens before what follows the next happens_after() with the same token.
inline void happens_before(const void* token) {
  __tsan_release(const_cast<void*>(token));
}
inline void happens_after(const void* token) {
  __tsan_acquire(const_cast<void*>(token));
}
#else
inline void hide_from_tsan() {}
inline void show_to_tsan() {}
inline void happens_before(const void*) {}
inline void happens_after(const void*) {}
#endif

/// The caller is inside the world for as long as this lives.
struct HiddenFromTsan {
  HiddenFromTsan() { hide_from_tsan(); }
  ~HiddenFromTsan() { show_to_tsan(); }
  HiddenFromTsan(const HiddenFromTsan&) = delete;
  HiddenFromTsan& operator=(const HiddenFromTsan&) = delete;
};
/// The reverse, around a call from inside the world back to the program.
struct ShownToTsan {
  ShownToTsan() { show_to_tsan(); }
  ~ShownToTsan() { hide_from_tsan(); }
  ShownToTsan(const ShownToTsan&) = delete;
  ShownToTsan& operator=(const ShownToTsan&) = delete;
};

}  // namespace softndk::sim
