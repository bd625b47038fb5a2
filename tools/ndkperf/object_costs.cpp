#include "tools/ndkperf/object_costs.h"

#include <malloc.h>

#include <chrono>
#include <memory>

#include "tools/common/ndk_queues.h"
#include "tools/common/ndk_region.h"
#include "tools/ndkperf/perf_usage.h"

namespace softndk::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr ULONG kPoolTag = 0x6c6f6f54;  // "Tool" in memory order

std::uint64_t ns_since(Clock::time_point start) {
  return static_cast<std::uint64_t>((Clock::now() - start).count());
}

VOID ignore_connect(PVOID, NDK_CONNECTOR* connector) {
  // Nobody listens, so nobody connects; what comes all the same is refused by its close.
  connector->Dispatch->NdkCloseConnector(
      &connector->Header, [](PVOID) {}, nullptr);
}

/// `count` of them, and then none.
template <class T, class Create>
Result<ObjectCost> cost_of(const char* object, const char* call, std::uint64_t count, Create create) {
  ObjectCost cost;
  cost.object = object;
  cost.count = count;
  const auto objects = std::make_unique<Object<T>[]>(count);
  malloc_trim(0);  // or they would live in what earlier ones have left behind, and seem to cost nothing
  const std::uint64_t before_kib = resident_kib();
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    const NTSTATUS status = objects[i].create(create);
    cost.create_ns.record(ns_since(start));
    if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure(call, status, object, "R-CRT-06"));
  }
  cost.resident_bytes_each = static_cast<double>(grown_kib(before_kib)) * 1024 / static_cast<double>(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    objects[i].finish_close();
    cost.close_ns.record(ns_since(start));
  }
  return cost;
}

/// Pages of nonpaged pool and their MDL.
class Pages {
 public:
  explicit Pages(std::size_t bytes) : memory_(ExAllocatePoolWithTag(NonPagedPoolNx, bytes, kPoolTag)) {
    if (memory_ == nullptr) return;
    memset(memory_, 0, bytes);
    mdl_ = IoAllocateMdl(memory_, static_cast<ULONG>(bytes), FALSE, FALSE, nullptr);
    if (mdl_ != nullptr) MmBuildMdlForNonPagedPool(mdl_);
  }
  ~Pages() {
    if (mdl_ != nullptr) IoFreeMdl(mdl_);
    if (memory_ != nullptr) ExFreePoolWithTag(memory_, kPoolTag);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  PMDL mdl() const { return mdl_; }

 private:
  void* memory_;
  PMDL mdl_ = nullptr;
};

Result<ObjectCost> cost_of_registration(const char* object, const Pd& pd, std::size_t bytes, std::uint64_t count) {
  ObjectCost cost;
  cost.object = object;
  cost.count = count;
  const Pages pages(bytes);
  if (pages.mdl() == nullptr)
    return tl::unexpected(provider_failure("IoAllocateMdl", STATUS_INSUFFICIENT_RESOURCES, object));
  Object<NDK_MR> region;
  NTSTATUS status = region.create([&](auto completion, PVOID context, NDK_MR** out) {
    return pd.get()->Dispatch->NdkCreateMr(pd.get(), FALSE, completion, context, out);
  });
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkCreateMr", status, object, "R-CRT-06"));
  NDK_MR* const mr = region.get();
  Request request;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto start = Clock::now();
    request.begin();
    status = request.finish(mr->Dispatch->NdkRegisterMr(mr, pages.mdl(), bytes, NDK_MR_FLAG_ALLOW_REMOTE_WRITE,
                                                        &Request::completed, &request));
    cost.create_ns.record(ns_since(start));
    if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkRegisterMr", status, object));
    start = Clock::now();
    request.begin();
    status = request.finish(mr->Dispatch->NdkDeregisterMr(mr, &Request::completed, &request));
    cost.close_ns.record(ns_since(start));
    if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkDeregisterMr", status, object));
  }
  return cost;
}

}  // namespace

Result<std::vector<ObjectCost>> measure_objects(const Adapter& adapter, std::uint64_t count, ULONG depth) {
  auto pd = Pd::create(adapter);
  if (!pd) return tl::unexpected(pd.error());
  auto cq = Cq::create(adapter, depth);
  if (!cq) return tl::unexpected(cq.error());
  NDK_ADAPTER* const on = adapter.get();
  NDK_PD* const in = (*pd)->get();
  NDK_CQ* const results = (*cq)->get();

  std::vector<ObjectCost> costs;
  std::optional<Failure> failure;
  const auto add = [&](Result<ObjectCost> cost) {
    if (cost) costs.push_back(std::move(*cost));
    if (!cost && !failure) failure = cost.error();
  };
  add(cost_of<NDK_PD>("NDK_PD", "NdkCreatePd", count, [&](auto completion, PVOID context, NDK_PD** out) {
    return on->Dispatch->NdkCreatePd(on, completion, context, out);
  }));
  add(cost_of<NDK_CQ>("NDK_CQ", "NdkCreateCq", count, [&](auto completion, PVOID context, NDK_CQ** out) {
    return on->Dispatch->NdkCreateCq(
        on, depth, [](PVOID, NTSTATUS) {}, nullptr, nullptr, completion, context, out);
  }));
  add(cost_of<NDK_SRQ>("NDK_SRQ", "NdkCreateSrq", count, [&](auto completion, PVOID context, NDK_SRQ** out) {
    return in->Dispatch->NdkCreateSrq(in, depth, 1, 0, nullptr, nullptr, nullptr, completion, context, out);
  }));
  add(cost_of<NDK_QP>("NDK_QP", "NdkCreateQp", count, [&](auto completion, PVOID context, NDK_QP** out) {
    return in->Dispatch->NdkCreateQp(in, results, results, nullptr, depth, depth, 1, 1, 0, completion, context, out);
  }));
  add(cost_of<NDK_MW>("NDK_MW", "NdkCreateMw", count, [&](auto completion, PVOID context, NDK_MW** out) {
    return in->Dispatch->NdkCreateMw(in, completion, context, out);
  }));
  add(cost_of<NDK_CONNECTOR>("NDK_CONNECTOR", "NdkCreateConnector", count,
                             [&](auto completion, PVOID context, NDK_CONNECTOR** out) {
                               return on->Dispatch->NdkCreateConnector(on, completion, context, out);
                             }));
  add(cost_of<NDK_LISTENER>(
      "NDK_LISTENER", "NdkCreateListener", count, [&](auto completion, PVOID context, NDK_LISTENER** out) {
        return on->Dispatch->NdkCreateListener(on, &ignore_connect, nullptr, completion, context, out);
      }));
  add(cost_of<NDK_MR>("NDK_MR", "NdkCreateMr", count, [&](auto completion, PVOID context, NDK_MR** out) {
    return in->Dispatch->NdkCreateMr(in, FALSE, completion, context, out);
  }));
  add(cost_of_registration("registration of 4 KiB", **pd, 4096, count));
  add(cost_of_registration("registration of 64 KiB", **pd, 65536, count));
  add(cost_of_registration("registration of 1 MiB", **pd, 1 << 20, count));
  if (failure) return tl::unexpected(*failure);
  return costs;
}

}  // namespace softndk::tools
