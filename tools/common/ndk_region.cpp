#include "tools/common/ndk_region.h"

#include <fmt/format.h>

#include <algorithm>

namespace softndk::tools {
namespace {

constexpr ULONG kPoolTag = 0x6c6f6f54;  // "Tool" in memory order

}  // namespace

Result<std::unique_ptr<Region>> Region::create(const Adapter& adapter, const Pd& pd, std::size_t bytes, ULONG flags) {
  std::unique_ptr<Region> region(new Region);
  const std::string what = fmt::format("memory of {} bytes on the {}", bytes, adapter.name());
  // A page or more is page-aligned (and zeroed by us: pool is not).
  const std::size_t pool_bytes = std::max<std::size_t>(bytes, PAGE_SIZE);
  region->memory_ = ExAllocatePoolWithTag(NonPagedPoolNx, pool_bytes, kPoolTag);
  if (region->memory_ == nullptr)
    return tl::unexpected(provider_failure("ExAllocatePoolWithTag", STATUS_INSUFFICIENT_RESOURCES, what));
  memset(region->memory_, 0, pool_bytes);
  region->bytes_ = bytes;
  region->mdl_ = IoAllocateMdl(region->memory_, static_cast<ULONG>(bytes), FALSE, FALSE, nullptr);
  if (region->mdl_ == nullptr)
    return tl::unexpected(provider_failure("IoAllocateMdl", STATUS_INSUFFICIENT_RESOURCES, what));
  MmBuildMdlForNonPagedPool(region->mdl_);

  NTSTATUS status = region->mr_.create([&](auto completion, PVOID context, NDK_MR** out) {
    return pd.get()->Dispatch->NdkCreateMr(pd.get(), FALSE, completion, context, out);
  });
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkCreateMr", status, what, "R-CRT-06"));

  NDK_MR* const mr = region->mr_.get();
  region->registration_.begin();
  status = region->registration_.finish(
      mr->Dispatch->NdkRegisterMr(mr, region->mdl_, bytes, flags, &Request::completed, &region->registration_));
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkRegisterMr", status, what));
  region->local_token_ = mr->Dispatch->NdkGetLocalTokenFromMr(mr);
  return region;
}

Region::~Region() {
  mr_.finish_close();
  if (mdl_ != nullptr) IoFreeMdl(mdl_);
  if (memory_ != nullptr) ExFreePoolWithTag(memory_, kPoolTag);
}

Result<std::unique_ptr<Window>> Window::create(const Adapter& adapter, const Pd& pd) {
  auto window = std::make_unique<Window>();
  const NTSTATUS status = window->Object::create([&](auto completion, PVOID context, NDK_MW** out) {
    return pd.get()->Dispatch->NdkCreateMw(pd.get(), completion, context, out);
  });
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkCreateMw", status, adapter.name(), "R-CRT-06"));
  return window;
}

UINT32 Region::remote_token() const {
  return mr_.get()->Dispatch->NdkGetRemoteTokenFromMr(mr_.get());
}

NDK_SGE Region::sge(std::size_t offset, std::size_t length) const {
  NDK_SGE sge{};
  sge.VirtualAddress = static_cast<std::byte*>(memory_) + offset;
  sge.Length = static_cast<ULONG>(length);
  sge.MemoryRegionToken = local_token_;
  return sge;
}

}  // namespace softndk::tools
