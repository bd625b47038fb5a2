#include "tools/common/option_words.h"

#include <algorithm>
#include <cctype>

namespace softndk::tools {
namespace {

constexpr OptionWord kCommonWords[] = {
    {"-S", "--server", false},
    {"-C", "--client", false},
    {"-ServerAddr", "--server-addr", true},
    {"-ServerIf", "--server-if", true},
    {"-ClientAddr", "--client-addr", true},
    {"-ClientIf", "--client-if", true},
    {"-TestType", "--test-type", true},
    {"-W", "--timeout", true},
    {"-LogFilename", "--log", true},
    {"-A", "--append", false},
    {"-V", "--verbose", false},
    {"-h", "--help", false},
    {"-?", "--help", false},
};

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// "-Foo", but not "-5", "-W60", "-" or "--foo".
bool is_single_dash_word(std::string_view argument) {
  return argument.size() > 2 && argument[0] == '-' && argument[1] != '-' &&
         std::isalpha(static_cast<unsigned char>(argument[1])) &&
         !std::isdigit(static_cast<unsigned char>(argument[2]));
}

/// The long options that take a value, in either spelling of the value.
bool takes_next_argument(std::string_view argument, std::span<const OptionWord> words) {
  return std::any_of(words.begin(), words.end(),
                     [&](const OptionWord& word) { return word.takes_value && word.option == argument; });
}

}  // namespace

std::span<const OptionWord> common_option_words() {
  return kCommonWords;
}

tl::expected<std::vector<std::string>, std::string> rewrite_option_words(std::span<const char* const> arguments,
                                                                         std::span<const OptionWord> words) {
  std::vector<std::string> rewritten;
  bool is_value = false;
  for (const char* const text : arguments) {
    const std::string_view argument = text;
    if (is_value) {
      rewritten.emplace_back(argument);
      is_value = false;
      continue;
    }
    const auto word = std::find_if(words.begin(), words.end(),
                                   [&](const OptionWord& each) { return same_word(each.word, argument); });
    if (word != words.end()) {
      rewritten.emplace_back(word->option);
      is_value = word->takes_value;
      continue;
    }
    // -W60, as some of the Windows tools take it.
    const auto attached = std::find_if(words.begin(), words.end(), [&](const OptionWord& each) {
      return each.takes_value && each.word.size() == 2 && argument.size() > 2 &&
             same_word(each.word, argument.substr(0, 2)) && std::isdigit(static_cast<unsigned char>(argument[2]));
    });
    if (attached != words.end()) {
      rewritten.emplace_back(attached->option);
      rewritten.emplace_back(argument.substr(2));
      continue;
    }
    if (is_single_dash_word(argument)) return tl::unexpected(std::string(argument));
    is_value = takes_next_argument(argument, words);
    rewritten.emplace_back(argument);
  }
  return rewritten;
}

}  // namespace softndk::tools
