#include "net/rng.h"

#include <cstddef>

#include "base/log.h"
#include "net/sys.h"

namespace softndk::net {
namespace {

// 32 numbers a system call: about 30 ns each. getrandom(2) gives up to 256 octets whole, signals or not.
struct Buffer {
  std::uint64_t numbers[32];
  std::size_t left = 0;
};
thread_local Buffer t_buffer;

}  // namespace

std::uint64_t Rng::next() noexcept {
  Buffer& buffer = t_buffer;
  if (buffer.left == 0) {
    SOFTNDK_CHECK(sys::getrandom(buffer.numbers, sizeof buffer.numbers) == static_cast<long>(sizeof buffer.numbers));
    buffer.left = 32;
  }
  return buffer.numbers[--buffer.left];
}

}  // namespace softndk::net
