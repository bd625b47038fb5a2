#pragma once
// gcc 12 has std::expected only in C++23 mode; the names are the same, so moving is this one file.
#include <tl/expected.hpp>

namespace softndk {

template <class T, class E>
using expected = tl::expected<T, E>;

template <class E>
constexpr auto unexpected(E&& error) {
  return tl::make_unexpected(std::forward<E>(error));
}

}  // namespace softndk
