#pragma once
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "ntrt/object_tree.h"
#include "rdma/device.h"
#include "wdk/ndkpi.h"

namespace softndk::provider {

/// A logical address mapping that a consumer has built: what its AdapterContext points to (R-LAM-11).
struct Lam : ListLink {
  rdma::AddressMapping* device = nullptr;
  ntrt::TreeNode node{"lam", describe};

 private:
  static void describe(const ntrt::TreeNode& node, ntrt::NodeText& to) noexcept;
};

/// The mappings of one adapter instance that are not released yet. Any thread, IRQL <= DISPATCH_LEVEL.
class Lams {
 public:
  /// NdkBuildLAM, its arguments checked and the chain measured: `lam` has room for the pages. STATUS_SUCCESS, and all
  /// three outputs are written; or STATUS_INSUFFICIENT_RESOURCES, and nothing is mapped (R-LAM-07).
  NTSTATUS build(rdma::Device& device, const MDL* mdl, SIZE_T length_bytes, NDK_LOGICAL_ADDRESS_MAPPING& lam,
                 ULONG& lam_bytes, ULONG& first_byte_offset) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// A mapping that was just built: reports show it under `adapter` from here on.
  static void publish(const NDK_LOGICAL_ADDRESS_MAPPING& lam, ntrt::TreeNode& adapter,
                      const ntrt::CallOrigin& origin) noexcept {
    static_cast<Lam*>(lam.AdapterContext)->node.insert(&adapter, &lam, origin);
  }
  /// NdkReleaseLAM.
  void release(NDK_LOGICAL_ADDRESS_MAPPING& lam) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// The adapter instance ends: what its consumer left is reported and freed (R-LAM-14).
  void release_all() noexcept SOFTNDK_EXCLUDES(mutex_);

  /// Bytes of a mapping of so many pages (R-LAM-03).
  static constexpr std::uint64_t bytes_for(std::uint64_t pages) noexcept {
    return offsetof(NDK_LOGICAL_ADDRESS_MAPPING, AdapterPageArray) + pages * sizeof(NDK_LOGICAL_ADDRESS);
  }

 private:
  static void end(Lam* lam) noexcept;

  Mutex mutex_;
  IntrusiveList<Lam> live_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::provider
