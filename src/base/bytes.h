#pragma once
// Views of octets, and a reader and a writer of network-order fields. No layer casts a struct over a buffer.
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace softndk {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

/// One piece of a gather or scatter list. The layout is that of POSIX's iovec (asserted where the system call is), so
/// that a list built by the protocol goes to the kernel as it is.
struct ConstIoSpan {
  const std::uint8_t* data;
  std::size_t size;
};
struct IoSpan {
  std::uint8_t* data;
  std::size_t size;
};

inline void store_be16(std::uint8_t* to, std::uint16_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 8);
  to[1] = static_cast<std::uint8_t>(value);
}
inline void store_be32(std::uint8_t* to, std::uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(to, &value, sizeof value);
}
inline void store_be64(std::uint8_t* to, std::uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(to, &value, sizeof value);
}
inline std::uint16_t load_be16(const std::uint8_t* from) {
  return static_cast<std::uint16_t>(from[0] << 8 | from[1]);
}
inline std::uint32_t load_be32(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap32(value);
}
inline std::uint64_t load_be64(const std::uint8_t* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap64(value);
}
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "big-endian hosts need these six functions only");

/// Takes fields off the front of `bytes`. Asking for more than `remaining()` is the caller's bug: check first, so that
/// a decoder's error path is in one visible place.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}
  std::size_t remaining() const { return bytes_.size(); }
  Bytes rest() const { return bytes_; }
  std::uint8_t u8() { return *take(1); }
  std::uint16_t u16() { return load_be16(take(2)); }
  std::uint32_t u32() { return load_be32(take(4)); }
  std::uint64_t u64() { return load_be64(take(8)); }
  Bytes bytes(std::size_t count) { return {take(count), count}; }
  void skip(std::size_t count) { take(count); }

 private:
  const std::uint8_t* take(std::size_t count) {
    assert(count <= bytes_.size());
    const std::uint8_t* at = bytes_.data();
    bytes_ = bytes_.subspan(count);
    return at;
  }
  Bytes bytes_;
};

/// Appends fields to a buffer that has room for them; `written()` is what has been appended so far.
class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes room) : room_(room) {}
  std::size_t size() const { return size_; }
  std::size_t room() const { return room_.size() - size_; }
  Bytes written() const { return room_.first(size_); }
  void u8(std::uint8_t value) { *put(1) = value; }
  void u16(std::uint16_t value) { store_be16(put(2), value); }
  void u32(std::uint32_t value) { store_be32(put(4), value); }
  void u64(std::uint64_t value) { store_be64(put(8), value); }
  void zeros(std::size_t count) {
    if (count != 0) std::memset(put(count), 0, count);
  }
  void bytes(Bytes from) {
    if (!from.empty()) std::memcpy(put(from.size()), from.data(), from.size());
  }

 private:
  std::uint8_t* put(std::size_t count) {
    assert(count <= room());
    std::uint8_t* at = room_.data() + size_;
    size_ += count;
    return at;
  }
  MutableBytes room_;
  std::size_t size_ = 0;
};

}  // namespace softndk
