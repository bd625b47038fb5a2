#pragma once
// What this process holds of the machine, for tests that want it flat.
#include <dirent.h>
#include <malloc.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace softndk {

struct ProcessUsage {
  std::size_t resident_bytes = 0;  ///< what the machine pays, with the allocator's free lists and fragments
  std::size_t heap_bytes = 0;      ///< what has been allocated and not freed: exact; 0 under a sanitizer's allocator
  std::size_t descriptors = 0;

  /// Call it when no thread of ours runs. The allocator gives back what it keeps for later first.
  static ProcessUsage now() {
    ::malloc_trim(0);
    ProcessUsage usage;
    const struct mallinfo2 heap = ::mallinfo2();
    usage.heap_bytes = heap.uordblks + heap.hblkhd;
    if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
      unsigned long all_pages = 0, resident_pages = 0;
      if (std::fscanf(statm, "%lu %lu", &all_pages, &resident_pages) == 2)
        usage.resident_bytes = resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
      std::fclose(statm);
    }
    if (DIR* open = ::opendir("/proc/self/fd")) {
      while (::readdir(open) != nullptr)
        ++usage.descriptors;
      ::closedir(open);
    }
    return usage;
  }
};

}  // namespace softndk
