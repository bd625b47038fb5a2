#pragma once
// Names as drivers hand them to Zw and Rtl functions.
#include <string>

#include "wdk/ntddk.h"

namespace softndk::ntrt {

/// A UNICODE_STRING over its own text.
class Name {
 public:
  Name(const char16_t* text) : text_(text) { refresh(); }
  Name(std::u16string text) : text_(std::move(text)) { refresh(); }
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;
  operator PUNICODE_STRING() { return &string_; }

 private:
  void refresh() {
    const auto bytes = static_cast<USHORT>(text_.size() * sizeof(WCHAR));
    string_ = {bytes, bytes, text_.data()};
  }
  std::u16string text_;
  UNICODE_STRING string_ = {};
};

/// The attributes of a name, for the length of an expression.
class Attributes {
 public:
  Attributes(const char16_t* name, HANDLE root = nullptr) : name_(name) {
    InitializeObjectAttributes(&attributes_, name_, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, root, nullptr);
  }
  operator POBJECT_ATTRIBUTES() { return &attributes_; }

 private:
  Name name_;
  OBJECT_ATTRIBUTES attributes_ = {};
};

}  // namespace softndk::ntrt
