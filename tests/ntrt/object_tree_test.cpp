// The tree of live objects by itself.
#include "ntrt/object_tree.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace softndk::ntrt {
namespace {

struct Thing : TreeNode {
  explicit Thing(const char* kind) : TreeNode(kind, describe) {}
  ~Thing() { remove(); }
  static void describe(const TreeNode& node, NodeText& to) noexcept {
    to.add("%s", static_cast<const Thing&>(node).word);
  }
  const char* word = "there";
};

std::string shape() {
  std::string text;
  TreeWalk walk;
  NodeRecord record;
  while (walk.next(record))
    text += std::string(record.depth, '>') + record.kind + " ";
  return text;
}

struct Lines {
  std::vector<std::string> lines;
  LineSink sink() {
    return {this, [](void* self, const char* line) noexcept { static_cast<Lines*>(self)->lines.emplace_back(line); }};
  }
};

TEST(ObjectTree, IsWalkedParentsFirstAndSiblingsInTheOrderOfCreation) {
  Thing a("a"), b("b"), c("c"), d("d"), e("e");
  a.insert(nullptr, &a, {});
  b.insert(nullptr, &b, {});
  c.insert(&a, &c, {});
  d.insert(&c, &d, {});
  e.insert(&a, &e, {});
  EXPECT_EQ(shape(), "a >c >>d >e b ");
}

TEST(ObjectTree, HoldsNothingThatWasRemoved) {
  Thing a("a"), b("b");
  a.insert(nullptr, &a, {});
  b.insert(&a, &b, {});
  b.remove();
  EXPECT_EQ(shape(), "a ");
  b.remove();  // no effect
  a.remove();
  EXPECT_EQ(shape(), "");
}

TEST(ObjectTree, AWalkGoesOnFromWhereItWasAlthoughThatIsGone) {
  Thing a("a"), c("c"), d("d"), e("e"), b("b");
  a.insert(nullptr, &a, {});
  c.insert(&a, &c, {});
  d.insert(&c, &d, {});
  e.insert(&a, &e, {});
  b.insert(nullptr, &b, {});
  TreeWalk walk;
  NodeRecord record;
  for (const char* expected : {"a", "c", "d"}) {
    ASSERT_TRUE(walk.next(record));
    EXPECT_STREQ(record.kind, expected);
  }
  d.remove();  // the walk stands under it
  c.remove();
  ASSERT_TRUE(walk.next(record));
  EXPECT_STREQ(record.kind, "e");
  e.remove();
  a.remove();
  ASSERT_TRUE(walk.next(record));
  EXPECT_STREQ(record.kind, "b");
  EXPECT_FALSE(walk.next(record));
}

TEST(ObjectTree, TwoWalksDoNotSeeEachOther) {
  Thing a("a"), b("b");
  a.insert(nullptr, &a, {});
  b.insert(&a, &b, {});
  TreeWalk one;
  NodeRecord record;
  ASSERT_TRUE(one.next(record));
  EXPECT_EQ(shape(), "a >b ");
  ASSERT_TRUE(one.next(record));
  EXPECT_STREQ(record.kind, "b");
  EXPECT_EQ(shape(), "a >b ");
  EXPECT_FALSE(one.next(record));
}

TEST(ObjectTree, WhatAProviderClosedInTheWrongOrderStaysInIt) {
  Thing a("a"), b("b"), c("c");
  a.insert(nullptr, &a, {});
  b.insert(&a, &b, {});
  c.insert(&b, &c, {});
  b.remove();
  EXPECT_EQ(shape(), "a >c ");
}

TEST(ObjectTree, NumbersAreNeverUsedAgainAndNameTheParent) {
  Thing a("a"), b("b");
  a.insert(nullptr, &a, {});
  b.insert(&a, &b, {});
  NodeRecord parent, child;
  {
    TreeWalk walk;
    ASSERT_TRUE(walk.next(parent) && walk.next(child));
    EXPECT_EQ(child.parent, parent.id);
    EXPECT_EQ(parent.parent, 0u);
  }
  b.remove();
  b.insert(&a, &b, {});
  TreeWalk walk;
  NodeRecord again;
  ASSERT_TRUE(walk.next(again) && walk.next(again));
  EXPECT_GT(again.id, child.id);
}

TEST(ObjectTree, ShowsWhatTheConsumerHolds) {
  int provider = 0, consumer = 0, announced = 0;
  Thing a("a"), b("b"), c("c");
  a.insert(nullptr, &a, {});
  b.insert(&a, &provider, {});
  set_consumer_object(&provider, &consumer);
  c.insert(&a, &c, {nullptr, &announced});
  TreeWalk walk;
  NodeRecord record;
  ASSERT_TRUE(walk.next(record) && walk.next(record));
  EXPECT_EQ(record.object, &consumer);
  EXPECT_EQ(record.provider_object, &provider);
  ASSERT_TRUE(walk.next(record));
  EXPECT_EQ(record.object, &announced);
}

TEST(ObjectTree, AnOriginIsTakenByOneCallOnly) {
  int caller = 0, other = 0;
  {
    const AnnouncedOrigin announced({&caller, nullptr});
    EXPECT_EQ(take_origin(&other).caller, &caller);
    EXPECT_EQ(take_origin(&other).caller, &other);  // a callback's, inside the call
  }
  { const AnnouncedOrigin announced({&caller, nullptr}); }
  EXPECT_EQ(take_origin(&other).caller, &other);
}

TEST(ObjectTree, AStackIsKeptOnlyIfAskedForAndOnlyOnce) {
  Thing off("off"), on[2] = {Thing("on"), Thing("on")};
  off.insert(nullptr, &off, {});
  set_stack_depth(2);
  void (*volatile insert)(Thing&) = [](Thing& thing) {  // one place that both come from
    thing.insert(nullptr, &thing, {reinterpret_cast<const void*>(&shape), nullptr});
  };
  for (Thing& each : on)
    insert(each);
  set_stack_depth(0);
  TreeWalk walk;
  NodeRecord record, first, second;
  ASSERT_TRUE(walk.next(record) && walk.next(first) && walk.next(second));
  EXPECT_EQ(record.stack, nullptr);
  ASSERT_NE(first.stack, nullptr);
  EXPECT_EQ(first.stack, second.stack);
  EXPECT_EQ(first.stack->count, 2u);
}

TEST(ObjectTree, AReportCountsObjectsButNotRequests) {
  Thing a("adapter"), b("pd"), pending("request");
  a.insert(nullptr, &a, {});
  b.insert(&a, &b, {});
  pending.insert(&b, nullptr, {});
  pending.word = "NdkListen, pending";
  Lines lines;
  EXPECT_EQ(report_objects(lines.sink()), 2u);
  ASSERT_EQ(lines.lines.size(), 3u);
  EXPECT_EQ(lines.lines[0].rfind("adapter 0x", 0), 0u) << lines.lines[0];
  EXPECT_EQ(lines.lines[1].rfind("  pd 0x", 0), 0u) << lines.lines[1];
  EXPECT_EQ(lines.lines[2], "    request: NdkListen, pending");
}

TEST(ObjectTree, AReportMayBeOfOneAdapterOnly) {
  Thing a("adapter"), b("adapter"), under("pd");
  a.insert(nullptr, &a, {});
  b.insert(nullptr, &b, {});
  under.insert(&b, &under, {});
  Lines lines;
  EXPECT_EQ(report_objects(lines.sink(), {.under = &b}), 2u);
  EXPECT_EQ(report_objects(lines.sink(), {.under = &a}), 1u);
}

TEST(ObjectTree, AReportMayBeOfOneModulesObjectsOnly) {
  Thing ours("ours"), others("others"), request("request");
  const auto* in_this_program = reinterpret_cast<const void*>(&shape);
  const auto* in_libc = reinterpret_cast<const void*>(&std::fputs);
  ours.insert(nullptr, &ours, {in_this_program, nullptr});
  others.insert(nullptr, &others, {in_libc, nullptr});
  request.insert(&others, nullptr, {});
  Lines lines;
  EXPECT_EQ(report_objects(lines.sink(), {.created_by = in_this_program}), 1u);
  ASSERT_EQ(lines.lines.size(), 1u);
  EXPECT_EQ(lines.lines[0].rfind("ours", 0), 0u);
}

}  // namespace
}  // namespace softndk::ntrt
