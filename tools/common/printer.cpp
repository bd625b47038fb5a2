#include "tools/common/printer.h"

namespace softndk::tools {
namespace {

void put(std::FILE* file, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fputc('\n', file);
  std::fflush(file);
}

}  // namespace

Printer::~Printer() {
  if (log_ != nullptr) std::fclose(log_);
}

bool Printer::open_log(const std::string& path, bool append) {
  log_ = std::fopen(path.c_str(), append ? "a" : "w");
  return log_ != nullptr;
}

void Printer::line(std::string_view text) {
  put(format_ == Format::text ? stdout : stderr, text);
  if (log_ != nullptr) put(log_, text);
}

void Printer::csv(std::string_view row) {
  if (format_ == Format::csv) put(stdout, row);
}

void Printer::json(const nlohmann::ordered_json& document) {
  // Text of a peer may hold anything; what is not UTF-8 is replaced rather than thrown about.
  if (format_ == Format::json)
    put(stdout, document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace softndk::tools
