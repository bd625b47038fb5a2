#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace softndk::iwarp::test {

using Octets = std::vector<std::uint8_t>;

/// "4d50 4120" and the like; blanks are skipped. Anything else is a mistake in the test and aborts it.
Octets from_hex(std::string_view text);
std::string to_hex(Bytes octets);

/// The octets of one known-answer vector of tests/data/iwarp-vectors.txt. An unknown name aborts the test.
const Octets& vector(std::string_view name);
std::vector<std::string> vector_names();

}  // namespace softndk::iwarp::test
