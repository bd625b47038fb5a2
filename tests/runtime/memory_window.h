#pragma once
#include "ndk_consumer.h"

namespace softndk::stack {

/// A memory window and its verbs. Declared behind the region that it is bound to: the region's close waits for it.
struct MemoryWindow {
  explicit MemoryWindow(NDK_PD* pd) {
    EXPECT_EQ(create(mw, [&](auto... rest) { return pd->Dispatch->NdkCreateMw(pd, rest...); }), STATUS_SUCCESS);
  }
  NTSTATUS bind(Side& side, const Region& region, std::size_t offset, SIZE_T bytes, ULONG flags,
                UINT_PTR context = 5) const {
    return side.qp.table()->NdkBind(side.qp.get(), reinterpret_cast<PVOID>(context), region.mr.get(), mw.get(),
                                    region.memory.data + offset, bytes, flags);
  }
  NTSTATUS bind_all(Side& side, const Region& region, ULONG flags) const {
    return bind(side, region, 0, region.memory.bytes, flags);
  }
  NTSTATUS invalidate(Side& side, ULONG flags = 0, UINT_PTR context = 6) const {
    return side.qp.table()->NdkInvalidate(side.qp.get(), reinterpret_cast<PVOID>(context), &mw.get()->Header, flags);
  }
  UINT32 token() const { return mw.table()->NdkGetRemoteTokenFromMw(mw.get()); }

  Object<NDK_MW> mw;
};

inline constexpr ULONG kReadAndWrite = NDK_OP_FLAG_ALLOW_REMOTE_READ | NDK_OP_FLAG_ALLOW_REMOTE_WRITE;

}  // namespace softndk::stack
