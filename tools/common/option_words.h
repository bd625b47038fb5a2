#pragma once
// The single-dash words of the Windows tools, in the spelling of the option library.
//
// They have to be rewritten before that library sees them: it would read `-ServerAddr` as `-S` with the value
// "erverAddr".
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace softndk::tools {

struct OptionWord {
  std::string_view word;    ///< "-ServerAddr"; scripts write it in any case
  std::string_view option;  ///< "--server-addr"
  bool takes_value;         ///< then the argument after it is copied as it is, whatever it begins with
};

/// Words that both tools know, the one-letter ones included.
std::span<const OptionWord> common_option_words();

/// Rewrites the arguments after the program's name. Anything that is not a word of `words` passes unchanged, except a
/// single dash with several letters: that is nobody's option, and comes back as the error.
tl::expected<std::vector<std::string>, std::string> rewrite_option_words(std::span<const char* const> arguments,
                                                                         std::span<const OptionWord> words);

}  // namespace softndk::tools
