#pragma once
// Numbers in messages.
#include <cstddef>
#include <span>

namespace softndk::tools {

template <class T>
void put_big_endian(std::span<std::byte> out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out[i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
}

template <class T>
T take_big_endian(std::span<const std::byte> in) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value << 8) | std::to_integer<T>(in[i]);
  return value;
}

}  // namespace softndk::tools
