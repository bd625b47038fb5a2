#include "runtime/json_writer.h"

#include <charconv>
#include <utility>

namespace softndk::runtime {

void JsonWriter::begin_value(const char* key) noexcept {
  if (follows_) put(",");
  follows_ = true;
  if (key == nullptr) return;
  quote(key);
  put(":");
}

void JsonWriter::open(const char* key, char bracket) noexcept {
  begin_value(key);
  put({&bracket, 1});
  follows_ = false;
}

void JsonWriter::close(char bracket) noexcept {
  put({&bracket, 1});
  follows_ = true;
}

void JsonWriter::text(const char* key, std::string_view value) noexcept {
  begin_value(key);
  quote(value);
}

void JsonWriter::number(const char* key, std::uint64_t value) noexcept {
  begin_value(key);
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  put({digits, static_cast<std::size_t>(end - digits)});
}

void JsonWriter::truth(const char* key, bool value) noexcept {
  begin_value(key);
  put(value ? "true" : "false");
}

/// What is not ASCII becomes '?': names of interfaces and drivers may be any octets, a document must be UTF-8.
void JsonWriter::quote(std::string_view value) noexcept {
  put("\"");
  for (const char& letter : value) {
    const auto octet = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      put("\\");
      put({&letter, 1});
    } else if (octet < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      const char escaped[] = {'\\', 'u', '0', '0', kHex[octet >> 4], kHex[octet & 15]};
      put({escaped, sizeof escaped});
    } else {
      put(octet < 0x7F ? std::string_view(&letter, 1) : "?");
    }
  }
  put("\"");
}

Array<char> JsonWriter::take() noexcept {
  return whole_ ? std::move(octets_) : Array<char>();
}

}  // namespace softndk::runtime
