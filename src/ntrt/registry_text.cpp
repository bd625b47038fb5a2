#include "ntrt/registry_text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "base/log.h"
#include "ntrt/host_file.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

constexpr Text16 kBlank = u" \t\r";

struct Hive {
  Text16 name;
  Text16 path;
};
constexpr Hive kHives[] = {
    {u"HKEY_LOCAL_MACHINE", u"\\Registry\\Machine"},
    {u"HKLM", u"\\Registry\\Machine"},
    {u"HKEY_USERS", u"\\Registry\\User"},
    {u"HKU", u"\\Registry\\User"},
    {u"HKEY_CLASSES_ROOT", u"\\Registry\\Machine\\Software\\Classes"},
    {u"HKCR", u"\\Registry\\Machine\\Software\\Classes"},
};

Text16 trim(Text16 text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == Text16::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool take_prefix(Text16& text, Text16 prefix) {
  if (!same_name(text.substr(0, prefix.size()), prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

int hex_digit(WCHAR unit) {
  if (unit >= u'0' && unit <= u'9') return unit - u'0';
  if (unit >= u'a' && unit <= u'f') return unit - u'a' + 10;
  if (unit >= u'A' && unit <= u'F') return unit - u'A' + 10;
  return -1;
}

/// The whole of `text` is a hexadecimal number of at most `digits_max` digits.
bool parse_hex(Text16 text, std::size_t digits_max, ULONG& to) {
  if (text.empty() || text.size() > digits_max) return false;
  to = 0;
  for (const WCHAR unit : text) {
    const int digit = hex_digit(unit);
    if (digit < 0) return false;
    to = to << 4 | static_cast<ULONG>(digit);
  }
  return true;
}

enum class LineError : std::uint8_t { none, syntax, unknown_hive, no_key, no_memory };

const char* to_string(LineError error) {
  switch (error) {
    case LineError::none:
      return "right";
    case LineError::syntax:
      return "is not understood";
    case LineError::unknown_hive:
      return "begins with no hive that we have (HKEY_LOCAL_MACHINE, HKEY_USERS, HKEY_CLASSES_ROOT, \\Registry\\...)";
    case LineError::no_key:
      return "stands under no key";
    case LineError::no_memory:
      return "finds no memory";
  }
  return "?";
}

/// Reads line after line; a key stays the current one until the next.
class Reader {
 public:
  explicit Reader(Registry& registry) : registry_(registry) {}

  LineError line(Text16 text) noexcept SOFTNDK_EXCLUDES(registry_.mutex) {
    text = trim(text);
    const bool is_heading = same_name(text, u"REGEDIT4") || same_name(text.substr(0, 23), u"Windows Registry Editor");
    if (text.empty() || text.front() == u';' || is_heading) return LineError::none;
    if (text.front() == u'[') return key_line(text);
    return value_line(text);
  }

 private:
  LineError key_line(Text16 text) SOFTNDK_EXCLUDES(registry_.mutex) {
    current_ = nullptr;
    if (text.back() != u']') return LineError::syntax;
    Text16 name = trim(text.substr(1, text.size() - 2));
    const bool deletes = name.starts_with(u'-');
    if (deletes) name.remove_prefix(1);
    Array<WCHAR> path;
    if (!name.starts_with(u'\\')) {
      const Text16 first = name.substr(0, name.find(u'\\'));
      const auto* hive = std::find_if(std::begin(kHives), std::end(kHives),
                                      [first](const Hive& one) { return same_name(one.name, first); });
      if (hive == std::end(kHives)) return LineError::unknown_hive;
      if (!path.append(hive->path)) return LineError::no_memory;
      name.remove_prefix(first.size());
    }
    if (!path.append(name)) return LineError::no_memory;
    MutexLock lock(registry_.mutex);
    const Text16 whole(path.begin(), path.size());
    if (deletes) return delete_tree(whole);
    const NTSTATUS status = registry_.open(nullptr, whole, Registry::Missing::create_all, current_);
    return status == STATUS_INSUFFICIENT_RESOURCES ? LineError::no_memory
           : NT_SUCCESS(status)                    ? LineError::none
                                                   : LineError::syntax;
  }

  LineError delete_tree(Text16 path) SOFTNDK_REQUIRES(registry_.mutex) {
    RegistryKey* top = nullptr;
    if (!NT_SUCCESS(registry_.open(nullptr, path, Registry::Missing::fail, top))) return LineError::none;
    for (RegistryKey* at = top;;) {
      if (RegistryKey* child = at->keys.front()) {
        at = child;
        continue;
      }
      RegistryKey* parent = at->parent;
      const bool was_top = at == top;
      if (!NT_SUCCESS(registry_.delete_key(*at))) return LineError::syntax;
      if (was_top) return LineError::none;
      at = parent;
    }
  }

  LineError value_line(Text16 text) SOFTNDK_EXCLUDES(registry_.mutex) {
    if (current_ == nullptr) return LineError::no_key;
    Array<WCHAR> name;
    if (text.front() == u'@') {
      text.remove_prefix(1);
    } else if (const LineError error = take_quoted(text, name); error != LineError::none) {
      return error;
    }
    text = trim(text);
    if (!text.starts_with(u'=')) return LineError::syntax;
    text = trim(text.substr(1));
    const Text16 value_name(name.begin(), name.size());
    MutexLock lock(registry_.mutex);
    if (text == u"-") {
      registry_.delete_value(*current_, value_name);
      return LineError::none;
    }
    Array<UCHAR> data;
    ULONG type = REG_NONE;
    if (const LineError error = parse_data(text, type, data); error != LineError::none) return error;
    return NT_SUCCESS(registry_.set_value(*current_, value_name, type, data)) ? LineError::none : LineError::no_memory;
  }

  /// "...", in which \\ is a backslash and \" a quote.
  static LineError take_quoted(Text16& text, Array<WCHAR>& to) {
    if (!text.starts_with(u'"')) return LineError::syntax;
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == u'"') {
        text.remove_prefix(i + 1);
        return LineError::none;
      }
      if (text[i] == u'\\' && i + 1 < text.size() && (text[i + 1] == u'\\' || text[i + 1] == u'"')) ++i;
      if (!to.push_back(text[i])) return LineError::no_memory;
    }
    return LineError::syntax;
  }

  static LineError parse_data(Text16 text, ULONG& type, Array<UCHAR>& data) {
    if (text.starts_with(u'"')) {
      Array<WCHAR> units;
      if (const LineError error = take_quoted(text, units); error != LineError::none) return error;
      if (!is_rest_of_line(text)) return LineError::syntax;
      type = REG_SZ;
      if (!units.push_back(0)) return LineError::no_memory;
      return append_bytes(data, units.begin(), units.size() * sizeof(WCHAR));
    }
    if (take_prefix(text, u"dword:")) {
      ULONG number = 0;
      type = REG_DWORD;
      if (!parse_hex(without_comment(text), 8, number)) return LineError::syntax;
      return append_bytes(data, &number, sizeof number);
    }
    if (!take_prefix(text, u"hex")) return LineError::syntax;
    type = REG_BINARY;
    if (text.starts_with(u'(')) {
      const std::size_t end = text.find(u')');
      if (end == Text16::npos || !parse_hex(text.substr(1, end - 1), 8, type)) return LineError::syntax;
      text.remove_prefix(end + 1);
    }
    return take_prefix(text, u":") ? parse_bytes(without_comment(text), data) : LineError::syntax;
  }

  static LineError parse_bytes(Text16 text, Array<UCHAR>& data) {
    while (!text.empty()) {
      const std::size_t comma = text.find(u',');
      ULONG byte = 0;
      if (!parse_hex(trim(text.substr(0, comma)), 2, byte)) return LineError::syntax;
      if (!data.push_back(static_cast<UCHAR>(byte))) return LineError::no_memory;
      text = comma == Text16::npos ? Text16() : text.substr(comma + 1);
    }
    return LineError::none;
  }

  static Text16 without_comment(Text16 text) { return trim(text.substr(0, text.find(u';'))); }
  static bool is_rest_of_line(Text16 text) { return without_comment(text).empty(); }

  static LineError append_bytes(Array<UCHAR>& to, const void* from, std::size_t bytes) {
    return to.append(std::span(static_cast<const UCHAR*>(from), bytes)) ? LineError::none : LineError::no_memory;
  }

  Registry& registry_;
  RegistryKey* current_ = nullptr;
};

bool to_utf16(std::span<const char> bytes, Array<WCHAR>& to) {
  const auto at_byte = [bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() >= 2 && at_byte(0) == 0xFF && at_byte(1) == 0xFE) {
    for (std::size_t i = 2; i + 1 < bytes.size(); i += 2) {
      if (!to.push_back(static_cast<WCHAR>(at_byte(i) | at_byte(i + 1) << 8))) return false;
    }
    return true;
  }
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  if (bytes.size() >= 3 && std::memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3;
  while (at != end) {
    WCHAR units[2];
    const unsigned count = put_utf16(take_utf8(at, end), units);
    if (!to.append(std::span(units, count))) return false;
  }
  return true;
}

/// A line that ends in a backslash goes on in the next; `joined` holds it then.
bool take_line(Text16& text, Array<WCHAR>& joined, Text16& line, unsigned& lines) {
  joined = Array<WCHAR>();
  for (lines = 0;;) {
    const std::size_t end = text.find(u'\n');
    line = text.substr(0, end);
    text = end == Text16::npos ? Text16() : text.substr(end + 1);
    ++lines;
    const Text16 trimmed = trim(line);
    const bool continues = trimmed.ends_with(u'\\') && !text.empty();
    if (!continues && joined.empty()) return true;
    if (!joined.append(continues ? trimmed.substr(0, trimmed.size() - 1) : trimmed)) return false;
    if (continues) continue;
    line = Text16(joined.begin(), joined.size());
    return true;
  }
}

/// Text on its way into a file, in UTF-8.
class Writer {
 public:
  bool put(Text16 text) {
    for (const WCHAR *at = text.data(), *end = at + text.size(); at != end;) {
      char bytes[4];
      if (!bytes_.append(std::span(bytes, put_utf8(take_utf16(at, end), bytes)))) return false;
    }
    return true;
  }
  bool put(const char* text) { return bytes_.append(std::span(text, std::strlen(text))); }
  bool put_quoted(Text16 text) {
    bool done = put("\"");
    for (const WCHAR& unit : text) {
      if (unit == u'"' || unit == u'\\') done = done && put("\\");
      done = done && put(Text16(&unit, 1));
    }
    return done && put("\"");
  }
  std::span<const char> bytes() const { return bytes_; }

 private:
  Array<char> bytes_;
};

/// The characters of a string value that can stand between quotes; empty optional otherwise.
bool is_plain_string(const RegistryValue& value, Text16& text) {
  const std::size_t units = value.data.size() / sizeof(WCHAR);
  if (value.type != REG_SZ || units == 0 || value.data.size() % sizeof(WCHAR) != 0) return false;
  text = Text16(reinterpret_cast<const WCHAR*>(value.data.begin()), units - 1);
  const Text16 whole(text.data(), units);
  return whole.back() == 0 && text.find_first_of(Text16(u"\0\r\n", 3)) == Text16::npos;
}

bool write_value(Writer& out, const RegistryValue& value) {
  bool done = value.name.empty() ? out.put("@") : out.put_quoted(value.name_text());
  Text16 text;
  char number[32];
  if (is_plain_string(value, text)) return done && out.put("=") && out.put_quoted(text) && out.put("\n");
  if (value.type == REG_DWORD && value.data.size() == sizeof(ULONG)) {
    ULONG dword = 0;
    std::memcpy(&dword, value.data.begin(), sizeof dword);
    std::snprintf(number, sizeof number, "=dword:%08x\n", dword);
    return done && out.put(number);
  }
  std::snprintf(number, sizeof number, value.type == REG_BINARY ? "=hex:" : "=hex(%x):", value.type);
  done = done && out.put(number);
  for (std::size_t i = 0; i < value.data.size(); ++i) {
    std::snprintf(number, sizeof number, i == 0 ? "%02x" : ",%02x", value.data[i]);
    done = done && out.put(number);
  }
  return done && out.put("\n");
}

bool write_path(Writer& out, const RegistryKey& key) {
  constexpr std::size_t kDepthMax = 512;  // as on Windows
  const RegistryKey* path[kDepthMax];
  std::size_t depth = 0;
  for (const RegistryKey* at = &key; at->parent != nullptr && depth < kDepthMax; at = at->parent)
    path[depth++] = at;
  bool done = out.put("\n[");
  const Text16 hive = depth >= 2 ? path[depth - 2]->name_text() : Text16();
  if (same_name(hive, u"Machine") || same_name(hive, u"User")) {
    done = done && out.put(same_name(hive, u"Machine") ? "HKEY_LOCAL_MACHINE" : "HKEY_USERS");
    depth -= 2;
  }
  while (depth > 0)
    done = done && out.put("\\") && out.put(path[--depth]->name_text());
  return done && out.put("]\n");
}

bool write_key(Writer& out, RegistryKey& key) {
  bool done = write_path(out, key);
  for (RegistryValue* value = key.values.front(); value != nullptr; value = key.values.after(*value))
    done = done && write_value(out, *value);
  return done;
}

/// The key after `key`, parents before their children; null after the last.
RegistryKey* next_key(RegistryKey& key) {
  if (RegistryKey* child = key.keys.front()) return child;
  for (RegistryKey* at = &key; at->parent != nullptr; at = at->parent) {
    if (RegistryKey* sibling = at->parent->keys.after(*at)) return sibling;
  }
  return nullptr;
}

}  // namespace

NTSTATUS registry_parse(Registry& registry, std::span<const char> bytes, const char* name) noexcept {
  Array<WCHAR> units;
  if (!to_utf16(bytes, units)) return STATUS_INSUFFICIENT_RESOURCES;
  Text16 rest(units.begin(), units.size());
  Reader reader(registry);
  NTSTATUS status = STATUS_SUCCESS;
  Array<WCHAR> joined;
  for (unsigned number = 1; !rest.empty();) {
    Text16 line;
    unsigned lines = 0;
    if (!take_line(rest, joined, line, lines)) return STATUS_INSUFFICIENT_RESOURCES;
    const LineError error = reader.line(line);
    if (error == LineError::no_memory) return STATUS_INSUFFICIENT_RESOURCES;
    if (error != LineError::none) {
      log(LogLevel::error, "registry: %s:%u: this line %s", name, number, to_string(error));
      status = STATUS_DATA_ERROR;
    }
    number += lines;
  }
  return status;
}

NTSTATUS registry_load(Registry& registry, const char* path) noexcept {
  Array<char> bytes;
  const NTSTATUS status = host_read_whole(path, bytes);
  if (!NT_SUCCESS(status)) {
    log(LogLevel::error, "registry: %s cannot be read (0x%08x)", path, static_cast<unsigned>(status));
    return status;
  }
  return registry_parse(registry, bytes, path);
}

NTSTATUS registry_save(Registry& registry, const char* path) noexcept {
  Writer out;
  bool done = out.put("Windows Registry Editor Version 5.00\n");
  {
    MutexLock lock(registry.mutex);
    for (RegistryKey* key = next_key(registry.root()); key != nullptr; key = next_key(*key)) {
      const bool says_something = !key->values.empty() || key->keys.empty();
      const bool is_hive = key->parent->parent == nullptr || key->parent->parent->parent == nullptr;
      if (says_something && (!is_hive || !key->values.empty())) done = done && write_key(out, *key);
    }
  }
  const NTSTATUS status = done ? host_write_whole(path, out.bytes()) : NTSTATUS{STATUS_INSUFFICIENT_RESOURCES};
  if (!NT_SUCCESS(status))
    log(LogLevel::error, "registry: %s cannot be written (0x%08x)", path, static_cast<unsigned>(status));
  return status;
}

}  // namespace softndk::ntrt
