#pragma once
// What the compiler and the linker do not know about the names they complain of: whether the Windows kernel has them,
// where, and whether we do.
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/ndkrun/package.h"

namespace softndk::tools {

struct MissingName {
  enum class Kind { identifier, header, symbol, member };
  Kind kind = Kind::identifier;
  std::string name;
  bool operator==(const MissingName&) const = default;
};

/// The names that gcc, clang and ld say they do not know, in order, each once. Colours are ignored.
std::vector<MissingName> missing_names(const std::string& diagnostics);

/// share/softndk/kernel-surface.tsv: the names of the kernel interface by tier.
class Surface {
 public:
  struct Entry {
    std::string tier;
    std::string header;
    bool provided = false;
  };
  /// Tab-separated: name, tier, header, what it is, whether we have it; '#' begins a comment line.
  explicit Surface(const std::string& text);
  const Entry* find(const std::string& name) const;

 private:
  std::map<std::string, Entry> entries_;
};

class Hints {
 public:
  explicit Hints(const Package& package);
  /// One sentence, or none if we know nothing of it either.
  std::optional<std::string> about(const MissingName& missing) const;

 private:
  /// The header a consumer includes for `name`; empty if no header of ours has the word.
  std::string header_of(const std::string& name) const;

  Surface surface_;
  std::map<std::string, std::string> headers_;  // file name to text
};

}  // namespace softndk::tools
