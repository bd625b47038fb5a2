#include "workload/mapping.h"

#include <utility>

#include "workload/verdict.h"

namespace softndk::workload {
namespace {
constexpr std::size_t kHeaderBytes = offsetof(NDK_LOGICAL_ADDRESS_MAPPING, AdapterPageArray);
}

Mapping::~Mapping() {
  forget_mdl();
}

void Mapping::forget_mdl() {
  if (mdl_ != nullptr) IoFreeMdl(std::exchange(mdl_, nullptr));
}

bool Mapping::make(NDK_ADAPTER* adapter, MemoryMap& map) {
  if (is_built_) return true;
  const std::size_t bytes = map.memory().bytes;
  if (building.is_idle() && !failed_) {
    adapter_ = adapter;
    mdl_ = IoAllocateMdl(map.memory().data, static_cast<ULONG>(bytes), FALSE, FALSE, nullptr);
    failed_ = mdl_ == nullptr;
    if (failed_) return false;
    MmBuildMdlForNonPagedPool(mdl_);
    const std::size_t pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(map.memory().data, bytes);
    room_bytes_ = static_cast<ULONG>(kHeaderBytes + pages * sizeof(NDK_LOGICAL_ADDRESS));  // R-LAM-03
    room_.assign((room_bytes_ + 7) / 8, 0xEEEEEEEEEEEEEEEE);
    building.make([&] {
      return adapter->Dispatch->NdkBuildLAM(adapter, mdl_, bytes, &Call::completed, &building, lam(), &room_bytes_,
                                            &first_byte_);
    });
  }
  if (!building.is_done()) return false;
  forget_mdl();
  if (building.status() != STATUS_SUCCESS) return false;
  check(bytes);
  is_built_ = was_built_ = true;
  return true;
}

void Mapping::check(std::size_t bytes) const {
  if (pages() != pages_of(0, bytes) || room_bytes_ != kHeaderBytes + pages() * sizeof(NDK_LOGICAL_ADDRESS))
    fail("LAM %u of %zu octets has %u pages, and says that it has %u octets itself (R-LAM-02, R-LAM-03)", node.number(),
         bytes, pages(), room_bytes_);
  for (ULONG i = 0; i < pages(); ++i) {
    const auto page = static_cast<std::uint64_t>(lam()->AdapterPageArray[i].QuadPart);
    if (page % PAGE_SIZE != 0) fail("LAM %u: page %u is not aligned (R-LAM-01)", node.number(), i);
    // Ours only, and what lets any buffer be one SGE (spec/kernel-surface.md 8.6).
    if (page != address(0) - first_byte_ + i * std::uint64_t{PAGE_SIZE})
      fail("LAM %u: page %u does not follow the one before it", node.number(), i);
  }
}

std::uint64_t Mapping::address(std::size_t offset) const {
  return static_cast<std::uint64_t>(page_at(offset)->QuadPart) + first_byte_at(offset);
}

ULONG Mapping::pages_of(std::size_t offset, std::size_t bytes) const {
  return static_cast<ULONG>((first_byte_at(offset) + bytes + PAGE_SIZE - 1) / PAGE_SIZE);
}

bool Mapping::release() {
  if (building.is_pending()) return false;
  if (building.is_done()) forget_mdl();
  const bool has_built = building.is_done() && building.status() == STATUS_SUCCESS;
  if (has_built) {
    building.reset();
    is_built_ = false;
    const Calling calling;
    adapter_->Dispatch->NdkReleaseLAM(adapter_, lam());
  }
  return true;
}

}  // namespace softndk::workload
