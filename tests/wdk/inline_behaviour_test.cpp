#include "inline_behaviour.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "wdk/wdm.h"

// The three functions of the runtime that inline code of the headers calls, as this program's own.
namespace {
std::string last_paged_function;
}

extern "C" {
void SoftNdkAssertFailed(const char* file, int line, const char* text) noexcept {
  std::fprintf(stderr, "assertion %s at %s:%d\n", text, file, line);
  std::_Exit(3);
}
void SoftNdkListCorrupted(const void*, const char* operation) noexcept {
  std::fprintf(stderr, "corrupted list in %s\n", operation);
  std::_Exit(4);
}
void SoftNdkPagedCode(const char* function, const char*, int) noexcept {
  last_paged_function = function;
}
}

namespace {

TEST(Seh, FinallyRunsAfterTheBodyAndAfterLeave) {
  EXPECT_EQ(finally_runs_after_the_body_and_after_leave(), 0);
}
TEST(Seh, ExceptHandlerIsNeverEntered) {
  EXPECT_EQ(except_handler_is_never_entered(), 0);
}
TEST(Seh, LeaveEndsTheInnermostTryOnly) {
  EXPECT_EQ(leave_ends_the_innermost_try_only(), 0);
}
TEST(Seh, BreakInsideTryLeavesTheOuterLoop) {
  EXPECT_EQ(break_inside_try_leaves_the_outer_loop(), 0);
}
TEST(Seh, SeveralBlocksInOneFunctionHaveLabelsOfTheirOwn) {
  EXPECT_EQ(exception_label_does_not_leak_between_functions(), 0);
}

TEST(Lists, KeepTheirOrder) {
  EXPECT_EQ(lists_keep_their_order(), 0);
}
TEST(Lists, HeadsCanBeCopiedByValue) {
  EXPECT_EQ(list_heads_can_be_copied_by_value(), 0);
}
TEST(ListsDeathTest, DisagreeingLinksStopTheProgram) {
  EXPECT_EXIT(remove_from_a_corrupted_list(), testing::ExitedWithCode(4), "corrupted list in RemoveEntryList");
}

TEST(Interlocked, GivesNewOrOldValueAsDocumented) {
  EXPECT_EQ(interlocked_gives_new_or_old_value_as_documented(), 0);
}
TEST(Interlocked, AcceptsEnumsAndTypedPointers) {
  EXPECT_EQ(interlocked_accepts_enums_and_typed_pointers(), 0);
}

TEST(Mdl, PagesAre4096BytesWhateverTheHostsAre) {
  EXPECT_EQ(mdl_macros_count_pages_of_4096_bytes(), 0);
}
TEST(Mdl, InitialisedMdlDescribesItsRange) {
  EXPECT_EQ(initialised_mdl_describes_its_range(), 0);
}

TEST(Assertions, VerifyIsAnExpressionAndEvaluatesOnce) {
  EXPECT_EQ(verify_is_an_expression_and_evaluates_once(), 0);
}
TEST(AssertionsDeathTest, FailedAssertionNamesItsText) {
  EXPECT_EXIT(fail_an_assertion(), testing::ExitedWithCode(3), "assertion expected == 5 at .*inline_behaviour.c:");
}
TEST(Assertions, PagedCodeAsksTheRuntime) {
  EXPECT_EQ(run_paged_code(), 0);
  EXPECT_EQ(last_paged_function, "run_paged_code");
}

TEST(NtStatus, SeverityMacrosTellWarningsFromErrors) {
  EXPECT_EQ(severity_macros_tell_warnings_from_errors(), 0);
}
TEST(Language, MultiCharacterTagsHaveMsvcValues) {
  EXPECT_EQ(multi_character_tags_have_msvc_values(), 0);
}
TEST(Language, WideLiteralsAreUtf16) {
  EXPECT_EQ(wide_literals_are_utf16(), 0);
}
TEST(Language, WskVersionsAreConstants) {
  EXPECT_EQ(wsk_versions_are_constants(), 0);
}
TEST(Language, GuidsCompareByValue) {
  EXPECT_EQ(guids_compare_by_value(), 0);
}
TEST(Language, InitguidMakesItsFileTheOwner) {
  EXPECT_EQ(initguid_makes_this_file_the_owner(), 0);
}
TEST(Language, ProductsOf32BitsHave64) {
  EXPECT_EQ(products_of_32_bits_have_64(), 0);
}

}  // namespace
