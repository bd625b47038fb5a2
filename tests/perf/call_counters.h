#pragma once
// Counts what the fast path must not do: this program's own malloc and pthread_mutex_lock stand before the C library's.
#include <cstdint>

namespace softndk::perf {

struct Calls {
  std::uint64_t allocations = 0;  ///< malloc and its kin, so operator new too; what they give back does not count
  std::uint64_t locks = 0;        ///< mutexes, taken or tried
  Calls operator-(const Calls& before) const { return {allocations - before.allocations, locks - before.locks}; }
};

Calls calls_of_all_threads();
Calls calls_of_this_thread();

}  // namespace softndk::perf
