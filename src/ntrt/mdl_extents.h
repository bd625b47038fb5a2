#pragma once
// What an MDL chain says about memory, for the code that turns it into regions and page lists. Everything here works
// from the page frames behind each MDL and never looks at, or through, the virtual address it names (R-LAM-06,
// R-MR-03): that one is only a number. A page frame number is a host address divided by 4096.
#include <cstddef>
#include <cstdint>

#include "base/expected.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {

inline constexpr std::size_t kPageBytes = 4096;

/// All of them are STATUS_INVALID_PARAMETER at the NDKPI edge (R-LAM-04, R-LAM-05, R-MR-01, R-MR-02); they differ in
/// what a report can say.
enum class MdlError : std::uint8_t {
  no_mdl,          ///< NULL
  zero_length,     ///< Length 0
  too_short,       ///< Length is more than the chain describes
  not_contiguous,  ///< a gap or an overlap of virtual addresses before Length
  not_locked,      ///< an MDL before Length has neither locked pages nor pages of the nonpaged pool
  malformed,       ///< StartVa off a page boundary, ByteOffset beyond a page, or addresses that wrap around
};
const char* to_string(MdlError error) noexcept;

struct MdlMeasure {
  std::uint64_t base_address = 0;       ///< the first MDL's virtual address: an index, not a pointer
  std::uint32_t first_byte_offset = 0;  ///< base_address mod 4096 (the FBO of R-LAM-02)
  std::size_t page_count = 0;           ///< 4096-byte pages spanned by first_byte_offset + Length
  std::size_t extent_count = 0;         ///< runs of adjacent memory: what for_each_mdl_extent() visits
  /// Two MDLs meet inside a virtual page and name different frames for it. Extents can say that, a list of whole
  /// pages cannot: NdkBuildLAM answers STATUS_INVALID_PARAMETER.
  bool pages_differ = false;
};

/// Checks the first `length` bytes of the chain; MDLs beyond them do not matter (R-LAM-04). Any IRQL; no allocation.
/// `length` is what the consumer said; the chain must not change meanwhile (it is the provider's while a request
/// pends: R-MR-05, R-LAM-08).
[[nodiscard]] expected<MdlMeasure, MdlError> measure_mdl_chain(const MDL* mdl, std::size_t length) noexcept;

/// Walks a measured chain page by page. Not for use by itself: the templates below are.
class MdlPageWalk {
 public:
  MdlPageWalk(const MDL* mdl, std::size_t length) noexcept : mdl_(mdl), left_(length) {}
  /// The next piece that lies in one frame; false at the end.
  bool next() noexcept;
  std::uint8_t* data() const noexcept { return data_; }                    ///< host address of the piece
  std::size_t bytes() const noexcept { return bytes_; }                    ///< 1 to 4096
  std::uint64_t virtual_address() const noexcept { return virtual_; }      ///< of the piece
  std::uint64_t frame_address() const noexcept { return frame_address_; }  ///< host address of its page

 private:
  const MDL* mdl_;
  std::size_t left_;
  std::size_t done_in_mdl_ = 0;
  std::uint8_t* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint64_t virtual_ = 0;
  std::uint64_t frame_address_ = 0;
};

/// Calls visit(std::uint8_t* data, std::size_t bytes) for each run of adjacent memory, in order, merged as far as
/// possible across pages and MDLs. Only after measure_mdl_chain() accepted the same arguments.
template <class Visit>
void for_each_mdl_extent(const MDL* mdl, std::size_t length, Visit&& visit) {
  std::uint8_t* begin = nullptr;
  std::size_t bytes = 0;
  for (MdlPageWalk walk(mdl, length); walk.next();) {
    if (bytes != 0 && walk.data() == begin + bytes) {
      bytes += walk.bytes();
      continue;
    }
    if (bytes != 0) visit(begin, bytes);
    begin = walk.data();
    bytes = walk.bytes();
  }
  if (bytes != 0) visit(begin, bytes);
}

/// Calls visit(std::uint64_t page_address) for each of the page_count pages, in order: aligned host addresses, as an
/// NDK_LOGICAL_ADDRESS_MAPPING lists them (R-LAM-01). Only if measure_mdl_chain() accepted and pages_differ is false.
template <class Visit>
void for_each_mdl_page(const MDL* mdl, std::size_t length, Visit&& visit) {
  bool first = true;
  std::uint64_t virtual_page = 0;
  for (MdlPageWalk walk(mdl, length); walk.next();) {
    const std::uint64_t page = walk.virtual_address() / kPageBytes;
    if (!first && page == virtual_page) continue;  // the next MDL goes on in the page where the last one ended
    first = false;
    virtual_page = page;
    visit(walk.frame_address());
  }
}

}  // namespace softndk::ntrt
