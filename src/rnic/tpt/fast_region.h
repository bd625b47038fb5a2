#pragma once
#include "rnic/tpt/revocable.h"

namespace softndk::rnic {

/// Where the pages of a posted or executed fast-register lie: made by the post, so that its turn needs no memory and
/// its mappings are not looked at again. Extents follow it in memory.
struct PageList {
  PageList* next = nullptr;
  std::uint32_t room = 0;  ///< extents
  std::uint32_t extent_count = 0;
  std::uint32_t first_octet = 0;
  AccessRights rights;
  std::uint64_t address = 0;
  std::uint64_t length_bytes = 0;
  RegionExtent* extents() { return reinterpret_cast<RegionExtent*>(this + 1); }
};
static_assert(sizeof(PageList) % alignof(RegionExtent) == 0);

/// A fast-register region: a row of the token table whose token never changes, live while the region is valid
/// (R-FRMR-12, R-FRMR-13).
class FastRegion final : public rdma::FastRegion, public Revocable {
 public:
  static constexpr std::uint32_t kPagesMax = 65536;  // R-FRMR-02

  /// Null when memory or the table is exhausted.
  static OwnedInterface<FastRegion> create(TokenTable& table, const TokenDomain& domain,
                                           rdma::FastRegionSink& sink) noexcept;
  FastRegion(TokenTable& table, TokenSlot& slot, rdma::FastRegionSink& sink) noexcept;
  ~FastRegion() override;

  // rdma::FastRegion
  expected<void, rdma::MemoryError> initialize(std::uint32_t pages_max) noexcept override SOFTNDK_EXCLUDES(mutex_);
  Token token() const noexcept override { return token_.load(); }
  void close() noexcept override { begin_close(); }

  /// For a fast-register that is being posted: its pages, found and copied. One list is always there, a second one is
  /// kept once it was needed; only more in a queue at once take memory. Errors: bad_page, no_resources.
  expected<PageList*, rdma::PostError> take_list(const rdma::FastRegionWork& work) noexcept SOFTNDK_EXCLUDES(mutex_);
  void give_back(PageList* list) noexcept SOFTNDK_EXCLUDES(mutex_);

  /// When its turn has come. success: the list is taken, `list` null. wrong_state: valid already (R-FRMR-13), or of
  /// another domain.
  rdma::WorkStatus validate(PageList*& list, const TokenDomain& domain) noexcept SOFTNDK_EXCLUDES(mutex_);
  void work_done(void*, bool) noexcept override { sink_.on_region_work_done(); }

 private:
  static constexpr std::uint32_t kSparesMax = 2;
  static PageList* make_list(std::uint32_t room) noexcept;
  [[nodiscard]] bool fill(PageList& list, const rdma::PageAddresses& pages) noexcept;
  void keep(PageList* list) noexcept SOFTNDK_EXCLUDES(mutex_);
  void ended() noexcept override SOFTNDK_EXCLUDES(mutex_);
  void closed() noexcept override { sink_.on_region_closed(); }

  rdma::FastRegionSink& sink_;
  std::atomic<Token> token_{0};
  std::uint32_t pages_max_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  PageList* spares_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  std::uint32_t spare_count_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  std::uint32_t posted_ SOFTNDK_GUARDED_BY(mutex_) = 0;  // lists of work that is under way
  PageList* active_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace softndk::rnic
