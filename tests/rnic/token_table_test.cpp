#include "rnic/tpt/token_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "base/interleave.h"
#include "rnic/tpt/fast_region.h"
#include "rnic/tpt/mapping.h"
#include "rnic/tpt/region.h"

namespace softndk::rnic {
namespace {

class CountingRng final : public io::Rng {
 public:
  explicit CountingRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() noexcept override {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 11;
  }

 private:
  std::uint64_t state_;
};

struct NoSink final : rdma::FastRegionSink {
  void on_region_work_done() noexcept override {}
  void on_region_closed() noexcept override { ++closed; }
  std::atomic<int> closed{0};
};

struct Waiter final : RevokeWaiter {
  void on_revoked() noexcept override { told = true; }
  void wait() {
    while (!told.exchange(false))
      std::this_thread::yield();
  }
  std::atomic<bool> told{false};
};

alignas(4096) std::uint8_t memory[16 * 4096];

Mapping* map(TokenTable& table, std::uint32_t first_octet, std::uint64_t bytes) {
  const rdma::MemoryExtent all{memory, sizeof memory};
  return Mapping::create(table, {&all, 1}, first_octet, bytes);
}

/// Null: refused, for whatever reason.
Revocable* for_peer(TokenTable& table, Token token, const TokenDomain& domain) {
  const auto held = table.hold_for_peer(token, domain);
  return held ? *held : nullptr;
}

TEST(R_MR_15, TokensAreSparseAndNeverSmall) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CountingRng rng(seed);
    TokenTable table(rng);
    std::set<Token> seen;
    for (int i = 0; i < 5000; ++i) {
      const Token token = table.token_of(*table.acquire_slot());
      EXPECT_GE(token, 1u << 24);
      EXPECT_TRUE(seen.insert(token).second);
    }
  }
}

TEST(R_LAM_12, ALogicalAddressIsAliveWithItsMappingOnly) {
  CountingRng rng(3);
  TokenTable table(rng);
  const TokenDomain domain{table.token_of(*table.acquire_slot())};
  const TokenDomain other{table.token_of(*table.acquire_slot())};
  Mapping* mapping = map(table, 100, 5000);
  ASSERT_NE(mapping, nullptr);
  const std::uint64_t at = mapping->address();
  const auto reach = [&](std::uint64_t address, std::uint64_t bytes) {
    const auto pin = table.pin(domain.privileged_token, domain, address, bytes, Access::local_write);
    return pin ? 0 : static_cast<int>(pin.error()) + 1;
  };
  constexpr int kInvalid = static_cast<int>(AccessError::invalid_token) + 1;
  constexpr int kOutside = static_cast<int>(AccessError::out_of_bounds) + 1;
  EXPECT_EQ(reach(at + 100, 5000), 0);
  EXPECT_EQ(reach(at + 99, 1), kOutside);
  EXPECT_EQ(reach(at + 100, 5001), kOutside);
  EXPECT_EQ(reach(at + 5100, 0), 0);
  EXPECT_EQ(reach(at + 5101, 0), kOutside);
  EXPECT_EQ(reach(at + 100 + (std::uint64_t{1} << 32), 1), kInvalid) << "the next key";
  // For nobody else, and not by itself.
  EXPECT_FALSE(table.pin(other.privileged_token, domain, at + 100, 1, Access::local_read));
  EXPECT_FALSE(table.pin(domain.privileged_token, domain, at + 100, 1, Access::remote_read));
  EXPECT_FALSE(table.pin(domain.privileged_token, domain, at + 100, 1, Access::remote_write));
  EXPECT_FALSE(table.pin(static_cast<Token>(at >> 32), domain, at + 100, 1, Access::local_read));
  EXPECT_TRUE(mapping->release());
  EXPECT_EQ(reach(at + 100, 1), kInvalid);
}

TEST(R_LAM_13, AMappingThatIsReleasedInUseLivesOnUntilTheAccessEnds) {
  CountingRng rng(4);
  TokenTable table(rng);
  const TokenDomain domain{table.token_of(*table.acquire_slot())};
  const std::int64_t before = allocations_alive();
  Mapping* mapping = map(table, 0, 8192);
  const std::uint64_t at = mapping->address();
  auto pin = table.pin(domain.privileged_token, domain, at, 100, Access::local_read);
  ASSERT_TRUE(pin);
  EXPECT_FALSE(mapping->release());
  EXPECT_FALSE(table.pin(domain.privileged_token, domain, at, 100, Access::local_read));
  IoSpan spans[2];
  std::size_t bytes = 100;
  ASSERT_EQ(map_region(*pin->slot(), at + 50, bytes, spans), 1u);
  EXPECT_EQ(spans[0].data, memory + 50);
  EXPECT_GT(allocations_alive(), before);
  pin->release();
  EXPECT_EQ(allocations_alive(), before);
}

TEST(R_LAM_01, AMappingHoldsFourGibibytes) {
  CountingRng rng(5);
  TokenTable table(rng);
  EXPECT_EQ(map(table, 1, std::uint64_t{1} << 32), nullptr);
  Mapping* most = map(table, 1, (std::uint64_t{1} << 32) - 1);
  ASSERT_NE(most, nullptr);
  EXPECT_TRUE(most->release());
}

// What a peer may end (R-SINV-03), found by its token.
TEST(R_SINV_03, OnlyWhatIsLiveAndThePeersCanBeHeldForIt) {
  CountingRng rng(6);
  TokenTable table(rng);
  const TokenDomain domain{table.token_of(*table.acquire_slot())};
  const TokenDomain other{table.token_of(*table.acquire_slot())};
  NoSink sink;
  auto region = FastRegion::create(table, domain, sink);
  ASSERT_TRUE(region->initialize(16));
  Mapping* mapping = map(table, 0, sizeof memory);
  std::uint64_t page = mapping->address();
  rdma::FastRegionWork work{.region = region.get(), .pages = {&page, 1}, .address = 0x1000, .length_bytes = 64};
  EXPECT_EQ(for_peer(table, region->token(), domain), nullptr) << "invalid";
  EXPECT_EQ(table.hold_fast_region(region->token(), domain), nullptr);
  Waiter waiter;
  for (const bool remote : {false, true}) {
    work.rights.remote_read = remote;
    PageList* list = *region->take_list(work);
    EXPECT_EQ(region->validate(list, other), rdma::WorkStatus::wrong_state);
    EXPECT_EQ(region->validate(list, domain), rdma::WorkStatus::success);
    EXPECT_EQ(list, nullptr);
    EXPECT_EQ(for_peer(table, region->token(), other), nullptr);
    EXPECT_EQ(for_peer(table, region->token() ^ 1, domain), nullptr);
    Revocable* held = for_peer(table, region->token(), domain);
    EXPECT_EQ(held != nullptr, remote);
    if (held == nullptr) held = table.hold_fast_region(region->token(), domain);
    ASSERT_NE(held, nullptr);
    EXPECT_EQ(held->revoke(other, waiter), Revocable::Revoke::wrong_state);
    EXPECT_EQ(held->revoke(domain, waiter), Revocable::Revoke::done);
    EXPECT_EQ(held->revoke(domain, waiter), Revocable::Revoke::wrong_state);
    held->drop();
  }
  // A holder keeps it through its close.
  PageList* list = *region->take_list(work);
  EXPECT_EQ(region->validate(list, domain), rdma::WorkStatus::success);
  Revocable* held = for_peer(table, region->token(), domain);
  region->close();
  EXPECT_EQ(sink.closed, 0);
  EXPECT_EQ(held->revoke(domain, waiter), Revocable::Revoke::wrong_state) << "the close was first";
  held->drop();
  EXPECT_EQ(sink.closed, 1);
  EXPECT_TRUE(mapping->release());
}

/// Initializes a region again at the n-th point at which another thread may come between.
struct Initializer {
  FastRegion& region;
  std::uint32_t pages;
  int left;
  bool done = false;
  static void hook(void* context, bool) noexcept {
    auto* self = static_cast<Initializer*>(context);
    if (self->left-- == 1) self->done = self->region.initialize(self->pages).has_value();
  }
};

TEST(R_FRMR_03, NoListFromBeforeAnotherInitializationIsTooShortForWhatIsPostedThen) {
  bool came_between = false;
  for (int nth = 1; nth <= 6; ++nth) {
    SCOPED_TRACE(nth);
    CountingRng rng(8);
    TokenTable table(rng);
    const TokenDomain domain{table.token_of(*table.acquire_slot())};
    NoSink sink;
    auto region = FastRegion::create(table, domain, sink);
    ASSERT_TRUE(region->initialize(1));
    Mapping* mapping = map(table, 0, sizeof memory);
    std::uint64_t pages[8];
    for (std::size_t i = 0; i < 8; ++i)
      pages[i] = mapping->address() + (15 - 2 * i) * 4096;
    rdma::FastRegionWork work{.region = region.get(), .pages = {pages, 1}, .address = 0x1000, .length_bytes = 64};
    PageList* flushed = *region->take_list(work);
    Initializer initializer{*region, 8, nth};
    set_interleave_hook(&Initializer::hook, &initializer);
    region->give_back(flushed);
    set_interleave_hook(nullptr, nullptr);
    came_between |= initializer.done;
    if (!initializer.done) {
      ASSERT_TRUE(region->initialize(8));
    }
    work.pages = {pages, 8};
    const auto list = region->take_list(work);
    EXPECT_TRUE(list) << static_cast<int>(list.error());
    if (list) region->give_back(*list);
    region->close();
    EXPECT_TRUE(mapping->release());
  }
  EXPECT_TRUE(came_between);
}

TEST(R_INV_04, ARegionIsIdleOnlyWhenNobodyIsInside) {
  CountingRng rng(7);
  TokenTable table(rng);
  const TokenDomain domain{table.token_of(*table.acquire_slot())};
  NoSink sink;
  auto region = FastRegion::create(table, domain, sink);
  ASSERT_TRUE(region->initialize(16));
  Mapping* mapping = map(table, 0, sizeof memory);
  std::uint64_t pages[16];
  for (std::size_t i = 0; i < 16; ++i)
    pages[i] = mapping->address() + (15 - i) * 4096;
  const rdma::FastRegionWork work{.region = region.get(),
                                  .pages = {pages, 16},
                                  .address = 0x1000,
                                  .length_bytes = sizeof memory,
                                  .rights = {.local_write = true, .remote_read = true, .remote_write = true}};
  std::atomic<bool> is_ours{true}, stop{false};
  std::atomic<std::uint64_t> inside{0}, ended_by_peer{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        auto pin = table.pin(region->token(), domain, 0x1000 + 4000, 9000, Access::remote_write);
        if (!pin) continue;
        EXPECT_FALSE(is_ours.load());
        IoSpan spans[8];
        std::size_t bytes = 9000;
        EXPECT_EQ(map_region(*pin->slot(), 0x1000 + 4000, bytes, spans), 4u);
        EXPECT_EQ(spans[1].data, memory + 14 * 4096);
        EXPECT_FALSE(is_ours.load());
        ++inside;
      }
    });
  }
  threads.emplace_back([&] {
    Waiter waiter;
    while (!stop) {
      Revocable* held = for_peer(table, region->token(), domain);
      if (held == nullptr) continue;
      const auto revoke = held->revoke(domain, waiter);
      if (revoke == Revocable::Revoke::waits) waiter.wait();
      if (revoke != Revocable::Revoke::wrong_state) ++ended_by_peer;
      held->drop();
    }
  });
  threads.emplace_back([&] {
    while (!stop) {
      Mapping* passing = map(table, 0, 4096);
      static_cast<void>(table.pin(domain.privileged_token, domain, passing->address(), 8, Access::local_read));
      passing->release();
    }
  });
  Waiter waiter;
  for (int cycle = 0; cycle < 20'000 || inside == 0 || ended_by_peer == 0; ++cycle) {
    auto list = region->take_list(work);
    ASSERT_TRUE(list);
    is_ours = false;
    // The peer may have ended it, but not be through: then it is not idle yet.
    while (region->validate(*list, domain) != rdma::WorkStatus::success)
      std::this_thread::yield();
    const auto revoke = region->revoke(domain, waiter);
    if (revoke == Revocable::Revoke::wrong_state) continue;  // the peer ends it: it is not known when
    if (revoke == Revocable::Revoke::waits) waiter.wait();
    is_ours = true;
  }
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  region->close();
  EXPECT_EQ(sink.closed, 1);
  EXPECT_TRUE(mapping->release());
}

}  // namespace
}  // namespace softndk::rnic
