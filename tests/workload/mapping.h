#pragma once
// A logical address mapping of a map's memory: by what drivers on Windows name memory that they never register.
#include <vector>

#include "workload/lifetime.h"
#include "workload/memory_map.h"

namespace softndk::workload {

class Mapping {
 public:
  Mapping(unsigned number, Caller& caller)
      : node("LAM", number), building("NdkBuildLAM", Call::Kind::request, node, caller) {}
  ~Mapping();

  /// Once; may be asked again and again. True: it is built.
  bool make(NDK_ADAPTER* adapter, MemoryMap& map);
  bool failed() const { return failed_ || (building.is_done() && building.status() != STATUS_SUCCESS); }
  /// When nothing uses it any more. True: nothing is left of it.
  bool release();

  bool was_built() const { return was_built_; }

  /// Of octet `offset` of the memory.
  std::uint64_t address(std::size_t offset) const;
  ULONG pages() const { return lam()->AdapterPageCount; }
  const NDK_LOGICAL_ADDRESS* page_at(std::size_t offset) const {
    return lam()->AdapterPageArray + (first_byte_ + offset) / PAGE_SIZE;
  }
  ULONG first_byte_at(std::size_t offset) const { return static_cast<ULONG>((first_byte_ + offset) % PAGE_SIZE); }
  ULONG pages_of(std::size_t offset, std::size_t bytes) const;

  Node node;
  Call building;

 private:
  NDK_LOGICAL_ADDRESS_MAPPING* lam() const {
    return reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(const_cast<std::uint64_t*>(room_.data()));
  }
  void forget_mdl();
  void check(std::size_t bytes) const;
  NDK_ADAPTER* adapter_ = nullptr;
  MDL* mdl_ = nullptr;  ///< of its own: the mapping outlives it (R-LAM-08)
  std::vector<std::uint64_t> room_;
  ULONG room_bytes_ = 0;
  ULONG first_byte_ = 0;
  bool is_built_ = false;
  bool was_built_ = false;
  bool failed_ = false;
};

}  // namespace softndk::workload
