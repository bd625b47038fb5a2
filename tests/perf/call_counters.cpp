#include "call_counters.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>

// Of glibc, under the names it gives them.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace softndk::perf {
namespace {

constinit std::atomic<std::uint64_t> g_allocations{0}, g_locks{0};
constinit thread_local std::uint64_t t_allocations = 0, t_locks = 0;

void count_allocation() {
  g_allocations.fetch_add(1, std::memory_order_relaxed);
  ++t_allocations;
}

using LockCall = int (*)(pthread_mutex_t*);
/// The next definition of `name` behind ours; looked up once.
template <int kCall>
LockCall behind(const char* name) {
  static constinit std::atomic<LockCall> found{nullptr};
  LockCall call = found.load(std::memory_order_relaxed);
  if (call == nullptr) {
    call = reinterpret_cast<LockCall>(::dlsym(RTLD_NEXT, name));
    found.store(call, std::memory_order_relaxed);
  }
  return call;
}
void count_lock() {
  g_locks.fetch_add(1, std::memory_order_relaxed);
  ++t_locks;
}

}  // namespace

Calls calls_of_all_threads() {
  return {g_allocations.load(), g_locks.load()};
}
Calls calls_of_this_thread() {
  return {t_allocations, t_locks};
}

}  // namespace softndk::perf

#define SOFTNDK_STANDS_BEFORE extern "C" __attribute__((visibility("default")))

SOFTNDK_STANDS_BEFORE void* malloc(std::size_t bytes) {
  softndk::perf::count_allocation();
  return __libc_malloc(bytes);
}
SOFTNDK_STANDS_BEFORE void* calloc(std::size_t count, std::size_t bytes) {
  softndk::perf::count_allocation();
  return __libc_calloc(count, bytes);
}
SOFTNDK_STANDS_BEFORE void* realloc(void* memory, std::size_t bytes) {
  softndk::perf::count_allocation();
  return __libc_realloc(memory, bytes);
}
SOFTNDK_STANDS_BEFORE int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  softndk::perf::count_allocation();
  void* memory = __libc_memalign(alignment, bytes);
  if (memory == nullptr) return ENOMEM;
  *to = memory;
  return 0;
}
SOFTNDK_STANDS_BEFORE void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  softndk::perf::count_allocation();
  return __libc_memalign(alignment, bytes);
}
SOFTNDK_STANDS_BEFORE void* memalign(std::size_t alignment, std::size_t bytes) {
  softndk::perf::count_allocation();
  return __libc_memalign(alignment, bytes);
}

SOFTNDK_STANDS_BEFORE int pthread_mutex_lock(pthread_mutex_t* mutex) {
  softndk::perf::count_lock();
  return softndk::perf::behind<0>("pthread_mutex_lock")(mutex);
}
SOFTNDK_STANDS_BEFORE int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  softndk::perf::count_lock();
  return softndk::perf::behind<1>("pthread_mutex_trylock")(mutex);
}
