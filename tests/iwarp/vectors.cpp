#include "vectors.h"

#include <cctype>
#include <fstream>
#include <map>

#include "base/log.h"

namespace softndk::iwarp::test {
namespace {
std::map<std::string, Octets, std::less<>> load() {
  std::map<std::string, Octets, std::less<>> vectors;
  std::ifstream file(SOFTNDK_TEST_DATA "/iwarp-vectors.txt");
  std::string name;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    if (line[0] != '#') {
      vectors[name] = from_hex(line);
    } else if (const auto bar = line.find(" | "); bar != std::string::npos) {
      name = line.substr(2, bar - 2);
    }
  }
  return vectors;
}
const auto& all() {
  static const auto vectors = load();
  return vectors;
}
}  // namespace

Octets from_hex(std::string_view text) {
  std::string digits;
  for (char c : text)
    if (c != ' ') digits += c;
  SOFTNDK_CHECK(digits.size() % 2 == 0);
  Octets octets;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    SOFTNDK_CHECK(std::isxdigit(static_cast<unsigned char>(digits[i])));
    octets.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  }
  return octets;
}

std::string to_hex(Bytes octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::uint8_t octet : octets) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

const Octets& vector(std::string_view name) {
  const auto found = all().find(name);
  SOFTNDK_CHECK(found != all().end());
  return found->second;
}

std::vector<std::string> vector_names() {
  std::vector<std::string> names;
  for (const auto& [name, octets] : all())
    names.push_back(name);
  return names;
}

}  // namespace softndk::iwarp::test
