#include "tools/ndkping/ping_text.h"

#include <algorithm>
#include <string>

namespace softndk::tools {

void fill_ping_text(std::span<std::byte> out, std::uint64_t number) {
  if (out.empty()) return;
  constexpr std::uint64_t kFirst = 'A';
  constexpr std::uint64_t kLetters = 'z' - 'A' + 1;
  const std::string beginning = "rdma-ping-" + std::to_string(number) + ": ";
  const std::size_t text_bytes = out.size() - 1;
  for (std::size_t i = 0; i < text_bytes; ++i) {
    out[i] = i < beginning.size()
                 ? static_cast<std::byte>(beginning[i])
                 : static_cast<std::byte>(kFirst + (number % kLetters + (i - beginning.size())) % kLetters);
  }
  out[text_bytes] = std::byte{0};
}

std::optional<Mismatch> compare(std::span<const std::byte> wanted, std::span<const std::byte> found) {
  const auto [at, other] = std::mismatch(wanted.begin(), wanted.end(), found.begin(), found.end());
  if (at == wanted.end() && other == found.end()) return std::nullopt;
  const auto offset = static_cast<std::size_t>(at - wanted.begin());
  return Mismatch{offset, at == wanted.end() ? std::byte{0} : *at, other == found.end() ? std::byte{0} : *other};
}

}  // namespace softndk::tools
