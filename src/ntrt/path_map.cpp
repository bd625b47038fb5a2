#include "ntrt/path_map.h"

#include <algorithm>
#include <cstring>

#include "ntrt/host_file.h"

namespace softndk::ntrt {
namespace {

constexpr Text16 kDosDevices = u"\\DosDevices\\";
constexpr Text16 kGlobal = u"\\GLOBAL??\\";
constexpr Text16 kShort = u"\\??\\";

/// The names of one directory of the object manager, all as the shortest; `rest` is what stands behind it.
bool is_dos_path(Text16 path, Text16& rest) {
  for (const Text16 prefix : {kShort, kDosDevices, kGlobal}) {
    if (!same_name(path.substr(0, prefix.size()), prefix)) continue;
    rest = path.substr(prefix.size());
    return true;
  }
  return false;
}

struct Parts {
  std::string_view prefix;
  std::string_view folder;
};

/// The next "prefix=folder" of the text; false: that is none.
bool take_entry(std::string_view& text, Parts& parts) {
  const auto end = text.find(';');
  const std::string_view entry = text.substr(0, end);
  text = end == std::string_view::npos ? "" : text.substr(end + 1);
  const auto equals = entry.find('=');
  if (equals == std::string_view::npos) return false;
  parts = {entry.substr(0, equals), entry.substr(equals + 1)};
  while (parts.prefix.ends_with('\\'))
    parts.prefix.remove_suffix(1);
  while (parts.folder.size() > 1 && parts.folder.ends_with('/'))
    parts.folder.remove_suffix(1);
  const bool is_drive = parts.prefix.size() == 2 && parts.prefix[1] == ':';
  return (is_drive || parts.prefix.starts_with('\\')) && parts.folder.starts_with('/');
}

/// Text on its way into a room of fixed size, always terminated.
class Path {
 public:
  explicit Path(std::span<char> room) : room_(room) {}
  bool append(std::string_view text) {
    if (length_ + text.size() >= room_.size()) return false;
    std::memcpy(room_.data() + length_, text.data(), text.size());
    cut(length_ + text.size());
    return true;
  }
  void cut(std::size_t length) {
    length_ = length;
    room_[length] = '\0';
  }
  std::size_t length() const { return length_; }
  const char* text() const { return room_.data(); }

 private:
  std::span<char> room_;
  std::size_t length_ = 0;
};

/// Appends a part of the path, spelt as the folder so far spells it if it has it in other letters.
bool append_part(Path& path, std::string_view part) {
  char found[256];
  const std::size_t before = path.length();
  if (!path.append("/") || !path.append(part)) return false;
  if (host_facts(path.text())) return true;
  path.cut(before);
  const bool other_letters = host_find_entry(path.text(), part, found);
  return path.append("/") && path.append(other_letters ? std::string_view(found) : part);
}

}  // namespace

bool PathMap::is_valid(std::string_view text) noexcept {
  Parts parts;
  while (!text.empty()) {
    if (!take_entry(text, parts)) return false;
  }
  return true;
}

NTSTATUS PathMap::set(std::string_view text) noexcept {
  if (!is_valid(text)) return STATUS_INVALID_PARAMETER;
  Array<Entry> entries;
  Parts parts;
  while (!text.empty() && take_entry(text, parts)) {
    Entry entry;
    bool done = parts.prefix.starts_with('\\') || entry.prefix.append(kShort);
    for (const char *at = parts.prefix.data(), *end = at + parts.prefix.size(); done && at != end;) {
      WCHAR units[2];
      done = entry.prefix.append(std::span(units, put_utf16(take_utf8(at, end), units)));
    }
    done = done && entry.folder.append(parts.folder) && entry.folder.push_back('\0');
    if (!done || !entries.push_back(std::move(entry))) return STATUS_INSUFFICIENT_RESOURCES;
  }
  MutexLock lock(mutex_);
  entries_ = std::move(entries);
  return STATUS_SUCCESS;
}

const PathMap::Entry* PathMap::find(Text16 nt_path) noexcept {
  const Entry* best = nullptr;
  for (const Entry& entry : entries_) {
    const Text16 prefix(entry.prefix.begin(), entry.prefix.size());
    Text16 wanted = prefix, path = nt_path;
    if (is_dos_path(prefix, wanted) && !is_dos_path(nt_path, path)) continue;
    const bool covers = same_name(path.substr(0, wanted.size()), wanted) &&
                        (path.size() == wanted.size() || path[wanted.size()] == u'\\');
    if (covers && (best == nullptr || best->prefix.size() < entry.prefix.size())) best = &entry;
  }
  return best;
}

NTSTATUS PathMap::translate(Text16 nt_path, std::span<char> to) noexcept {
  Path path(to);
  Text16 rest = nt_path;
  {
    MutexLock lock(mutex_);
    const Entry* entry = find(nt_path);
    if (entry == nullptr) return STATUS_OBJECT_PATH_NOT_FOUND;
    Text16 prefix(entry->prefix.begin(), entry->prefix.size());
    if (is_dos_path(prefix, prefix)) is_dos_path(nt_path, rest);
    rest = rest.substr(prefix.size());
    if (!path.append(entry->folder.begin())) return STATUS_OBJECT_NAME_INVALID;
  }
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the backslash
    const Text16 part = rest.substr(0, rest.find(u'\\'));
    rest = rest.substr(part.size());
    if (part.empty() && rest.empty()) break;  // a backslash at the end names the folder
    if (part.empty() || part == u"." || part == u".." || part.find_first_of(Text16(u"/\0", 2)) != Text16::npos)
      return STATUS_OBJECT_NAME_INVALID;
    char name[256];
    std::size_t length = 0;
    for (const WCHAR *at = part.data(), *end = at + part.size(); at != end;) {
      char bytes[4];
      const unsigned count = put_utf8(take_utf16(at, end), bytes);
      if (length + count > sizeof name) return STATUS_OBJECT_NAME_INVALID;
      std::copy_n(bytes, count, name + length);
      length += count;
    }
    if (!append_part(path, {name, length})) return STATUS_OBJECT_NAME_INVALID;
  }
  return STATUS_SUCCESS;
}

}  // namespace softndk::ntrt
