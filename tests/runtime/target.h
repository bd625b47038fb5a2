#pragma once
// Memory that somebody else may get at: in each of the ways that there are, with guards around it.
#include <optional>

#include "fast_region.h"
#include "remote_invalidate.h"

namespace softndk::stack {

enum class Kind { region, window, fast, privileged };
inline const char* name_of(Kind kind) {
  const char* const names[] = {"a region", "a window", "a fast-register region", "the privileged token"};
  return names[static_cast<int>(kind)];
}
struct Rights {
  bool read = true;
  bool write = true;
};

/// `bytes` octets behind `token` from address() on, in the midst of more memory. A window's region is all of it; of the
/// others only the part is registered.
class Target {
 public:
  static constexpr std::size_t kGuard = 200;

  /// `holder` owns it; its queue pair, connected, does the work.
  Target(Side& holder, Kind kind, std::size_t bytes, Rights rights = {}, std::size_t misalignment = 77)
      : kind(kind), bytes(bytes), holder_(holder), rights_(rights), memory(bytes + 2 * kGuard, misalignment) {
    memory.fill(static_cast<std::uint8_t>(11 + static_cast<int>(kind)));
    part_ = IoAllocateMdl(data(), static_cast<ULONG>(bytes), FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(part_);
    NDK_PD* pd = holder.pd.get();
    if (kind == Kind::region || kind == Kind::window) {
      EXPECT_EQ(create(mr, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); }),
                STATUS_SUCCESS);
      EXPECT_EQ(register_region(), STATUS_SUCCESS);
    }
    if (kind == Kind::window) window.emplace(pd);
    if (kind == Kind::fast || kind == Kind::privileged) lam.emplace(holder.adapter, part_, bytes);
    if (kind == Kind::fast) fast.emplace(pd, lam->page_count());
    make_valid();
    note();
  }
  ~Target() {
    close();
    lam.reset();
    IoFreeMdl(part_);
  }

  std::uint8_t* data() { return memory.data + kGuard; }
  UINT64 address() const {
    if (kind == Kind::fast) return base_;
    if (kind == Kind::privileged) return lam_address_;
    return reinterpret_cast<UINT64>(memory.data + kGuard);
  }
  NDK_SGE sge(std::int64_t offset, std::size_t count) const {
    NDK_SGE sge{};
    sge.VirtualAddress = reinterpret_cast<PVOID>(address() + static_cast<UINT64>(offset));
    sge.Length = static_cast<ULONG>(count);
    sge.MemoryRegionToken = token;
    return sge;
  }

  /// Another registration, binding or fast-register of the same object, elsewhere where its address can be chosen.
  void renew() {
    if (kind == Kind::region) {
      EXPECT_EQ(invalidate(), STATUS_SUCCESS);
      EXPECT_EQ(register_region(), STATUS_SUCCESS);
    } else {
      EXPECT_EQ(invalidate(), STATUS_SUCCESS);
    }
    base_ ^= 0x5'0000'0000;
    make_valid();
  }
  /// The holder's own way to take the token away; the final status.
  NTSTATUS invalidate() {
    if (kind == Kind::region) return ask([&](auto... rest) { return mr.table()->NdkDeregisterMr(mr.get(), rest...); });
    if (kind == Kind::privileged) {
      lam->release();
      return STATUS_SUCCESS;
    }
    const NTSTATUS posted = kind == Kind::window ? window->invalidate(holder_) : fast->invalidate(holder_);
    return posted == STATUS_SUCCESS ? wait_for(NdkOperationTypeInvalidate) : posted;
  }
  void close() {
    if (window) window->mw.close();
    if (fast) fast->mr.close();
    mr.close();
  }

  /// What is there now is what has to stay.
  void note() { noted_.assign(memory.data, memory.data + memory.bytes); }
  /// Nothing has changed but, perhaps, [from, to) of the part.
  void expect_untouched_but(std::size_t from = 0, std::size_t to = 0) {
    for (std::size_t i = 0; i < memory.bytes; ++i) {
      if (i >= kGuard + from && i < kGuard + to) continue;
      ASSERT_EQ(memory.data[i], noted_[i])
          << "octet " << static_cast<std::int64_t>(i) - std::int64_t{kGuard} << " of " << bytes;
    }
  }

  const Kind kind;
  const std::size_t bytes;
  UINT32 token = 0;

 private:
  NTSTATUS register_region() {
    MDL* mdl = kind == Kind::window ? memory.mdl : part_;
    const SIZE_T length = kind == Kind::window ? memory.bytes : bytes;
    ULONG flags = NDK_MR_FLAG_ALLOW_LOCAL_WRITE;
    if (kind == Kind::region) {
      flags = rights_.read ? NDK_MR_FLAG_ALLOW_REMOTE_READ : 0;
      if (rights_.write) flags |= NDK_MR_FLAG_ALLOW_REMOTE_WRITE;
    }
    return ask([&](auto... rest) { return mr.table()->NdkRegisterMr(mr.get(), mdl, length, flags, rest...); });
  }
  void make_valid() {
    const ULONG flags =
        (rights_.read ? NDK_OP_FLAG_ALLOW_REMOTE_READ : 0) | (rights_.write ? NDK_OP_FLAG_ALLOW_REMOTE_WRITE : 0);
    switch (kind) {
      case Kind::region:
        token = mr.table()->NdkGetRemoteTokenFromMr(mr.get());
        return;
      case Kind::window:
        EXPECT_EQ(
            holder_.qp.table()->NdkBind(holder_.qp.get(), nullptr, mr.get(), window->mw.get(), data(), bytes, flags),
            STATUS_SUCCESS);
        EXPECT_EQ(wait_for(NdkOperationTypeBind), STATUS_SUCCESS);
        token = window->token();
        return;
      case Kind::fast:
        EXPECT_EQ(fast->enlist(holder_, *lam, bytes, base_, flags), STATUS_SUCCESS);
        EXPECT_EQ(wait_for(NdkOperationTypeFastRegister), STATUS_SUCCESS);
        token = fast->token();
        return;
      case Kind::privileged:
        token = privileged_token(holder_.pd.get());
        lam_address_ = lam->address();
        return;
    }
  }
  NTSTATUS wait_for(ULONG type) {
    for (;;) {
      const NDK_RESULT_EX result = holder_.next();
      if (result.Type == type || result.Status == STATUS_UNSUCCESSFUL) return result.Status;
    }
  }

  Side& holder_;
  const Rights rights_;
  MDL* part_ = nullptr;
  UINT64 base_ = 0x7'1234'5678'9ABC;
  UINT64 lam_address_ = 0;
  std::vector<std::uint8_t> noted_;

 public:
  Memory memory;
  std::optional<Lam> lam;
  Object<NDK_MR> mr;
  std::optional<FastRegion> fast;
  std::optional<MemoryWindow> window;  // closed before its region
};

}  // namespace softndk::stack
