#pragma once
#include "stage.h"

namespace softndk::stack {

/// A connected pair with a region on each side.
struct Channel {
  explicit Channel(Stage& stage, const QpShape& shape = {}, std::size_t bytes = 4096)
      : pair(stage, "127.0.0.1", shape),
        established(pair.establish()),
        here(pair.active.pd.get(), bytes),
        there(pair.passive.pd.get(), bytes) {}

  /// Sends with contexts from `first` on, whose receives have these contexts too. Returns when the active side's are
  /// complete, which says nothing about the passive side's.
  void deliver(int count, ULONG flags = 0, UINT_PTR first = 1) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(passive.receive(there.all(), first + i), STATUS_SUCCESS);
      ASSERT_EQ(active.send(here.sge(0, 8), first + i, flags), STATUS_SUCCESS);
      ASSERT_EQ(active.next_status(), STATUS_SUCCESS);
    }
  }
  /// All that was sent before has arrived: a Read's answer comes behind it.
  void settle() {
    ASSERT_EQ(active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    ASSERT_EQ(active.next_status(), STATUS_SUCCESS);
  }
  void arrive(int count, ULONG flags = 0, UINT_PTR first = 1) {
    deliver(count, flags, first);
    settle();
  }

  Pair pair;
  bool established;
  Region here, there;
  Side& active = pair.active;
  Side& passive = pair.passive;
};

/// A moment in which nothing is expected to happen; short, as it passes in every run.
inline constexpr LONGLONG kMoment = -10'000;

}  // namespace softndk::stack
