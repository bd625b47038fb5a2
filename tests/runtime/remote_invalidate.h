#pragma once
#include "memory_window.h"

namespace softndk::stack {

inline NTSTATUS send_and_invalidate(Side& side, const NDK_SGE& sge, UINT32 token, UINT_PTR context = 7,
                                    ULONG flags = 0) {
  return side.qp.table()->NdkSendAndInvalidate(side.qp.get(), reinterpret_cast<PVOID>(context), &sge, 1, flags, token);
}

}  // namespace softndk::stack
