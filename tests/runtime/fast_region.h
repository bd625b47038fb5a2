#pragma once
#include "ndk_consumer.h"

namespace softndk::stack {

/// A logical address mapping of an MDL's memory, in a buffer as a consumer allocates it.
class Lam {
 public:
  Lam(OpenAdapter& adapter, MDL* mdl, SIZE_T bytes) : Lam(adapter) {
    const NTSTATUS status = build(mdl, bytes);
    EXPECT_EQ(status, STATUS_SUCCESS);
  }
  Lam(OpenAdapter& adapter, const Memory& memory) : Lam(adapter, memory.mdl, memory.bytes) {}
  explicit Lam(OpenAdapter& adapter) : Lam(adapter.adapter) {}
  explicit Lam(NDK_ADAPTER* adapter) : adapter_(adapter) {}
  ~Lam() { release(); }
  Lam(const Lam&) = delete;
  Lam& operator=(const Lam&) = delete;

  /// Asks for the size first.
  NTSTATUS build(MDL* mdl, SIZE_T bytes) {
    ULONG size = 0;
    const NTSTATUS status = build_into(nullptr, size, mdl, bytes);
    if (status != STATUS_BUFFER_TOO_SMALL) return status;
    room_.assign((size + 7) / 8, 0xEEEEEEEEEEEEEEEE);
    const NTSTATUS built = build_into(get(), size, mdl, bytes);
    is_built_ = built == STATUS_SUCCESS;
    return built;
  }
  NTSTATUS build_into(NDK_LOGICAL_ADDRESS_MAPPING* lam, ULONG& size, MDL* mdl, SIZE_T bytes) {
    return ask(
        [&](auto... rest) { return adapter_->Dispatch->NdkBuildLAM(adapter_, mdl, bytes, rest..., lam, &size, &fbo); });
  }
  void release() {
    if (std::exchange(is_built_, false)) adapter_->Dispatch->NdkReleaseLAM(adapter_, get());
  }
  /// Somebody else does it, or nobody.
  void forget() { is_built_ = false; }

  NDK_LOGICAL_ADDRESS_MAPPING* get() { return reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room_.data()); }
  ULONG page_count() { return get()->AdapterPageCount; }
  const NDK_LOGICAL_ADDRESS* pages() { return get()->AdapterPageArray; }
  UINT64 page(ULONG i) { return static_cast<UINT64>(pages()[i].QuadPart); }
  /// Octet `offset` of the memory.
  UINT64 address(std::size_t offset = 0) {
    const std::size_t at = fbo + offset;
    return page(static_cast<ULONG>(at / PAGE_SIZE)) + at % PAGE_SIZE;
  }
  ULONG fbo = 0;

 private:
  NDK_ADAPTER* adapter_;
  std::vector<std::uint64_t> room_;
  bool is_built_ = false;
};

inline UINT32 privileged_token(NDK_PD* pd) {
  UINT32 token = 0;
  pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(pd, &token);
  return token;
}

inline NDK_SGE logical_sge(UINT32 token, UINT64 address, std::size_t bytes) {
  NDK_SGE sge{};
  sge.LogicalAddress.QuadPart = static_cast<LONGLONG>(address);
  sge.Length = static_cast<ULONG>(bytes);
  sge.MemoryRegionToken = token;
  return sge;
}

/// A fast-register region and its verbs.
class FastRegion {
 public:
  explicit FastRegion(NDK_PD* pd) {
    EXPECT_EQ(create(mr, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, TRUE, rest...); }), STATUS_SUCCESS);
  }
  FastRegion(NDK_PD* pd, ULONG pages, bool remote = true) : FastRegion(pd) {
    EXPECT_EQ(initialize(pages, remote), STATUS_SUCCESS);
  }
  NTSTATUS initialize(ULONG pages, bool remote = true) {
    return ask([&](auto... rest) {
      return mr.table()->NdkInitializeFastRegisterMr(mr.get(), pages, remote ? TRUE : FALSE, rest...);
    });
  }
  NTSTATUS enlist(Side& side, const NDK_LOGICAL_ADDRESS* pages, ULONG count, ULONG fbo, SIZE_T bytes, UINT64 base,
                  ULONG flags, UINT_PTR context = 7) const {
    return side.qp.table()->NdkFastRegister(side.qp.get(), reinterpret_cast<PVOID>(context), mr.get(), count, pages,
                                            fbo, bytes, reinterpret_cast<PVOID>(base), flags);
  }
  /// All of the mapping's memory.
  NTSTATUS enlist(Side& side, Lam& lam, SIZE_T bytes, UINT64 base, ULONG flags, UINT_PTR context = 7) const {
    return enlist(side, lam.pages(), lam.page_count(), lam.fbo, bytes, base, flags, context);
  }
  NTSTATUS invalidate(Side& side, ULONG flags = 0, UINT_PTR context = 8) const {
    return side.qp.table()->NdkInvalidate(side.qp.get(), reinterpret_cast<PVOID>(context), &mr.get()->Header, flags);
  }
  UINT32 token() const { return mr.table()->NdkGetRemoteTokenFromMr(mr.get()); }
  UINT32 local_token() const { return mr.table()->NdkGetLocalTokenFromMr(mr.get()); }
  NDK_SGE sge(UINT64 address, std::size_t bytes) const {
    NDK_SGE sge{};
    sge.VirtualAddress = reinterpret_cast<PVOID>(address);
    sge.Length = static_cast<ULONG>(bytes);
    sge.MemoryRegionToken = local_token();
    return sge;
  }

  Object<NDK_MR> mr;
};

inline constexpr ULONG kFastAll = NDK_OP_FLAG_ALLOW_REMOTE_READ | NDK_OP_FLAG_ALLOW_REMOTE_WRITE;

/// Whether [memory + offset, + bytes) of both are the same.
inline bool same_octets(const Memory& one, std::size_t at, const Memory& other, std::size_t other_at,
                        std::size_t bytes) {
  return std::memcmp(one.data + at, other.data + other_at, bytes) == 0;
}

}  // namespace softndk::stack
