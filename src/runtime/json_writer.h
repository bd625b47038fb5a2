#pragma once
// JSON without an allocation that could throw: the few shapes that a document of ours has.
#include <cstdint>
#include <string_view>

#include "base/array.h"

namespace softndk::runtime {

/// Commas come by themselves. Once memory is short everything else is dropped, and take() returns nothing.
class JsonWriter {
 public:
  void begin_object(const char* key = nullptr) noexcept { open(key, '{'); }
  void end_object() noexcept { close('}'); }
  void begin_array(const char* key = nullptr) noexcept { open(key, '['); }
  void end_array() noexcept { close(']'); }

  void text(const char* key, std::string_view value) noexcept;
  void number(const char* key, std::uint64_t value) noexcept;
  void truth(const char* key, bool value) noexcept;

  std::size_t size_bytes() const noexcept { return octets_.size(); }
  /// The document so far; empty when memory was short.
  Array<char> take() noexcept;

 private:
  void open(const char* key, char bracket) noexcept;
  void close(char bracket) noexcept;
  void begin_value(const char* key) noexcept;
  void quote(std::string_view value) noexcept;
  void put(std::string_view raw) noexcept { whole_ = whole_ && octets_.append(raw); }

  Array<char> octets_;
  bool follows_ = false;  ///< a value came before on this level
  bool whole_ = true;
};

}  // namespace softndk::runtime
