// What a request's own buffers may be: each kind of memory in each place (spec/ndkpi.md R-WR-18 to R-WR-20, R-MR-06,
// R-FRMR-09, R-PTK-01, R-PTK-03), the right ones with their octets, the wrong ones with the access violation that names
// them, and nothing written.
#include <optional>

#include "fast_region.h"
#include "memory_window.h"
#include "stage.h"

namespace softndk::stack {
namespace {

enum class Role { send, write, read, receive };
constexpr Role kRoles[] = {Role::send, Role::write, Role::read, Role::receive};
constexpr bool is_filled(Role role) {
  return role == Role::read || role == Role::receive;
}

enum class Kind {
  // Good for whatever its rights allow.
  region_read_only,
  region_writable,
  region_remote_write,
  region_remote_read,
  fast_read_only,
  fast_writable,
  fast_remote_write,
  fast_remote_read,
  logical,
  // Good for nothing.
  region_gone,
  region_too_long,
  region_logical_address,
  region_elsewhere,
  fast_never,
  fast_invalidated,
  fast_page_address,
  fast_elsewhere,
  logical_gone,
  logical_too_long,
  logical_virtual_address,
  logical_elsewhere,
  window,
  no_token,
  unknown_token,
};
struct Row {
  Kind kind;
  const char* name;
  bool is_source, is_sink;
};
constexpr Row kRows[] = {
    {Kind::region_read_only, "a region with local read", true, false},
    {Kind::region_writable, "a region with local write", true, true},
    {Kind::region_remote_write, "a region with remote write, which includes local write", true, true},
    {Kind::region_remote_read, "a region with remote read only", true, false},
    {Kind::fast_read_only, "a fast region without rights", true, false},
    {Kind::fast_writable, "a fast region with local write", true, true},
    {Kind::fast_remote_write, "a fast region with remote write, which includes local write", true, true},
    {Kind::fast_remote_read, "a fast region with remote read only", true, false},
    {Kind::logical, "logical addresses with the privileged token", true, true},
    {Kind::region_gone, "a region that was deregistered", false, false},
    {Kind::region_too_long, "one octet beyond a region", false, false},
    {Kind::region_logical_address, "a region's token with a logical address", false, false},
    {Kind::region_elsewhere, "a region of another protection domain", false, false},
    {Kind::fast_never, "a fast region that was never registered", false, false},
    {Kind::fast_invalidated, "a fast region that was invalidated", false, false},
    {Kind::fast_page_address, "a fast region by its pages' addresses", false, false},
    {Kind::fast_elsewhere, "a fast region of another protection domain", false, false},
    {Kind::logical_gone, "a mapping that was released", false, false},
    {Kind::logical_too_long, "one octet beyond a mapping", false, false},
    {Kind::logical_virtual_address, "the privileged token with a virtual address", false, false},
    {Kind::logical_elsewhere, "the privileged token of another protection domain", false, false},
    {Kind::window, "a window", false, false},
    {Kind::no_token, "token 0", false, false},
    {Kind::unknown_token, "a token of nobody", false, false},
};

constexpr std::size_t kBytes = PAGE_SIZE + 100;  // not one page, not whole ones
constexpr UINT64 kBase = 0x77'0000'0123;

/// `kBytes` octets of one kind, as an SGE of `side`'s domain.
class Buffer {
 public:
  /// `other` is an end whose domain is another one. Both are connected.
  Buffer(Side& side, Side& other, Kind kind)
      : memory(kBytes), side_(side), holder_(is_elsewhere(kind) ? other : side), kind_(kind) {
    NDK_PD* pd = holder_.pd.get();
    switch (kind) {
      case Kind::region_read_only:
      case Kind::region_writable:
      case Kind::region_remote_write:
      case Kind::region_remote_read:
      case Kind::region_gone:
      case Kind::region_too_long:
      case Kind::region_logical_address:
      case Kind::region_elsewhere:
      case Kind::window:
        make_region(pd);
        break;
      case Kind::fast_read_only:
      case Kind::fast_writable:
      case Kind::fast_remote_write:
      case Kind::fast_remote_read:
      case Kind::fast_never:
      case Kind::fast_invalidated:
      case Kind::fast_page_address:
      case Kind::fast_elsewhere:
        make_fast_region(pd);
        break;
      case Kind::logical:
      case Kind::logical_gone:
      case Kind::logical_too_long:
      case Kind::logical_virtual_address:
      case Kind::logical_elsewhere:
        lam_.emplace(side.adapter, memory);
        sge = logical_sge(privileged_token(pd), lam_->address(), kBytes);
        break;
      case Kind::no_token:
        sge = logical_sge(0, reinterpret_cast<UINT64>(memory.data), kBytes);
        break;
      case Kind::unknown_token:
        sge = logical_sge(0x00ABCD01, reinterpret_cast<UINT64>(memory.data), kBytes);
        break;
    }
    spoil();
  }

  Memory memory;
  NDK_SGE sge{};

 private:
  static bool is_elsewhere(Kind kind) {
    return kind == Kind::region_elsewhere || kind == Kind::fast_elsewhere || kind == Kind::logical_elsewhere;
  }
  void make_region(NDK_PD* pd) {
    ULONG flags = NDK_MR_FLAG_ALLOW_LOCAL_WRITE;
    if (kind_ == Kind::region_read_only) flags = NDK_MR_FLAG_ALLOW_LOCAL_READ;
    if (kind_ == Kind::region_remote_write) flags = NDK_MR_FLAG_ALLOW_REMOTE_WRITE;
    if (kind_ == Kind::region_remote_read) flags = NDK_MR_FLAG_ALLOW_REMOTE_READ;
    region_.emplace();
    EXPECT_EQ(create(*region_, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); }),
              STATUS_SUCCESS);
    EXPECT_EQ(ask([&](auto... rest) {
                return region_->table()->NdkRegisterMr(region_->get(), memory.mdl, kBytes, flags, rest...);
              }),
              STATUS_SUCCESS);
    sge = logical_sge(region_->table()->NdkGetLocalTokenFromMr(region_->get()), reinterpret_cast<UINT64>(memory.data),
                      kBytes);
  }
  void make_fast_region(NDK_PD* pd) {
    lam_.emplace(side_.adapter, memory);
    fast_.emplace(pd, lam_->page_count());
    ULONG flags = NDK_OP_FLAG_ALLOW_LOCAL_WRITE;
    if (kind_ == Kind::fast_read_only) flags = 0;
    if (kind_ == Kind::fast_remote_write) flags = NDK_OP_FLAG_ALLOW_REMOTE_WRITE;
    if (kind_ == Kind::fast_remote_read) flags = NDK_OP_FLAG_ALLOW_REMOTE_READ;
    sge = fast_->sge(kBase, kBytes);
    if (kind_ == Kind::fast_never) return;
    EXPECT_EQ(fast_->enlist(holder_, *lam_, kBytes, kBase, flags), STATUS_SUCCESS);
    EXPECT_EQ(holder_.next_status(), STATUS_SUCCESS);
  }
  /// Makes a good one what it has to be.
  void spoil() {
    switch (kind_) {
      case Kind::region_gone:
        EXPECT_EQ(ask([&](auto... rest) { return region_->table()->NdkDeregisterMr(region_->get(), rest...); }),
                  STATUS_SUCCESS);
        break;
      case Kind::region_too_long:
      case Kind::logical_too_long:
        ++sge.Length;
        break;
      case Kind::region_logical_address:
        lam_.emplace(side_.adapter, memory);
        sge.LogicalAddress.QuadPart = static_cast<LONGLONG>(lam_->address());
        break;
      case Kind::fast_invalidated:
        EXPECT_EQ(fast_->invalidate(holder_), STATUS_SUCCESS);
        EXPECT_EQ(holder_.next_status(), STATUS_SUCCESS);
        break;
      case Kind::fast_page_address:
        sge.VirtualAddress = memory.data;
        break;
      case Kind::logical_gone:
        lam_->release();
        break;
      case Kind::logical_virtual_address:
        sge.VirtualAddress = memory.data;
        break;
      case Kind::window: {
        NDK_PD* pd = holder_.pd.get();
        window_.emplace(pd);
        EXPECT_EQ(holder_.qp.table()->NdkBind(holder_.qp.get(), nullptr, region_->get(), window_->mw.get(), memory.data,
                                              kBytes, kReadAndWrite),
                  STATUS_SUCCESS);
        EXPECT_EQ(holder_.next_status(), STATUS_SUCCESS);
        sge.MemoryRegionToken = window_->token();
        break;
      }
      default:
        break;
    }
  }

  Side& side_;
  Side& holder_;
  const Kind kind_;
  std::optional<Lam> lam_;
  std::optional<Object<NDK_MR>> region_;
  std::optional<FastRegion> fast_;
  std::optional<MemoryWindow> window_;
};

/// `role` once with a buffer of `row`'s kind at one end.
void play(Stage& stage, const Row& row, Role role) {
  Pair pair(stage), strangers(stage);
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(strangers.establish());
  Side &ours = pair.passive, &theirs = pair.active;
  Region partner(theirs.pd.get(), kBytes + 1);
  partner.memory.fill(33);
  Buffer buffer(ours, strangers.passive, row.kind);
  buffer.memory.fill(11);
  Memory kept(kBytes);
  kept.fill(11);
  const bool fits = is_filled(role) ? row.is_sink : row.is_source;
  const NDK_SGE all = partner.sge(0, buffer.sge.Length);
  switch (role) {
    case Role::send:
      ASSERT_EQ(theirs.receive(all), STATUS_SUCCESS);
      ASSERT_EQ(ours.send(buffer.sge), STATUS_SUCCESS);
      break;
    case Role::write:
      ASSERT_EQ(ours.write(buffer.sge, partner.address(), partner.token()), STATUS_SUCCESS);
      break;
    case Role::read:
      ASSERT_EQ(ours.read(buffer.sge, partner.address(), partner.token()), STATUS_SUCCESS);
      break;
    case Role::receive:
      ASSERT_EQ(ours.receive(buffer.sge), STATUS_SUCCESS);
      ASSERT_EQ(theirs.send(all), STATUS_SUCCESS);
      break;
  }
  EXPECT_EQ(ours.next_status(), fits ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION);
  if (!fits) {
    // Of one that is too long by an octet, what came before the end may lie there (early placement, R-RDMA-06).
    const bool has_begun = row.kind == Kind::region_too_long || row.kind == Kind::logical_too_long;
    for (std::size_t i = 0; i < kBytes; ++i) {
      const std::uint8_t octet = buffer.memory.data[i];
      ASSERT_TRUE(octet == kept.data[i] || (has_begun && octet == partner.memory.data[i])) << "octet " << i;
    }
    EXPECT_TRUE(ours.left.wait()) << "R-WR-21";
    return;
  }
  if (is_filled(role)) {
    EXPECT_TRUE(buffer.memory.same(partner.memory, kBytes));
    return;
  }
  if (role == Role::send) {
    EXPECT_EQ(theirs.next_status(), STATUS_SUCCESS);
  } else {
    // Behind a Read of the same queue the Write is there.
    Region aside(ours.pd.get(), 1);
    ASSERT_EQ(ours.read(aside.all(), partner.address(), partner.token()), STATUS_SUCCESS);
    EXPECT_EQ(ours.next_status(), STATUS_SUCCESS);
  }
  EXPECT_TRUE(partner.memory.same(kept, kBytes));
}

TEST(R_WR_20, EachKindOfMemoryIsASourceAndASinkAsItsRightsSay) {
  for (const Row& row : kRows) {
    if (!row.is_source) continue;
    for (const Role role : kRoles) {
      SCOPED_TRACE(std::string(row.name) + ", " + std::to_string(static_cast<int>(role)));
      everywhere([&](Stage& stage) { play(stage, row, role); }, {}, 2);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(R_WR_19, WhatNamesNoSuchMemoryIsAnAccessViolation) {
  for (const Row& row : kRows) {
    if (row.is_source) continue;
    for (const Role role : kRoles) {
      SCOPED_TRACE(std::string(row.name) + ", " + std::to_string(static_cast<int>(role)));
      everywhere([&](Stage& stage) { play(stage, row, role); }, {}, 2);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(R_MR_09, SinksThatHaveToBeAnnouncedAreTheOnesThatAre) {
  for (const Kind kind : {Kind::region_writable, Kind::region_remote_write, Kind::fast_writable,
                          Kind::fast_remote_write, Kind::logical}) {
    for (const Role role : {Role::read, Role::receive}) {
      const Row row{kind, "", true, role == Role::receive};
      SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + ", " + std::to_string(static_cast<int>(role)));
      everywhere([&](Stage& stage) { play(stage, row, role); }, {{"read_sinks", "announced"}}, 2);
    }
  }
}

}  // namespace
}  // namespace softndk::stack
