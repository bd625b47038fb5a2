#include "provider/settings.h"

#include <charconv>

#include "base/log.h"

namespace softndk::provider {

CompletionMode Settings::mode(CompletionKind kind) const noexcept {
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
  constexpr std::string_view kPrefix = "mixed(";
  if (!text.starts_with(kPrefix) || !text.ends_with(")")) return false;
  const std::string_view digits = text.substr(kPrefix.size(), text.size() - kPrefix.size() - 1);
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error != std::errc{} || end != digits.data() + digits.size()) return false;
  settings.policy = CompletionMode::mixed;
  settings.seed = seed;
  return true;
}

}  // namespace softndk::provider
