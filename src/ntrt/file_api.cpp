// ZwCreateFile and its kin over the host's files. Every request is complete when its call returns.
#include <cstring>

#include "base/log.h"
#include "ntrt/host_file.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/object.h"
#include "ntrt/path_map.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kPathMax = 1024;

struct FileObject {
  HostFile file;
  Mutex mutex;  // of the position, held while a transfer moves it
  std::uint64_t position SOFTNDK_GUARDED_BY(mutex) = 0;
  bool has_position = false;  // opened for synchronous I/O
  bool may_read = false;
  bool may_write = false;
  bool appends = false;  // may only append
  bool delete_on_close = false;
  char path[kPathMax] = {};
};

void destroy_file(void* body) noexcept {
  auto* file = static_cast<FileObject*>(body);
  if (file->delete_on_close) host_remove(file->path, false);
  file->~FileObject();
}
const _OBJECT_TYPE kFileType{"file", destroy_file};

class FileOf {
 public:
  explicit FileOf(HANDLE handle) noexcept {
    void* body = nullptr;
    status_ = kernel().handles().reference(handle, &kFileType, &body);
    if (NT_SUCCESS(status_)) file_ = static_cast<FileObject*>(body);
  }
  ~FileOf() noexcept {
    if (file_ != nullptr) dereference_object(file_);
  }
  FileOf(const FileOf&) = delete;
  FileOf& operator=(const FileOf&) = delete;
  NTSTATUS status() const { return status_; }
  FileObject& operator*() const { return *file_; }
  FileObject* operator->() const { return file_; }

 private:
  NTSTATUS status_;
  FileObject* file_ = nullptr;
};

NTSTATUS host_path_of(const OBJECT_ATTRIBUTES* attributes, char (&to)[kPathMax]) {
  if (attributes == nullptr || attributes->ObjectName == nullptr) return STATUS_INVALID_PARAMETER;
  if (attributes->RootDirectory != nullptr) return STATUS_NOT_SUPPORTED;
  const Text16 name = text_of(*attributes->ObjectName);
  const NTSTATUS status = kernel().path_map().translate(name, to);
  if (status == STATUS_OBJECT_PATH_NOT_FOUND) {
    char text[256];
    std::size_t length = 0;
    for (const WCHAR *at = name.data(), *end = at + name.size(); at != end && length + 5 < sizeof text;) {
      char bytes[4];
      const unsigned count = put_utf8(take_utf16(at, end), bytes);
      std::memcpy(text + length, bytes, count);
      length += count;
    }
    text[length] = '\0';
    log(LogLevel::error, "file %s: no folder stands for it; the setting path_map names one (C:=/some/folder)", text);
  }
  return status;
}

struct Disposition {
  bool create, must_be_new, truncate;
};

bool disposition_of(ULONG value, Disposition& to) {
  switch (value) {
    case FILE_OPEN:
      to = {false, false, false};
      return true;
    case FILE_CREATE:
      to = {true, true, false};
      return true;
    case FILE_OPEN_IF:
      to = {true, false, false};
      return true;
    case FILE_OVERWRITE:
      to = {false, false, true};
      return true;
    case FILE_OVERWRITE_IF:
    case FILE_SUPERSEDE:
      to = {true, false, true};
      return true;
    default:
      return false;
  }
}

NTSTATUS open_directory(FileObject& object, Disposition how, bool exists) {
  if (exists && how.must_be_new) return STATUS_OBJECT_NAME_COLLISION;
  if (!exists && !how.create) return STATUS_OBJECT_NAME_NOT_FOUND;
  if (!exists) {
    if (const NTSTATUS status = host_make_directory(object.path); !NT_SUCCESS(status)) return status;
  }
  auto opened = HostFile::open(object.path, {.read = true, .directory = true});
  if (!opened) return opened.error() == STATUS_OBJECT_PATH_NOT_FOUND ? STATUS_NOT_A_DIRECTORY : opened.error();
  object.file = std::move(*opened);
  return STATUS_SUCCESS;
}

NTSTATUS open_plain(FileObject& object, Disposition how, ACCESS_MASK access, bool exists) {
  constexpr ACCESS_MASK kReads = FILE_READ_DATA | GENERIC_READ | GENERIC_ALL | FILE_EXECUTE;
  constexpr ACCESS_MASK kWrites = FILE_WRITE_DATA | GENERIC_WRITE | GENERIC_ALL;
  object.may_read = (access & kReads) != 0;
  object.appends = (access & FILE_APPEND_DATA) != 0 && (access & kWrites) == 0;
  object.may_write = (access & kWrites) != 0 || object.appends;
  HostFile::How host;
  host.read = object.may_read;
  host.write = object.may_write || how.truncate;
  host.append = object.appends;
  host.create = how.create;
  host.must_be_new = how.must_be_new;
  host.truncate = how.truncate;
  auto opened = HostFile::open(object.path, host);
  if (!opened) {
    // Windows tells a missing file from a missing folder on the way to it.
    const bool folder_missing = opened.error() == STATUS_OBJECT_NAME_NOT_FOUND && how.create && !exists;
    return folder_missing ? STATUS_OBJECT_PATH_NOT_FOUND : opened.error();
  }
  object.file = std::move(*opened);
  return STATUS_SUCCESS;
}

ULONG_PTR what_was_done(ULONG disposition, bool existed) {
  if (!existed) return FILE_CREATED;
  if (disposition == FILE_SUPERSEDE) return FILE_SUPERSEDED;
  return disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF ? FILE_OVERWRITTEN : FILE_OPENED;
}

NTSTATUS open_file(PHANDLE handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES* attributes, ULONG disposition,
                   ULONG options, ULONG_PTR& information) {
  Disposition how = {};
  if (handle == nullptr || !disposition_of(disposition, how)) return STATUS_INVALID_PARAMETER;
  void* body = allocate_object(kFileType, sizeof(FileObject));
  if (body == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  auto& object = *::new (body) FileObject;
  const auto open = [&]() -> NTSTATUS {
    if (const NTSTATUS status = host_path_of(attributes, object.path); !NT_SUCCESS(status)) return status;
    const auto facts = host_facts(object.path);
    const bool is_directory = facts && facts->is_directory;
    object.has_position = (options & (FILE_SYNCHRONOUS_IO_NONALERT | FILE_SYNCHRONOUS_IO_ALERT)) != 0;
    if (is_directory && (options & FILE_NON_DIRECTORY_FILE) != 0) return STATUS_FILE_IS_A_DIRECTORY;
    const bool wants_directory = (options & FILE_DIRECTORY_FILE) != 0 || is_directory;
    const NTSTATUS status = wants_directory ? open_directory(object, how, facts.has_value())
                                            : open_plain(object, how, access, facts.has_value());
    if (!NT_SUCCESS(status)) return status;
    information = what_was_done(disposition, facts.has_value());
    const HANDLE opened = kernel().handles().open(&object);
    if (opened == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
    object.delete_on_close = (options & FILE_DELETE_ON_CLOSE) != 0 && !wants_directory;
    *handle = opened;
    return STATUS_SUCCESS;
  };
  const NTSTATUS status = open();
  dereference_object(&object);  // a handle keeps its own reference
  return status;
}

NTSTATUS finish(PIO_STATUS_BLOCK to, NTSTATUS status, ULONG_PTR information = 0) {
  if (to != nullptr && !NT_ERROR(status)) {
    to->Status = status;
    to->Information = information;
  }
  return status;
}

/// Where a transfer begins, from the caller's ByteOffset. False: it has to name a place and does not.
bool place_of(FileObject& file, const LARGE_INTEGER* offset, bool writes, std::uint64_t& place)
    SOFTNDK_REQUIRES(file.mutex) {
  const bool special = offset != nullptr && offset->HighPart == -1;
  const bool at_end = writes && (file.appends || (special && offset->LowPart == FILE_WRITE_TO_END_OF_FILE));
  if (at_end) {
    const auto facts = file.file.facts();
    place = facts ? facts->bytes : 0;
    return true;
  }
  const bool at_position = offset == nullptr || (special && offset->LowPart == FILE_USE_FILE_POINTER_POSITION);
  if (at_position && !file.has_position) return false;
  if (!at_position && offset->QuadPart < 0) return false;
  place = at_position ? file.position : static_cast<std::uint64_t>(offset->QuadPart);
  return true;
}

NTSTATUS transfer(HANDLE handle, bool writes, const void* event_or_apc, PIO_STATUS_BLOCK status_block, char* buffer,
                  ULONG length, const LARGE_INTEGER* offset) {
  FileOf file(handle);
  if (!NT_SUCCESS(file.status())) return file.status();
  if (event_or_apc != nullptr) return STATUS_NOT_SUPPORTED;
  if (!(writes ? file->may_write : file->may_read)) return STATUS_ACCESS_DENIED;
  std::size_t done = 0;
  MutexLock lock((*file).mutex);
  std::uint64_t place = 0;
  if (!place_of(*file, offset, writes, place)) return STATUS_INVALID_PARAMETER;
  while (done < length) {
    const auto moved = writes ? file->file.write({buffer + done, length - done}, place + done)
                              : file->file.read({buffer + done, length - done}, place + done);
    if (!moved) return moved.error();
    if (*moved == 0) break;
    done += *moved;
  }
  if (!writes && done == 0 && length != 0) return STATUS_END_OF_FILE;
  file->position = place + done;
  return finish(status_block, STATUS_SUCCESS, done);
}

template <class Structure>
NTSTATUS answer(const Structure& from, void* to, ULONG room, PIO_STATUS_BLOCK status_block) {
  if (room < sizeof from) return STATUS_INFO_LENGTH_MISMATCH;
  std::memcpy(to, &from, sizeof from);
  return finish(status_block, STATUS_SUCCESS, sizeof from);
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk;
using namespace softndk::ntrt;

extern "C" {

NTSTATUS ZwCreateFile(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes, PIO_STATUS_BLOCK status_block,
                      PLARGE_INTEGER, ULONG, ULONG, ULONG disposition, ULONG options, PVOID, ULONG) noexcept {
  check_irql(EntryPoint::ZwCreateFile);
  ULONG_PTR information = 0;
  const NTSTATUS status = open_file(handle, access, attributes, disposition, options, information);
  return finish(status_block, status, information);
}

NTSTATUS ZwOpenFile(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes, PIO_STATUS_BLOCK status_block,
                    ULONG, ULONG options) noexcept {
  check_irql(EntryPoint::ZwCreateFile);
  ULONG_PTR information = 0;
  const NTSTATUS status = open_file(handle, access, attributes, FILE_OPEN, options, information);
  return finish(status_block, status, information);
}

NTSTATUS ZwReadFile(HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc, PVOID, PIO_STATUS_BLOCK status_block,
                    PVOID buffer, ULONG length, PLARGE_INTEGER offset, PULONG) noexcept {
  check_irql(EntryPoint::ZwWriteFile);
  const void* later = event != nullptr ? event : reinterpret_cast<const void*>(apc);
  return transfer(handle, false, later, status_block, static_cast<char*>(buffer), length, offset);
}

NTSTATUS ZwWriteFile(HANDLE handle, HANDLE event, PIO_APC_ROUTINE apc, PVOID, PIO_STATUS_BLOCK status_block,
                     PVOID buffer, ULONG length, PLARGE_INTEGER offset, PULONG) noexcept {
  check_irql(EntryPoint::ZwWriteFile);
  const void* later = event != nullptr ? event : reinterpret_cast<const void*>(apc);
  return transfer(handle, true, later, status_block, static_cast<char*>(buffer), length, offset);
}

NTSTATUS ZwQueryInformationFile(HANDLE handle, PIO_STATUS_BLOCK status_block, PVOID to, ULONG room,
                                FILE_INFORMATION_CLASS kind) noexcept {
  check_irql(EntryPoint::ZwCreateFile);
  FileOf file(handle);
  if (!NT_SUCCESS(file.status())) return file.status();
  if (kind == FilePositionInformation) {
    FILE_POSITION_INFORMATION position = {};
    MutexLock lock((*file).mutex);
    position.CurrentByteOffset.QuadPart = static_cast<LONGLONG>(file->position);
    return answer(position, to, room, status_block);
  }
  if (kind != FileStandardInformation) return STATUS_INVALID_INFO_CLASS;
  const auto facts = file->file.facts();
  if (!facts) return facts.error();
  FILE_STANDARD_INFORMATION standard = {};
  standard.AllocationSize.QuadPart = static_cast<LONGLONG>(facts->allocated_bytes);
  standard.EndOfFile.QuadPart = static_cast<LONGLONG>(facts->bytes);
  standard.NumberOfLinks = facts->links;
  standard.DeletePending = file->delete_on_close;
  standard.Directory = facts->is_directory;
  return answer(standard, to, room, status_block);
}

NTSTATUS ZwSetInformationFile(HANDLE handle, PIO_STATUS_BLOCK status_block, PVOID from, ULONG bytes,
                              FILE_INFORMATION_CLASS kind) noexcept {
  check_irql(EntryPoint::ZwCreateFile);
  FileOf file(handle);
  if (!NT_SUCCESS(file.status())) return file.status();
  const bool is_deletion = kind == FileDispositionInformation;
  if (!is_deletion && kind != FilePositionInformation && kind != FileEndOfFileInformation)
    return STATUS_INVALID_INFO_CLASS;
  if (bytes < (is_deletion ? sizeof(FILE_DISPOSITION_INFORMATION) : sizeof(LARGE_INTEGER)))
    return STATUS_INFO_LENGTH_MISMATCH;
  if (is_deletion) {
    file->delete_on_close = static_cast<FILE_DISPOSITION_INFORMATION*>(from)->DeleteFile != FALSE;
    return finish(status_block, STATUS_SUCCESS);
  }
  const LONGLONG place = static_cast<LARGE_INTEGER*>(from)->QuadPart;
  if (place < 0) return STATUS_INVALID_PARAMETER;
  if (kind == FileEndOfFileInformation)
    return finish(status_block, file->file.resize(static_cast<std::uint64_t>(place)));
  MutexLock lock((*file).mutex);
  file->position = static_cast<std::uint64_t>(place);
  return finish(status_block, STATUS_SUCCESS);
}

NTSTATUS ZwDeleteFile(POBJECT_ATTRIBUTES attributes) noexcept {
  check_irql(EntryPoint::ZwCreateFile);
  char path[kPathMax];
  if (const NTSTATUS status = host_path_of(attributes, path); !NT_SUCCESS(status)) return status;
  const auto facts = host_facts(path);
  return facts ? host_remove(path, facts->is_directory) : facts.error();
}

NTSTATUS ZwFlushBuffersFile(HANDLE handle, PIO_STATUS_BLOCK status_block) noexcept {
  check_irql(EntryPoint::ZwWriteFile);
  FileOf file(handle);
  return finish(status_block, NT_SUCCESS(file.status()) ? file->file.flush() : file.status());
}

}  // extern "C"
