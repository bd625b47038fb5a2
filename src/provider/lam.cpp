#include "provider/lam.h"

#include "base/alloc.h"
#include "base/log.h"
#include "ntrt/mdl_extents.h"
#include "provider/status.h"

namespace softndk::provider {
namespace {

constexpr std::size_t kPageBytes = 4096;

/// Runs of adjacent pages. Most buffers are one; only many that are scattered need memory of their own.
class PageRuns {
 public:
  ~PageRuns() { deallocate(room_); }
  [[nodiscard]] bool collect(const MDL* mdl, SIZE_T length_bytes) noexcept {
    if (walk(mdl, length_bytes, few_, std::size(few_)) <= std::size(few_)) return true;
    room_ = static_cast<rdma::MemoryExtent*>(try_allocate(count_ * sizeof(rdma::MemoryExtent)));
    if (room_ == nullptr) return false;
    walk(mdl, length_bytes, room_, count_);
    return true;
  }
  std::span<const rdma::MemoryExtent> get() const noexcept { return {room_ != nullptr ? room_ : few_, count_}; }

 private:
  /// Counts them all, and notes those for which there is room.
  std::size_t walk(const MDL* mdl, SIZE_T length_bytes, rdma::MemoryExtent* to, std::size_t room) noexcept {
    count_ = 0;
    rdma::MemoryExtent last{};
    ntrt::for_each_mdl_page(mdl, length_bytes, [&](std::uint64_t page_address) {
      auto* page = reinterpret_cast<std::uint8_t*>(page_address);
      if (count_ == 0 || page != last.data + last.bytes) {
        ++count_;
        last = {page, 0};
      }
      last.bytes += kPageBytes;
      if (count_ <= room) to[count_ - 1] = last;
    });
    return count_;
  }
  rdma::MemoryExtent few_[32];
  rdma::MemoryExtent* room_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace

NTSTATUS Lams::build(rdma::Device& device, const MDL* mdl, SIZE_T length_bytes, NDK_LOGICAL_ADDRESS_MAPPING& lam,
                     ULONG& lam_bytes, ULONG& first_byte_offset) noexcept {
  const auto measure = ntrt::measure_mdl_chain(mdl, length_bytes);
  if (!measure) return STATUS_INVALID_PARAMETER;  // measured before: the chain changed meanwhile
  PageRuns runs;
  Owned<Lam> live = try_make<Lam>();
  if (live == nullptr || !runs.collect(mdl, length_bytes)) return STATUS_INSUFFICIENT_RESOURCES;
  const auto mapping = device.map_pages(runs.get(), measure->first_byte_offset, length_bytes);
  if (!mapping) return to_ntstatus(mapping.error());
  live->device = *mapping;
  lam.AdapterContext = live.get();
  lam.AdapterPageCount = static_cast<ULONG>(measure->page_count);
  const std::uint64_t first = (*mapping)->address();
  for (std::size_t i = 0; i < measure->page_count; ++i)
    lam.AdapterPageArray[i].QuadPart = static_cast<LONGLONG>(first + i * kPageBytes);
  lam_bytes = static_cast<ULONG>(bytes_for(measure->page_count));
  first_byte_offset = measure->first_byte_offset;
  MutexLock lock(mutex_);
  live_.push_back(*live.release());
  return STATUS_SUCCESS;
}

void Lam::describe(const ntrt::TreeNode&, ntrt::NodeText& to) noexcept {
  to.add("built, and not released");
}

void Lams::end(Lam* lam) noexcept {
  Owned<Lam> gone(lam);
  gone->node.remove();
  if (!gone->device->release())
    log(LogLevel::warning, "NdkReleaseLAM while requests use its addresses: wait for their completions (R-LAM-13)");
}

void Lams::release(NDK_LOGICAL_ADDRESS_MAPPING& lam) noexcept {
  Lam* live = static_cast<Lam*>(lam.AdapterContext);
  {
    MutexLock lock(mutex_);
    IntrusiveList<Lam>::remove(*live);
  }
  end(live);
}

void Lams::release_all() noexcept {
  unsigned left = 0;
  for (;; ++left) {
    Lam* lam = nullptr;
    {
      MutexLock lock(mutex_);
      lam = live_.pop_front();
    }
    if (lam == nullptr) break;
    end(lam);
  }
  if (left != 0)
    log(LogLevel::warning, "an NDK adapter was closed with %u LAMs that were never released (R-LAM-14)", left);
}

}  // namespace softndk::provider
