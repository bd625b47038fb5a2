#include "iwarp/crc32c.h"

#include <algorithm>
#include <array>

#if defined(SOFTNDK_HAVE_ISAL)
#include <isa-l.h>
#endif
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace softndk::iwarp {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

// table[n][b]: the effect of octet b followed by n zero octets, so that eight octets are folded at once.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t crc = octet;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? kReflectedPolynomial : 0);
    tables[0][octet] = crc;
  }
  for (std::size_t n = 1; n < tables.size(); ++n) {
    for (std::uint32_t octet = 0; octet < 256; ++octet) {
      const std::uint32_t before = tables[n - 1][octet];
      tables[n][octet] = before >> 8 ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t extend_with_instruction(std::uint32_t state, const std::uint8_t* octets,
                                                                        std::size_t count) noexcept {
  std::uint64_t wide = state;
  for (; count >= 8; count -= 8, octets += 8) {
    std::uint64_t word;
    std::memcpy(&word, octets, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  state = static_cast<std::uint32_t>(wide);
  for (; count != 0; --count)
    state = _mm_crc32_u8(state, *octets++);
  return state;
}
#endif

#if defined(SOFTNDK_HAVE_ISAL)
std::uint32_t extend_with_isal(std::uint32_t state, const std::uint8_t* octets, std::size_t count) noexcept {
  // ISA-L takes and gives the raw register, and counts in int.
  constexpr std::size_t kPieceMax = std::size_t{1} << 30;
  while (count != 0) {
    const std::size_t piece = std::min(count, kPieceMax);
    state = crc32_iscsi(const_cast<std::uint8_t*>(octets), static_cast<int>(piece), state);
    octets += piece;
    count -= piece;
  }
  return state;
}
#endif

// Up to here the instruction alone takes fewer instructions than ISA-L's folding has to begin with.
constexpr std::size_t kShortMax = 192;
struct Kernels {
  crc32c_kernel::Extend few;
  crc32c_kernel::Extend many;
};
Kernels best_kernels() noexcept {
  auto few = crc32c_kernel::extend_sse42();
  auto many = crc32c_kernel::extend_isal();
  if (few == nullptr) few = many != nullptr ? many : &crc32c_kernel::extend_table;
  if (many == nullptr) many = few;
  return {few, many};
}

}  // namespace

namespace crc32c_kernel {

std::uint32_t extend_table(std::uint32_t state, const std::uint8_t* octets, std::size_t count) noexcept {
  for (; count >= 8; count -= 8, octets += 8) {
    std::uint64_t word;
    std::memcpy(&word, octets, sizeof word);
    word ^= state;
    state = 0;
    for (std::size_t i = 0; i < 8; ++i)
      state ^= kTables[7 - i][word >> (8 * i) & 0xFF];
  }
  for (; count != 0; --count)
    state = state >> 8 ^ kTables[0][(state ^ *octets++) & 0xFF];
  return state;
}

Extend extend_sse42() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return &extend_with_instruction;
#endif
  return nullptr;
}

Extend extend_isal() noexcept {
#if defined(SOFTNDK_HAVE_ISAL)
  return &extend_with_isal;
#else
  return nullptr;
#endif
}

}  // namespace crc32c_kernel

void Crc32c::update(Bytes octets) noexcept {
  static const Kernels kernels = best_kernels();
  if (octets.empty()) return;
  state_ = (octets.size() <= kShortMax ? kernels.few : kernels.many)(state_, octets.data(), octets.size());
}

std::uint32_t crc32c(Bytes octets) noexcept {
  Crc32c crc;
  crc.update(octets);
  return crc.value();
}

}  // namespace softndk::iwarp
