#include "workload/memory_map.h"

#include "workload/verdict.h"

namespace softndk::workload {

std::size_t MemoryMap::add(std::uint32_t bytes, Pattern pattern, bool constant) {
  patches_.push_back({end_, bytes, pattern, constant});
  end_ += bytes + kGuardBytes;
  return patches_.size() - 1;
}

void MemoryMap::build() {
  memory_ = std::make_unique<stack::Memory>(end_);
  std::fill_n(memory_->data, end_, kGuard);
  for (const Patch& patch : patches_) {
    for (std::uint32_t i = 0; i < patch.bytes; ++i)
      memory_->data[patch.offset + i] = patch.constant ? patch.pattern.at(i) : kBlank;
  }
}

void MemoryMap::must_be_written(std::size_t number, std::uint32_t bytes) {
  const Patch& patch = patches_[number];
  const std::uint8_t* data = memory_->data + patch.offset;
  for (std::uint32_t i = 0; i < patch.bytes; ++i) {
    const std::uint8_t wanted = i < bytes ? patch.pattern.at(i) : kBlank;
    if (data[i] != wanted)
      fail("%s, patch %zu of %u octets, %u of which were written: octet %u is 0x%02x and not 0x%02x", name_, number,
           patch.bytes, bytes, i, data[i], wanted);
  }
}

void MemoryMap::check_guard(std::uint32_t from, std::uint32_t to) const {
  for (std::uint32_t i = from; i < to; ++i) {
    if (memory_->data[i] != kGuard)
      fail("%s: octet %u, between two patches, was overwritten with 0x%02x", name_, i, memory_->data[i]);
  }
}

void MemoryMap::check_all() const {
  std::uint32_t guarded_from = 0;
  for (std::size_t number = 0; number < patches_.size(); ++number) {
    const Patch& patch = patches_[number];
    check_guard(guarded_from, patch.offset);
    guarded_from = patch.offset + patch.bytes;
    const std::uint8_t* data = memory_->data + patch.offset;
    for (std::uint32_t i = 0; i < patch.bytes; ++i) {
      if (data[i] == (patch.constant ? patch.pattern.at(i) : kBlank)) continue;
      if (i < patch.writable && data[i] == patch.pattern.at(i)) continue;
      fail("%s, patch %zu of %u octets, %s: octet %u is 0x%02x", name_, number, patch.bytes,
           patch.constant ? "which nobody may write" : "of which fewer may be written", i, data[i]);
    }
  }
  check_guard(guarded_from, end_);
}

}  // namespace softndk::workload
