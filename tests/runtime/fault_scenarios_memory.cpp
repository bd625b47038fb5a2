// Memory as drivers on Windows use it, with any call failing: mappings, fast registration, windows, invalidation from
// both ends; and receives that are shared.
#include "fast_region.h"
#include "fault_scenarios.h"

namespace softndk::stack {
namespace {

constexpr ULONG kPages = 40;  // in no order: more runs than a build has room for in its frame
constexpr UINT64 kBase = 0x7'0000'0123;

bool make_fast_region(Object<NDK_MR>& mr, NDK_PD* pd) {
  return went_well("NdkCreateMr",
                   create(mr, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, TRUE, rest...); })) &&
         went_well("NdkInitializeFastRegisterMr", ask([&](auto... rest) {
                     return mr.table()->NdkInitializeFastRegisterMr(mr.get(), kPages, TRUE, rest...);
                   }));
}

bool map_scattered(Lam& lam, Memory& memory) {
  if (memory.mdl == nullptr) return false;
  PPFN_NUMBER frames = MmGetMdlPfnArray(memory.mdl);
  std::reverse(frames, frames + kPages);
  return went_well("NdkBuildLAM", lam.build(memory.mdl, memory.bytes));
}

}  // namespace

bool mappings_and_fast_regions(const Place& place) {
  Link link(place);
  End::Shape shape;
  shape.bytes = kPages * PAGE_SIZE;
  if (!link.make(shape) || !link.establish()) return false;
  End& passive = link.passive;
  Memory memory(kPages * PAGE_SIZE);
  memory.fill(9);
  Lam lam(place.adapter);
  Object<NDK_MR> mr;
  bool well = map_scattered(lam, memory) && make_fast_region(mr, passive.pd.get());
  if (well) {
    const UINT32 token = mr.table()->NdkGetRemoteTokenFromMr(mr.get());
    const auto enlist = [&](ULONG flags) {
      return passive.fast_register(mr.get(), lam.pages(), kPages, memory.bytes, kBase, kFastAll | flags);
    };
    // More registrations in the queue at once than the region keeps lists for.
    for (int i = 0; i < 3 && well; ++i)
      well = enlist(NDK_OP_FLAG_DEFER) && passive.invalidate(&mr.get()->Header, NDK_OP_FLAG_DEFER);
    well = well && enlist(0) && passive.finish_requests();
    well = well && link.active.read_at(kBase, token, link.active.sge(0, memory.bytes)) && link.active.finish_requests();
    for (ULONG i = 0; i < kPages && well; ++i)
      EXPECT_EQ(
          std::memcmp(link.active.memory->data + i * PAGE_SIZE, memory.data + (kPages - 1 - i) * PAGE_SIZE, PAGE_SIZE),
          0);
    NDK_SGE sink{};
    sink.VirtualAddress = reinterpret_cast<PVOID>(kBase);
    sink.Length = PAGE_SIZE;
    sink.MemoryRegionToken = token;
    well = well &&
           passive.read_at(link.active.address(), link.active.token(), sink, NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE);
    well = well && enlist(NDK_OP_FLAG_READ_FENCE) && passive.finish_requests();
  }
  const bool parted = link.part();
  passive.leave();  // nothing may name the region's pages any more when the mapping goes
  mr.close();
  return parted && well;
}

bool windows_and_shared_receives(const Place& place) {
  Link link(place);
  const End::Shape shape;
  if (!link.make(shape)) return false;
  End &active = link.active, &passive = link.passive;
  NDK_PD* pd = passive.pd.get();
  Object<NDK_SRQ> srq;
  Object<NDK_MW> window;
  const auto modify = [&](ULONG depth) {
    return went_well("NdkModifySrq",
                     ask([&](auto... rest) { return srq.table()->NdkModifySrq(srq.get(), depth, 0, rest...); }));
  };
  bool well =
      went_well("NdkCreateSrq", create(srq,
                                       [&](auto... rest) {
                                         return pd->Dispatch->NdkCreateSrq(pd, 4, 2, 0, nullptr, nullptr, nullptr,
                                                                           rest...);
                                       })) &&
      went_well("NdkCreateMw", create(window, [&](auto... rest) { return pd->Dispatch->NdkCreateMw(pd, rest...); })) &&
      passive.make_qp_with(srq.get(), shape) && link.establish();
  for (int i = 0; i < 3 && well; ++i)
    well = passive.receive_from(srq.get(), 100);
  // Larger than its memory, with receives in it, and smaller again.
  well = well && modify(5'000) && modify(3);
  for (int i = 0; i < 3 && well; ++i) {
    well = passive.bind(window.get(), passive.memory->bytes, kFastAll) && passive.finish_last();
    if (!well) break;
    const UINT32 token = window.table()->NdkGetRemoteTokenFromMw(window.get());
    well = active.read_at(passive.address(), token, active.sge(0, 10'000)) && active.finish_requests() &&
           active.send_and_invalidate(token, 100) && active.finish_requests() &&
           passive.finish_shared_receives(static_cast<std::size_t>(i) + 1);  // the window is free again
  }
  const bool parted = passive.is_connected && link.part();
  passive.leave();
  return parted && well;
}

}  // namespace softndk::stack
