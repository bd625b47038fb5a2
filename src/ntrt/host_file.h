#pragma once
// The host's files, by system call number: a driver may define open, read or write for itself, and its definitions
// would win over libc's for our calls, too. Failures come as the NTSTATUS that Windows has for them.
#include <cstdint>
#include <span>

#include "base/array.h"
#include "base/expected.h"
#include "wdk/ntstatus.h"

namespace softndk::ntrt {

/// An open file of the host; closed with its owner.
class HostFile {
 public:
  struct How {
    bool read = false;
    bool write = false;
    bool append = false;  ///< every write goes to the end
    bool create = false;
    bool must_be_new = false;
    bool truncate = false;
    bool directory = false;
  };
  struct Facts {
    std::uint64_t bytes = 0;
    std::uint64_t allocated_bytes = 0;
    std::uint32_t links = 0;
    bool is_directory = false;
  };

  HostFile() = default;
  HostFile(HostFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  HostFile& operator=(HostFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~HostFile();
  static expected<HostFile, NTSTATUS> open(const char* path, How how) noexcept;

  /// How many octets; 0 at the end of the file. Writes may be short as well.
  expected<std::size_t, NTSTATUS> read(std::span<char> to, std::uint64_t offset) noexcept;
  expected<std::size_t, NTSTATUS> write(std::span<const char> from, std::uint64_t offset) noexcept;
  expected<Facts, NTSTATUS> facts() noexcept;
  NTSTATUS resize(std::uint64_t bytes) noexcept;
  NTSTATUS flush() noexcept;
  /// The next entries of a directory, as the kernel lays them out; 0 at the end.
  expected<std::size_t, NTSTATUS> read_entries(std::span<char> to) noexcept;

 private:
  int descriptor_ = -1;
};

NTSTATUS host_remove(const char* path, bool directory) noexcept;
NTSTATUS host_make_directory(const char* path) noexcept;
/// STATUS_OBJECT_NAME_NOT_FOUND if nothing is there.
expected<HostFile::Facts, NTSTATUS> host_facts(const char* path) noexcept;
/// Finds in `folder` the entry whose name is `name` but for letter case (ASCII). False: none.
bool host_find_entry(const char* folder, std::span<const char> name, std::span<char> found) noexcept;

NTSTATUS host_read_whole(const char* path, Array<char>& to) noexcept;
NTSTATUS host_write_whole(const char* path, std::span<const char> bytes) noexcept;

}  // namespace softndk::ntrt
