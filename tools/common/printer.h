#pragma once
// Where a tool's lines go: the screen, a log file when asked for one, and out of the way of JSON and CSV.
#include <cstdio>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace softndk::tools {

enum class Format : std::uint8_t { text, json, csv };

class Printer {
 public:
  explicit Printer(Format format) : format_(format) {}
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;
  ~Printer();

  /// False, with errno, when the file cannot be opened.
  bool open_log(const std::string& path, bool append);

  Format format() const { return format_; }
  /// For people: to stdout, or to stderr while stdout belongs to a machine; to the log as well. Flushed at once.
  void line(std::string_view text);
  /// One row of CSV; nothing in the other formats.
  void csv(std::string_view row);
  /// The one JSON document, on one line, so that a script can also take the last line of the output; nothing in the
  /// other formats.
  void json(const nlohmann::ordered_json& document);

 private:
  const Format format_;
  std::FILE* log_ = nullptr;
};

}  // namespace softndk::tools
