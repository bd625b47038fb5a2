#include "ntrt/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/alloc.h"

namespace softndk::ntrt {
namespace {

constexpr int kModeOfNewFiles = 0666;  // less the process's umask
constexpr int kModeOfNewFolders = 0777;

template <class... Arguments>
long call(long number, Arguments... arguments) noexcept {
  const int saved = errno;
  long result = ::syscall(number, arguments...);
  if (result == -1) result = -errno;
  errno = saved;
  return result;
}

NTSTATUS to_ntstatus(long error) {
  switch (-error) {
    case ENOENT:
      return STATUS_OBJECT_NAME_NOT_FOUND;
    case ENOTDIR:
    case ELOOP:
      return STATUS_OBJECT_PATH_NOT_FOUND;
    case EEXIST:
      return STATUS_OBJECT_NAME_COLLISION;
    case EACCES:
    case EPERM:
    case EROFS:
    case ETXTBSY:
      return STATUS_ACCESS_DENIED;
    case EISDIR:
      return STATUS_FILE_IS_A_DIRECTORY;
    case ENOTEMPTY:
      return STATUS_DIRECTORY_NOT_EMPTY;
    case ENAMETOOLONG:
      return STATUS_OBJECT_NAME_INVALID;
    case ENOSPC:
    case EDQUOT:
      return STATUS_DISK_FULL;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return STATUS_INSUFFICIENT_RESOURCES;
    case EINVAL:
      return STATUS_INVALID_PARAMETER;
    case EFAULT:
      return STATUS_ACCESS_VIOLATION;
    case EIO:
      return STATUS_IO_DEVICE_ERROR;
    default:
      return STATUS_UNSUCCESSFUL;
  }
}

template <class Attempt>
expected<std::size_t, NTSTATUS> transfer(Attempt attempt) noexcept {
  for (;;) {
    const long done = attempt();
    if (done >= 0) return static_cast<std::size_t>(done);
    if (done != -EINTR) return unexpected(to_ntstatus(done));
  }
}

NTSTATUS result_of(long done) {
  return done < 0 ? to_ntstatus(done) : NTSTATUS{STATUS_SUCCESS};
}

HostFile::Facts facts_of(const struct stat& found) {
  constexpr std::uint64_t kBlockBytes = 512;
  return {static_cast<std::uint64_t>(found.st_size), static_cast<std::uint64_t>(found.st_blocks) * kBlockBytes,
          static_cast<std::uint32_t>(found.st_nlink), S_ISDIR(found.st_mode)};
}

bool same_letters(std::span<const char> a, const char* b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::strlen(b) == a.size() &&
         std::equal(a.begin(), a.end(), b, [lower](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

expected<HostFile, NTSTATUS> HostFile::open(const char* path, How how) noexcept {
  if (fault_injected("file")) return unexpected(NTSTATUS{STATUS_INSUFFICIENT_RESOURCES});
  int flags = O_CLOEXEC | (how.write ? how.read ? O_RDWR : O_WRONLY : O_RDONLY);
  flags |= (how.append ? O_APPEND : 0) | (how.create ? O_CREAT : 0) | (how.must_be_new ? O_EXCL : 0);
  flags |= (how.truncate ? O_TRUNC : 0) | (how.directory ? O_DIRECTORY : 0);
  for (;;) {
    const long descriptor = call(SYS_openat, AT_FDCWD, path, flags, kModeOfNewFiles);
    if (descriptor == -EINTR) continue;
    if (descriptor < 0) return unexpected(to_ntstatus(descriptor));
    HostFile file;
    file.descriptor_ = static_cast<int>(descriptor);
    return file;
  }
}

HostFile::~HostFile() {
  if (descriptor_ >= 0) call(SYS_close, descriptor_);
}

expected<std::size_t, NTSTATUS> HostFile::read(std::span<char> to, std::uint64_t offset) noexcept {
  return transfer([&] { return call(SYS_pread64, descriptor_, to.data(), to.size(), offset); });
}

expected<std::size_t, NTSTATUS> HostFile::write(std::span<const char> from, std::uint64_t offset) noexcept {
  if (fault_injected("file write")) return unexpected(NTSTATUS{STATUS_DISK_FULL});
  return transfer([&] { return call(SYS_pwrite64, descriptor_, from.data(), from.size(), offset); });
}

expected<HostFile::Facts, NTSTATUS> HostFile::facts() noexcept {
  struct stat found = {};
  const long done = call(SYS_fstat, descriptor_, &found);
  if (done < 0) return unexpected(to_ntstatus(done));
  return facts_of(found);
}

NTSTATUS HostFile::resize(std::uint64_t bytes) noexcept {
  return result_of(call(SYS_ftruncate, descriptor_, bytes));
}

NTSTATUS HostFile::flush() noexcept {
  return result_of(call(SYS_fsync, descriptor_));
}

expected<std::size_t, NTSTATUS> HostFile::read_entries(std::span<char> to) noexcept {
  return transfer([&] { return call(SYS_getdents64, descriptor_, to.data(), to.size()); });
}

NTSTATUS host_remove(const char* path, bool directory) noexcept {
  return result_of(call(SYS_unlinkat, AT_FDCWD, path, directory ? AT_REMOVEDIR : 0));
}

NTSTATUS host_make_directory(const char* path) noexcept {
  return result_of(call(SYS_mkdirat, AT_FDCWD, path, kModeOfNewFolders));
}

expected<HostFile::Facts, NTSTATUS> host_facts(const char* path) noexcept {
  struct stat found = {};
  const long done = call(SYS_newfstatat, AT_FDCWD, path, &found, 0);
  if (done < 0) return unexpected(to_ntstatus(done));
  return facts_of(found);
}

bool host_find_entry(const char* folder, std::span<const char> name, std::span<char> found) noexcept {
  struct Entry {  // the kernel's linux_dirent64
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t bytes;
    std::uint8_t type;
    char name[1];
  };
  auto file = HostFile::open(folder, {.read = true, .directory = true});
  if (!file) return false;
  alignas(Entry) char room[4096];
  for (;;) {
    const auto bytes = file->read_entries(room);
    if (!bytes || *bytes == 0) return false;
    for (std::size_t at = 0; at < *bytes;) {
      const auto* entry = reinterpret_cast<const Entry*>(room + at);
      at += entry->bytes;
      if (!same_letters(name, entry->name) || std::strlen(entry->name) >= found.size()) continue;
      std::memcpy(found.data(), entry->name, std::strlen(entry->name) + 1);
      return true;
    }
  }
}

NTSTATUS host_read_whole(const char* path, Array<char>& to) noexcept {
  auto file = HostFile::open(path, {.read = true});
  if (!file) return file.error();
  char room[4096];
  for (;;) {
    const auto bytes = file->read(room, to.size());
    if (!bytes) return bytes.error();
    if (*bytes == 0) return STATUS_SUCCESS;
    if (!to.append(std::span(room, *bytes))) return STATUS_INSUFFICIENT_RESOURCES;
  }
}

NTSTATUS host_write_whole(const char* path, std::span<const char> bytes) noexcept {
  auto file = HostFile::open(path, {.write = true, .create = true, .truncate = true});
  if (!file) return file.error();
  for (std::size_t at = 0; at < bytes.size();) {
    const auto done = file->write(bytes.subspan(at), at);
    if (!done) return done.error();
    at += *done;
  }
  return STATUS_SUCCESS;
}

}  // namespace softndk::ntrt
