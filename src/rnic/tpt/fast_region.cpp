#include "rnic/tpt/fast_region.h"

#include "base/log.h"
#include "rnic/tpt/mapping.h"

namespace softndk::rnic {

using rdma::MemoryError;
using rdma::PostError;
using rdma::WorkStatus;

OwnedInterface<FastRegion> FastRegion::create(TokenTable& table, const TokenDomain& domain,
                                              rdma::FastRegionSink& sink) noexcept {
  TokenSlot* slot = table.acquire_slot();
  if (slot == nullptr) return nullptr;
  slot->domain = &domain;
  slot->kind = RowKind::fast_region;
  OwnedInterface<FastRegion> region = make_interface<FastRegion>(table, *slot, sink);
  if (region == nullptr) table.release_slot(slot);
  return region;
}

FastRegion::FastRegion(TokenTable& table, TokenSlot& slot, rdma::FastRegionSink& sink) noexcept
    : Revocable(table, slot), sink_(sink) {}

FastRegion::~FastRegion() {
  MutexLock lock(mutex_);
  SOFTNDK_CHECK(posted_ == 0 && active_ == nullptr);
  while (PageList* list = spares_) {
    spares_ = list->next;
    deallocate(list);
  }
}

PageList* FastRegion::make_list(std::uint32_t room) noexcept {
  void* memory = try_allocate(sizeof(PageList) + room * sizeof(RegionExtent), alignof(PageList));
  if (memory == nullptr) return nullptr;
  auto* list = ::new (memory) PageList;
  list->room = room;
  return list;
}

expected<void, MemoryError> FastRegion::initialize(std::uint32_t pages_max) noexcept {
  if (pages_max > kPagesMax) return unexpected(MemoryError::too_long);
  PageList* list = make_list(pages_max);
  if (list == nullptr) return unexpected(MemoryError::no_resources);
  PageList* old = nullptr;
  bool busy = false;
  {
    MutexLock lock(mutex_);
    busy = state_ != State::idle || posted_ != 0;
    if (!busy) {
      old = std::exchange(spares_, list);
      spare_count_ = 1;
      pages_max_ = pages_max;
    }
  }
  if (busy) old = list;
  while (old != nullptr)
    deallocate(std::exchange(old, old->next));
  if (busy) return unexpected(MemoryError::wrong_state);
  token_ = table_.token_of(*slot_);
  return {};
}

expected<PageList*, PostError> FastRegion::take_list(const rdma::FastRegionWork& work) noexcept {
  PageList* list = nullptr;
  std::uint32_t room = 0;
  {
    MutexLock lock(mutex_);
    room = pages_max_;
    list = spares_;
    if (list != nullptr) {
      spares_ = list->next;
      --spare_count_;
    }
    ++posted_;
  }
  if (list == nullptr) list = make_list(room);
  const bool filled = list != nullptr && work.pages.size() <= list->room && fill(*list, work.pages);
  if (!filled) {
    give_back(list);
    return unexpected(list == nullptr ? PostError::no_resources : PostError::bad_page);
  }
  list->first_octet = work.first_octet;
  list->address = work.address;
  list->length_bytes = work.length_bytes;
  list->rights = work.rights;
  return list;
}

bool FastRegion::fill(PageList& list, const rdma::PageAddresses& pages) noexcept {
  MappedPages mapped(table_);
  RegionExtent* const extents = list.extents();
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    std::uint8_t* page = mapped.at(pages[i]);
    if (page == nullptr) return false;
    if (count != 0 && extents[count - 1].data + extents[count - 1].bytes == page) {
      extents[count - 1].bytes += kPageBytes;
    } else {
      extents[count++] = {page, kPageBytes, i * kPageBytes};
    }
  }
  list.extent_count = count;
  return true;
}

void FastRegion::give_back(PageList* list) noexcept {
  {
    MutexLock lock(mutex_);
    --posted_;
  }
  if (list != nullptr) keep(list);
}

void FastRegion::keep(PageList* list) noexcept {
  {
    MutexLock lock(mutex_);
    // One from before another initialization may be too small.
    if (spare_count_ < kSparesMax && list->room >= pages_max_) {
      list->next = spares_;
      spares_ = std::exchange(list, nullptr);
      ++spare_count_;
    }
  }
  deallocate(list);
}

WorkStatus FastRegion::validate(PageList*& list, const TokenDomain& domain) noexcept {
  MutexLock lock(mutex_);
  if (state_ != State::idle || slot_->domain != &domain) return WorkStatus::wrong_state;
  --posted_;
  active_ = std::exchange(list, nullptr);
  slot_->base_address = active_->address;
  slot_->length_bytes = active_->length_bytes;
  slot_->extents = active_->extents();
  slot_->extent_count = active_->extent_count;
  slot_->first_octet = active_->first_octet;
  slot_->rights = active_->rights;
  state_ = State::live;
  table_.enable(*slot_);
  return WorkStatus::success;
}

void FastRegion::ended() noexcept {
  PageList* list = nullptr;
  {
    MutexLock lock(mutex_);
    list = std::exchange(active_, nullptr);
  }
  keep(list);
}

}  // namespace softndk::rnic
