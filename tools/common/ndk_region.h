#pragma once
// Memory the adapter may reach: page-aligned nonpaged pool, its MDL, and the memory region registered over it.
#include <cstddef>
#include <memory>
#include <span>

#include "tools/common/ndk_adapter.h"

namespace softndk::tools {

class Region {
 public:
  /// `flags`: NDK_MR_FLAG_*. `bytes` at least 1.
  static Result<std::unique_ptr<Region>> create(const Adapter& adapter, const Pd& pd, std::size_t bytes, ULONG flags);
  /// The region is closed before its pages go, which also deregisters it (R-CLS-23).
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  std::span<std::byte> memory() const { return {static_cast<std::byte*>(memory_), bytes_}; }
  UINT64 address() const { return reinterpret_cast<UINT64>(memory_); }  ///< what the peer names
  UINT32 remote_token() const;
  NDK_MR* get() const { return mr_.get(); }
  /// An SGE of ours over part of the region.
  NDK_SGE sge(std::size_t offset, std::size_t length) const;

 private:
  Region() = default;

  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  PMDL mdl_ = nullptr;
  UINT32 local_token_ = 0;
  Request registration_;
  Object<NDK_MR> mr_;
};

/// Rights of its own to a part of a region: given by a bind, taken by an invalidate, ours or the peer's.
class Window : public Object<NDK_MW> {
 public:
  static Result<std::unique_ptr<Window>> create(const Adapter& adapter, const Pd& pd);
  /// Of the newest bind.
  UINT32 remote_token() const { return get()->Dispatch->NdkGetRemoteTokenFromMw(get()); }
};

}  // namespace softndk::tools
