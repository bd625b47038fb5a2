#include "ntrt/mdl_extents.h"

#include <algorithm>

#include "ntrt/mdl.h"

namespace softndk::ntrt {

const char* to_string(MdlError error) noexcept {
  switch (error) {
    case MdlError::no_mdl:
      return "no MDL";
    case MdlError::zero_length:
      return "length 0";
    case MdlError::too_short:
      return "length beyond the end of the MDL chain";
    case MdlError::not_contiguous:
      return "MDL chain not virtually contiguous";
    case MdlError::not_locked:
      return "MDL neither locked nor built for nonpaged pool";
    case MdlError::malformed:
      return "MDL with a start address off a page or an offset beyond one";
  }
  return "?";
}

bool MdlPageWalk::next() noexcept {
  while (left_ != 0 && mdl_ != nullptr && done_in_mdl_ == mdl_->ByteCount) {
    mdl_ = mdl_->Next;
    done_in_mdl_ = 0;
  }
  if (left_ == 0 || mdl_ == nullptr) return false;
  const std::size_t at = mdl_->ByteOffset + done_in_mdl_;
  const std::size_t offset_in_page = at % kPageBytes;
  bytes_ = std::min({kPageBytes - offset_in_page, mdl_->ByteCount - done_in_mdl_, left_});
  frame_address_ = static_cast<std::uint64_t>(mdl_frames(mdl_)[at / kPageBytes]) * kPageBytes;
  data_ = reinterpret_cast<std::uint8_t*>(frame_address_) + offset_in_page;
  virtual_ = mdl_virtual_address(mdl_) + done_in_mdl_;
  done_in_mdl_ += bytes_;
  left_ -= bytes_;
  return true;
}

expected<MdlMeasure, MdlError> measure_mdl_chain(const MDL* mdl, std::size_t length) noexcept {
  if (mdl == nullptr) return unexpected(MdlError::no_mdl);
  if (length == 0) return unexpected(MdlError::zero_length);
  MdlMeasure measure;
  measure.base_address = mdl_virtual_address(mdl);
  measure.first_byte_offset = mdl->ByteOffset;

  // Headers first: no frame is read before its MDL is known to have any.
  std::uint64_t expected_address = measure.base_address;
  std::size_t left = length;
  for (const MDL* part = mdl; left != 0; part = part->Next) {
    if (part == nullptr) return unexpected(MdlError::too_short);
    if (part->ByteOffset >= kPageBytes || reinterpret_cast<std::uintptr_t>(part->StartVa) % kPageBytes != 0)
      return unexpected(MdlError::malformed);
    if (mdl_virtual_address(part) != expected_address) return unexpected(MdlError::not_contiguous);
    constexpr int kHasFrames = MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL;
    if ((part->MdlFlags & kHasFrames) == 0) return unexpected(MdlError::not_locked);
    const std::size_t used = std::min<std::size_t>(left, part->ByteCount);
    if (__builtin_add_overflow(expected_address, used, &expected_address)) return unexpected(MdlError::malformed);
    left -= used;
  }

  measure.page_count = (measure.first_byte_offset + length + kPageBytes - 1) / kPageBytes;
  const std::uint8_t* end = nullptr;
  std::uint64_t last_page = 0, last_frame = 0;
  for (MdlPageWalk walk(mdl, length); walk.next();) {
    const std::uint64_t page = walk.virtual_address() / kPageBytes;
    if (end != nullptr && page == last_page && walk.frame_address() != last_frame) measure.pages_differ = true;
    if (walk.data() != end) ++measure.extent_count;
    end = walk.data() + walk.bytes();
    last_page = page;
    last_frame = walk.frame_address();
  }
  return measure;
}

}  // namespace softndk::ntrt
