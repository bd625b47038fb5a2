#include "provider/settings.h"

#include <charconv>

#include "base/log.h"

namespace softndk::provider {
namespace {

/// The decimal number in "NAME(number)".
std::optional<std::uint64_t> parse_seed(std::string_view text, std::string_view name) noexcept {
  if (!text.starts_with(name)) return std::nullopt;
  text.remove_prefix(name.size());
  if (!text.starts_with("(") || !text.ends_with(")")) return std::nullopt;
  const std::string_view digits = text.substr(1, text.size() - 2);
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return seed;
}

}  // namespace

CompletionMode Settings::mode(CompletionKind kind) const noexcept {
  if (kind == CompletionKind::local_request && local_policy) return *local_policy;
  if (policy) return *policy;
  switch (kind) {
    case CompletionKind::create:
      return create;
    case CompletionKind::close:
      return close;
    case CompletionKind::local_request:
      return local_request;
    case CompletionKind::network_request:
      return network_request;
  }
  SOFTNDK_UNREACHABLE();
}

const char* to_string(CompletionMode mode) noexcept {
  switch (mode) {
    case CompletionMode::inlined:
      return "inline";
    case CompletionMode::nested:
      return "nested";
    case CompletionMode::early:
      return "early";
    case CompletionMode::later:
      return "later";
    case CompletionMode::mixed:
      return "mixed";
  }
  SOFTNDK_UNREACHABLE();
}

bool parse_policy(std::string_view text, Settings& settings) noexcept {
  for (CompletionMode mode : {CompletionMode::inlined, CompletionMode::nested, CompletionMode::early,
                              CompletionMode::later, CompletionMode::mixed}) {
    if (text == to_string(mode)) {
      settings.policy = mode;
      return true;
    }
  }
  const std::optional<std::uint64_t> seed = parse_seed(text, "mixed");
  if (!seed) return false;
  settings.policy = CompletionMode::mixed;
  settings.seed = *seed;
  return true;
}

bool parse_version_max(std::string_view text, Settings& settings) noexcept {
  struct Known {
    std::string_view text;
    std::uint16_t minor_max_of_1;
    bool has_major_2;
    std::uint16_t minor_max_of_2;
  };
  constexpr Known kKnown[] = {{"1.1", 1, false, 0}, {"1.2", 2, false, 0}, {"2.0", 2, true, 0}, {"2.1", 2, true, 1}};
  for (const Known& known : kKnown) {
    if (text != known.text) continue;
    settings.minor_max_of_1 = known.minor_max_of_1;
    settings.has_major_2 = known.has_major_2;
    settings.minor_max_of_2 = known.minor_max_of_2;
    return true;
  }
  return false;
}

bool parse_order(std::string_view text, Settings& settings) noexcept {
  if (text == "fifo") {
    settings.order_seed.reset();
    return true;
  }
  const std::optional<std::uint64_t> seed = text == "permuted" ? 1 : parse_seed(text, "permuted");
  if (!seed) return false;
  settings.order_seed = seed;
  return true;
}

}  // namespace softndk::provider
