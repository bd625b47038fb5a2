#pragma once
#include "wdk/ntdef.h"

namespace softndk::runtime {

/// "STATUS_SUCCESS"; null for a value without a name. Where several names have one value, the first of ntstatus.h.
const char* status_name(NTSTATUS status) noexcept;

}  // namespace softndk::runtime
