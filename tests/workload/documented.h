#pragma once
#include "wdk/ntddk.h"

namespace softndk::workload {

/// `status` is one that `function` may return (inline), or complete with, by the tables of spec/ndkpi.md 2.
bool is_documented(const char* function, NTSTATUS status, bool is_inline) noexcept;
/// An entry of a completion queue (spec/ndkpi.md 3.16, R-CST-01).
bool is_completion_status(NTSTATUS status) noexcept;

}  // namespace softndk::workload
