#pragma once
// A region's memory as patches with guards between, and what each octet of it may be: bytes land where the token says
// and nowhere else.
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/ndk_consumer.h"

namespace softndk::workload {

/// What an octet sequence is filled with: `number` tells all sequences of a run apart.
struct Pattern {
  std::uint32_t number = 0;
  std::uint8_t at(std::size_t offset) const {
    return static_cast<std::uint8_t>(number * 31 + number / 8 + offset * 7 + (offset >> 8) * 13 + 1);
  }
};

class MemoryMap {
 public:
  explicit MemoryMap(const char* name) : name_(name) {}

  /// Filled with `pattern`, and to stay so. Returns the patch's number.
  std::size_t add_constant(std::uint32_t bytes, Pattern pattern) { return add(bytes, pattern, true); }
  /// Blank until somebody writes the first octets of `pattern` into it.
  std::size_t add_target(std::uint32_t bytes, Pattern pattern) { return add(bytes, pattern, false); }
  /// After the last add: the memory.
  void build();

  stack::Memory& memory() { return *memory_; }
  const stack::Memory& memory() const { return *memory_; }
  std::uint8_t* data(std::size_t patch) { return memory_->data + patches_[patch].offset; }
  std::uint32_t bytes(std::size_t patch) const { return patches_[patch].bytes; }
  std::uint32_t offset(std::size_t patch) const { return patches_[patch].offset; }

  /// Octets of `patch` may have been written from now on: at most the first `bytes`.
  void may_be_written(std::size_t patch, std::uint32_t bytes) { patches_[patch].writable = bytes; }
  /// Fails unless the first `bytes` octets are there and the rest is blank.
  void must_be_written(std::size_t patch, std::uint32_t bytes);
  /// Fails if an octet is what it may not be.
  void check_all() const;

 private:
  struct Patch {
    std::uint32_t offset;
    std::uint32_t bytes;
    Pattern pattern;
    bool constant;
    std::uint32_t writable = 0;
  };
  static constexpr std::uint32_t kGuardBytes = 32;
  static constexpr std::uint8_t kGuard = 0xA5;
  static constexpr std::uint8_t kBlank = 0xEE;
  std::size_t add(std::uint32_t bytes, Pattern pattern, bool constant);
  void check_guard(std::uint32_t from, std::uint32_t to) const;

  const char* name_;
  std::vector<Patch> patches_;
  std::uint32_t end_ = kGuardBytes;
  std::unique_ptr<stack::Memory> memory_;
};

}  // namespace softndk::workload
