#include "tools/common/option_words.h"

#include <gtest/gtest.h>

namespace softndk::tools {
namespace {

using Words = std::vector<std::string>;

Words rewritten(std::initializer_list<const char*> arguments) {
  const std::vector<const char*> list(arguments);
  auto result = rewrite_option_words(list, common_option_words());
  EXPECT_TRUE(result.has_value()) << result.error();
  return result.value_or(Words{});
}

TEST(OptionWords, ServerLineOfTheWindowsHelpBecomesLongOptions) {
  EXPECT_EQ(rewritten({"-S", "-ServerAddr", "10.10.10.10:55555", "-ServerIf", "3", "-TestType", "rping", "-W", "60"}),
            (Words{"--server", "--server-addr", "10.10.10.10:55555", "--server-if", "3", "--test-type", "rping",
                   "--timeout", "60"}));
}

TEST(OptionWords, ClientLineOfTheWindowsHelpBecomesLongOptions) {
  EXPECT_EQ(rewritten({"-C", "-ServerAddr", "10.10.10.10:55555", "-ClientAddr", "10.10.10.11", "-ClientIf", "4",
                       "-TestType", "rping", "-LogFilename", ".\\NDKPingResults.log", "-V", "-A"}),
            (Words{"--client", "--server-addr", "10.10.10.10:55555", "--client-addr", "10.10.10.11", "--client-if", "4",
                   "--test-type", "rping", "--log", ".\\NDKPingResults.log", "--verbose", "--append"}));
}

TEST(OptionWords, AnyCaseIsTheSameWord) {
  EXPECT_EQ(rewritten({"-s", "-SERVERADDR", "a", "-serverif", "b", "-cLiEnTaDdR", "c"}),
            (Words{"--server", "--server-addr", "a", "--server-if", "b", "--client-addr", "c"}));
}

TEST(OptionWords, GnuSpellingPassesUnchanged) {
  const Words gnu = {"--server", "--server-addr", "[::1]:9000", "--size=64", "--json"};
  EXPECT_EQ(rewritten({"--server", "--server-addr", "[::1]:9000", "--size=64", "--json"}), gnu);
}

TEST(OptionWords, ValueIsCopiedWhateverItLooksLike) {
  EXPECT_EQ(rewritten({"-LogFilename", "-V", "-V"}), (Words{"--log", "-V", "--verbose"}));
  EXPECT_EQ(rewritten({"--log", "-ServerAddr", "-V"}), (Words{"--log", "-ServerAddr", "--verbose"}));
}

TEST(OptionWords, LimitMayBeAttached) {
  EXPECT_EQ(rewritten({"-W60", "-w5"}), (Words{"--timeout", "60", "--timeout", "5"}));
}

TEST(OptionWords, UnknownSingleDashWordIsAnError) {
  const char* const arguments[] = {"-S", "-ServerAdr", "x"};
  const auto result = rewrite_option_words(arguments, common_option_words());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error(), "-ServerAdr");
}

TEST(OptionWords, NumbersAndBareDashPass) {
  EXPECT_EQ(rewritten({"-5", "-", "x"}), (Words{"-5", "-", "x"}));
}

TEST(OptionWords, ToolMayAddWords) {
  constexpr OptionWord kWords[] = {{"-ts", "--size", true}};
  const char* const arguments[] = {"-TS", "4096"};
  EXPECT_EQ(rewrite_option_words(arguments, kWords).value(), (Words{"--size", "4096"}));
}

}  // namespace
}  // namespace softndk::tools
