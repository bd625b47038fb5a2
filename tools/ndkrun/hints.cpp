#include "tools/ndkrun/hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

namespace softndk::tools {
namespace {
namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Without colours, and with plain quotes in the place of the typographic ones.
std::string plain(const std::string& text) {
  static const std::regex colours("\x1b\\[[0-9;]*[mK]");
  static const std::regex quotes("\xe2\x80[\x98\x99]|`");
  return std::regex_replace(std::regex_replace(text, colours, ""), quotes, "'");
}

struct Pattern {
  MissingName::Kind kind;
  std::regex text;
};

const auto& patterns() {
  using Kind = MissingName::Kind;
  static const std::array<Pattern, 14> all = {{
      // gcc
      {Kind::header, std::regex("fatal error: ([^:\\s]+): No such file or directory")},
      {Kind::identifier, std::regex("implicit declaration of function '(\\w+)'")},
      {Kind::identifier, std::regex("'(\\w+)' undeclared")},
      {Kind::identifier, std::regex("unknown type name '(\\w+)'")},
      {Kind::identifier, std::regex("'(\\w+)' was not declared in this scope")},
      {Kind::identifier, std::regex("'(\\w+)' does not name a type")},
      {Kind::identifier, std::regex("'(\\w+)' has not been declared")},
      {Kind::member, std::regex("has no member named '(\\w+)'")},
      // clang
      {Kind::header, std::regex("fatal error: '([^']+)' file not found")},
      {Kind::identifier, std::regex("use of undeclared identifier '(\\w+)'")},
      {Kind::identifier, std::regex("call to undeclared (?:library )?function '(\\w+)'")},
      {Kind::member, std::regex("no member named '(\\w+)'")},
      // ld, lld
      {Kind::symbol, std::regex("undefined reference to '(\\w+)")},
      {Kind::symbol, std::regex("undefined symbol: (\\w+)")},
  }};
  return all;
}

/// Whether Windows' naming says that this is the kernel's.
bool looks_like_kernel(const std::string& name) {
  static const std::regex prefix(
      "(Io|Ke|Ex|Mm|Ob|Ps|Rtl|Zw|Nt|Wsk|Ndis|Ndk|Flt|Fwp|Fwps|Wdf|Se|Cm|Hal|Po|Etw|Wpp|Kd|Fs|Cc|Tdi|Stor|ScsiPort|"
      "Interlocked|P?NDIS_|P?NDK_|P?WSK_|P?IO_|STATUS_|IRP_|IOCTL_|FILE_|METHOD_|P?DEVICE_|P?DRIVER_|P?OBJECT_|OBJ_|"
      "KEY_|REG_|POOL_|P?MDL_?|P?MIB_|P?KEVENT|P?K[A-Z]+$)[A-Z_a-z0-9]*");
  return std::regex_match(name, prefix);
}

}  // namespace

std::vector<MissingName> missing_names(const std::string& diagnostics) {
  std::vector<MissingName> names;
  std::istringstream lines(plain(diagnostics));
  for (std::string line; std::getline(lines, line);) {
    for (const Pattern& pattern : patterns()) {
      std::smatch match;
      if (!std::regex_search(line, match, pattern.text)) continue;
      const MissingName missing{pattern.kind, match[1]};
      if (std::find(names.begin(), names.end(), missing) == names.end()) names.push_back(missing);
      break;
    }
  }
  return names;
}

Surface::Surface(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    std::istringstream fields(line);
    std::string name;
    Entry entry;
    std::getline(fields, name, '\t');
    std::getline(fields, entry.tier, '\t');
    std::getline(fields, entry.header, '\t');
    std::string what, provided;
    std::getline(fields, what, '\t');
    std::getline(fields, provided, '\t');
    entry.provided = provided == "yes";
    entries_.emplace(name, entry);
  }
}

const Surface::Entry* Surface::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

Hints::Hints(const Package& package)
    : surface_(package.surface_table.empty() ? std::string() : read_text(package.surface_table)) {
  std::error_code error;
  for (const fs::path& directory : package.include_directories) {
    for (auto at = fs::recursive_directory_iterator(directory, error); at != fs::recursive_directory_iterator();
         at.increment(error))
      if (at->path().extension() == ".h")
        headers_.emplace(at->path().lexically_relative(directory), read_text(at->path()));
  }
}

std::string Hints::header_of(const std::string& name) const {
  // Where it is defined or declared, else where it is used most (where a macro declares it).
  const std::regex word("\\b" + name + "\\b");
  const std::regex defined("#define " + name + "\\b|\\} *" + name + "\\b|(NTAPI|WSKAPI|FORCEINLINE)[^;{}()]*\\b" +
                           name + "\\(|\n +" + name + "( =[^,]*)?,?\n");
  std::string inner;
  std::size_t most = 0;
  constexpr std::size_t kDefinition = 1000;
  for (const auto& [file, text] : headers_) {
    if (text.find(name) == std::string::npos) continue;
    auto score = static_cast<std::size_t>(std::distance(std::sregex_iterator(text.begin(), text.end(), word), {}));
    if (score != 0 && std::regex_search(text, defined)) score += kDefinition;
    if (score <= most) continue;
    most = score;
    inner = file;
  }
  // detail/ is what wdm.h is made of; consumers do not include it.
  return inner.starts_with("detail/") ? "wdm.h" : inner;
}

std::optional<std::string> Hints::about(const MissingName& missing) const {
  const std::string& name = missing.name;
  if (missing.kind == MissingName::Kind::header) {
    std::string lowered = name;
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lowered == "windows.h" || lowered == "winsock2.h")
      return fmt::format("<{}> is user mode: is this file part of the driver? (--exclude PART_OF_PATH)", name);
    return fmt::format("<{}> is neither under the directory nor one of the headers that SoftNDK provides", name);
  }
  const Surface::Entry* entry = surface_.find(name);
  if (entry != nullptr && !entry->provided)
    return fmt::format("{} is a tier {} name of the Windows kernel, of <{}>; SoftNDK does not provide it", name,
                       entry->tier, entry->header);
  const std::string header = entry != nullptr ? entry->header : header_of(name);
  if (!header.empty() && missing.kind == MissingName::Kind::identifier)
    return fmt::format("{} is in <{}>: nothing that is included here leads to it", name, header);
  if (!header.empty() && missing.kind == MissingName::Kind::symbol)
    return fmt::format("{} is declared in <{}>, but the library does not have it", name, header);
  if (missing.kind != MissingName::Kind::member && looks_like_kernel(name))
    return fmt::format("{} looks like a name of the Windows kernel; SoftNDK does not provide it (no tier)", name);
  return std::nullopt;
}

}  // namespace softndk::tools
