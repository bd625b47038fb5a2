#include <gtest/gtest.h>

#include "provider/consumer.h"
#include "provider/settings.h"

namespace softndk::provider {
namespace {

TEST(Policy, HasOneSpelling) {
  for (CompletionMode mode : kAllModes) {
    Settings settings;
    EXPECT_TRUE(parse_policy(to_string(mode), settings));
    EXPECT_EQ(settings.policy, mode);
    EXPECT_EQ(settings.seed, 1u);
  }
  Settings settings;
  EXPECT_TRUE(parse_policy("mixed(42)", settings));
  EXPECT_EQ(settings.policy, CompletionMode::mixed);
  EXPECT_EQ(settings.seed, 42u);
}

TEST(Policy, WhatIsNoPolicyChangesNothing) {
  for (const char* text : {"", "Inline", "inlined", "mixed()", "mixed(", "mixed(1", "mixed(1x)", "mixed(-1)",
                           "mixed(99999999999999999999)", "nested(1)", "mixed(1) "}) {
    Settings settings;
    settings.seed = 9;
    EXPECT_FALSE(parse_policy(text, settings)) << text;
    EXPECT_FALSE(settings.policy.has_value());
    EXPECT_EQ(settings.seed, 9u);
  }
}

TEST(Policy, OverridesTheFourKindsAndTheirDefaultsAreThose) {
  Settings settings;
  EXPECT_EQ(settings.mode(CompletionKind::create), CompletionMode::inlined);
  EXPECT_EQ(settings.mode(CompletionKind::close), CompletionMode::inlined);
  EXPECT_EQ(settings.mode(CompletionKind::local_request), CompletionMode::inlined);
  EXPECT_EQ(settings.mode(CompletionKind::network_request), CompletionMode::later);
  settings.policy = CompletionMode::nested;
  for (CompletionKind kind :
       {CompletionKind::create, CompletionKind::close, CompletionKind::local_request, CompletionKind::network_request})
    EXPECT_EQ(settings.mode(kind), CompletionMode::nested);
}

TEST(Early, TheCallerGivesUpWaitingForACallbackThatWaitsForTheCaller) {
  // A consumer may hold a spin lock that its completion wants: the call has to return nevertheless.
  simulate(
      [] {
        Rig rig(policy(CompletionMode::early));
        std::atomic<bool> locked{true};
        Seen seen;
        seen.inside = [&](Seen&) { await([&] { return !locked; }); };
        NDK_PD* output = nullptr;
        EXPECT_EQ(rig.ndk()->Dispatch->NdkCreatePd(rig.ndk(), Seen::created, &seen, &output), STATUS_PENDING);
        EXPECT_FALSE(seen.returned);
        locked = false;
        seen.wait();
        close(reinterpret_cast<NDK_PD*>(seen.object.load()));
      },
      5);
}

TEST(Early, ACallInsideAnEarlyCallbackDoesNotWaitForItself) {
  simulate(
      [] {
        Rig rig(policy(CompletionMode::early));
        Seen inner, outer;
        NDK_PD* output = nullptr;
        outer.inside = [&](Seen&) {
          const io::TimeNs before = ntrt::now_ns();
          rig.ndk()->Dispatch->NdkCreatePd(rig.ndk(), Seen::created, &inner, &output);
          EXPECT_LT(ntrt::now_ns() - before, io::kMillisecond);
          EXPECT_EQ(inner.calls, 0);
        };
        rig.ndk()->Dispatch->NdkCreatePd(rig.ndk(), Seen::created, &outer, &output);
        outer.wait();
        inner.wait();
        close(reinterpret_cast<NDK_PD*>(outer.object.load()));
        close(reinterpret_cast<NDK_PD*>(inner.object.load()));
      },
      5);
}

TEST(Early, WithoutAThreadTheCompletionComesLater) {
  simulate(
      [] {
        FakeDevice device;
        MiniportAdapter miniport(device, policy(CompletionMode::early));
        Shortage no_thread(1, true);
        miniport.completions().start();
        set_fault_hook(nullptr, nullptr);
        Adapter* adapter = *Adapter::open(miniport, {2, 1});
        Seen seen;
        NDK_PD* output = nullptr;
        EXPECT_EQ(adapter->Dispatch->NdkCreatePd(adapter, Seen::created, &seen, &output), STATUS_PENDING);
        seen.wait();
        close(reinterpret_cast<NDK_PD*>(seen.object.load()));
        adapter->close_and_wait();
        miniport.completions().stop();
      },
      5);
}

TEST(Early, TheCallOutlivesTheAdapterThatItsCallbackLedToClosing) {
  // Found by thinking, kept by simulation: the close completion wakes another thread, which closes the adapter and
  // stops the miniport while NdkClosePd has not returned yet.
  simulate(
      [] {
        auto rig = std::make_unique<Rig>(policy(CompletionMode::early));
        NDK_PD* pd = rig->pd();
        std::atomic<bool> closed{false};
        auto stop = [&] {
          await([&] { return closed.load(); });
          rig.reset();
        };
        ntrt::SystemThread stopper;
        ASSERT_TRUE(stopper.start(
            "stopper", [](void* it) noexcept { (*static_cast<decltype(stop)*>(it))(); }, &stop));
        Seen seen;
        seen.inside = [&](Seen&) { closed = true; };
        EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, seen), STATUS_PENDING);
        stopper.join();
        seen.wait();
      },
      60);
}

}  // namespace
}  // namespace softndk::provider
