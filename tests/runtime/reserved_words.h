#pragma once
#include <gtest/gtest.h>

#include <cstdint>

#include "wdk/ndkpi.h"

namespace softndk::stack {

/// NdkReserved belongs to the operating system: zero when an object is handed over, and nobody else's from then on
/// (R-OBJ-04, R-OBJ-05). Here the operating system keeps a pattern in it, in every object of every test.
inline constexpr std::uintptr_t kReservedWord = 0xa5a5a5a5a5a5a5a5;
inline bool reserved_is(const NDK_OBJECT_HEADER& header, std::uintptr_t word) {
  for (const PVOID each : header.NdkReserved.rf) {
    if (reinterpret_cast<std::uintptr_t>(each) != word) return false;
  }
  return true;
}
inline void take_over(NDK_OBJECT_HEADER& header) {
  EXPECT_TRUE(reserved_is(header, 0) || reserved_is(header, kReservedWord)) << "R-OBJ-04: not zero when handed over";
  for (PVOID& each : header.NdkReserved.rf)
    each = reinterpret_cast<PVOID>(kReservedWord);
}

}  // namespace softndk::stack
