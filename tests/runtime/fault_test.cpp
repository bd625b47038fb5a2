// Every call that can fail, failing once; connections lost and silenced at any octet. Whatever happens: a documented
// status, everything given back, nobody waits for ever.
#include "stage.h"

namespace softndk::stack {
namespace {

/// The statuses that the interface names for its calls (spec/ndkpi.md 2) and for a shortage.
bool is_documented(NTSTATUS status) {
  switch (status) {
    case STATUS_SUCCESS:
    case STATUS_INSUFFICIENT_RESOURCES:
    case STATUS_CONNECTION_REFUSED:
    case STATUS_CONNECTION_ABORTED:
    case STATUS_CONNECTION_INVALID:
    case STATUS_IO_TIMEOUT:
    case STATUS_CANCELLED:
    case STATUS_TOO_MANY_ADDRESSES:
    case STATUS_NETWORK_UNREACHABLE:
    case STATUS_HOST_UNREACHABLE:
      return true;
    default:
      return false;
  }
}

/// Calls that block are bounded by the settings, so that an end that is told nothing ends too.
const std::vector<Setting> kShort = {{"connect_timeout_ms", "2000"},
                                     {"rtr_timeout_ms", "2000"},
                                     {"request_timeout_ms", "1000"},
                                     {"disconnect_timeout_ms", "1000"},
                                     {"no_receive_timeout_ms", "1000"}};

/// A whole life, in which any step may fail; what follows a failed step is left out, what was made is closed.
void live(NET_IFINDEX index) {
  OpenAdapter adapter(index);
  if (adapter.adapter == nullptr) {
    const bool absent = adapter.status == STATUS_NOT_FOUND;  // its MiniportInitializeEx failed
    EXPECT_TRUE(absent || is_documented(adapter.status)) << std::hex << static_cast<unsigned>(adapter.status);
    return;
  }
  const auto fine = [](NTSTATUS status) {
    EXPECT_TRUE(is_documented(status)) << std::hex << static_cast<unsigned>(status);
    return status == STATUS_SUCCESS;
  };
  NDK_ADAPTER* ndk = adapter.adapter;

  struct Half {
    Event told;
    Object<NDK_PD> pd;
    Object<NDK_CQ> cq;
    Object<NDK_MR> mr;
    Object<NDK_QP> qp;
    Object<NDK_CONNECTOR> connector;
    static VOID notified(PVOID context, NTSTATUS) { static_cast<Half*>(context)->told.set(); }
  };
  constexpr std::size_t kBytes = 20'000;
  Memory memories[2] = {Memory(kBytes), Memory(kBytes)};
  if (memories[0].mdl == nullptr || memories[1].mdl == nullptr) return;
  Half halves[2];
  for (int i = 0; i < 2; ++i) {
    Half& half = halves[i];
    if (!fine(create(half.pd, [&](auto... rest) { return ndk->Dispatch->NdkCreatePd(ndk, rest...); }))) return;
    if (!fine(create(half.cq, [&](auto... rest) {
          return ndk->Dispatch->NdkCreateCq(ndk, 64, &Half::notified, &half, nullptr, rest...);
        })))
      return;
    if (!fine(
            create(half.mr, [&](auto... rest) { return half.pd.table()->NdkCreateMr(half.pd.get(), FALSE, rest...); })))
      return;
    if (!fine(ask([&](auto... rest) {
          return half.mr.table()->NdkRegisterMr(half.mr.get(), memories[i].mdl, kBytes, kAllAccess, rest...);
        })))
      return;
    if (!fine(create(half.qp, [&](auto... rest) {
          return half.pd.table()->NdkCreateQp(half.pd.get(), half.cq.get(), half.cq.get(), nullptr, 16, 16, 4, 4, 64,
                                              rest...);
        })))
      return;
  }
  const auto sge = [&](int i) {
    NDK_SGE all{};
    all.VirtualAddress = memories[i].data;
    all.Length = kBytes;
    all.MemoryRegionToken = halves[i].mr.table()->NdkGetLocalTokenFromMr(halves[i].mr.get());
    return all;
  };
  // A completion, or nothing when none comes within bounds.
  const auto completed = [&](int i) {
    Half& half = halves[i];
    NDK_RESULT result{};
    while (half.cq.table()->NdkGetCqResults(half.cq.get(), &result, 1) == 0) {
      half.told.clear();
      half.cq.table()->NdkArmCq(half.cq.get(), NDK_CQ_NOTIFY_ANY);
      if (!half.told.wait(-5ll * 10'000'000)) return STATUS_IO_TIMEOUT;
    }
    const bool known = result.Status == STATUS_SUCCESS || result.Status == STATUS_CANCELLED ||
                       result.Status == STATUS_ACCESS_VIOLATION || result.Status == STATUS_REMOTE_RESOURCES ||
                       result.Status == STATUS_INTERNAL_ERROR;
    EXPECT_TRUE(known) << std::hex << static_cast<unsigned>(result.Status) << " R-CST-01";
    return result.Status;
  };

  Event arrived;
  struct Raised {
    Event& event;
    std::atomic<NDK_CONNECTOR*> connector{nullptr};
    static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
      auto* self = static_cast<Raised*>(context);
      self->connector = connector;
      self->event.set();
    }
  } raised{arrived, {}};
  Object<NDK_LISTENER> listener;
  if (!fine(create(listener, [&](auto... rest) {
        return ndk->Dispatch->NdkCreateListener(ndk, &Raised::raised, &raised, rest...);
      })))
    return;
  const Sockaddr any("127.0.0.1");
  if (!fine(ask(
          [&](auto... rest) { return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...); })))
    return;
  Sockaddr at;
  at.bytes = sizeof(at.value);
  EXPECT_EQ(listener.table()->NdkGetLocalAddress(listener.get(), at.room(), &at.bytes), STATUS_SUCCESS);
  if (!fine(create(halves[0].connector, [&](auto... rest) { return ndk->Dispatch->NdkCreateConnector(ndk, rest...); })))
    return;
  NDK_CONNECTOR* active = halves[0].connector.get();
  Request connecting, accepting;
  const NTSTATUS connect_returned =
      active->Dispatch->NdkConnect(active, halves[0].qp.get(), any.get(), any.bytes, at.get(), at.bytes, 4, 4, nullptr,
                                   0, &Request::completed, &connecting);
  NTSTATUS accept_returned = STATUS_UNSUCCESSFUL;
  if (NT_SUCCESS(connect_returned) && arrived.wait(-3ll * 10'000'000)) {
    halves[1].connector = Object<NDK_CONNECTOR>(raised.connector.exchange(nullptr));
    NDK_CONNECTOR* passive = halves[1].connector.get();
    accept_returned = passive->Dispatch->NdkAccept(passive, halves[1].qp.get(), 4, 4, nullptr, 0, nullptr, nullptr,
                                                   &Request::completed, &accepting);
  }
  bool works = fine(connecting.finish(connect_returned));
  works =
      works &&
      fine(ask([&](auto... rest) { return active->Dispatch->NdkCompleteConnect(active, nullptr, nullptr, rest...); }));
  if (!works) halves[0].connector.close();  // so that the other side hears of it
  if (halves[1].connector) works = fine(accepting.finish(accept_returned)) && works;

  if (works) {
    memories[0].fill(4);
    NDK_QP* qp = halves[0].qp.get();
    NDK_QP* peer = halves[1].qp.get();
    const NDK_SGE here = sge(0);
    const NDK_SGE there = sge(1);
    const UINT32 token = halves[1].mr.table()->NdkGetRemoteTokenFromMr(halves[1].mr.get());
    const auto address = reinterpret_cast<UINT64>(memories[1].data);
    int posted = 0;
    works = NT_SUCCESS(qp->Dispatch->NdkSend(qp, nullptr, &here, 1, 0)) && works;  // before its receive
    posted += works;
    bool wrote = works && NT_SUCCESS(qp->Dispatch->NdkWrite(qp, nullptr, &here, 1, address, token, 0));
    posted += wrote;
    const bool read = works && NT_SUCCESS(qp->Dispatch->NdkRead(qp, nullptr, &here, 1, address, token, 0));
    posted += read;
    EXPECT_EQ(peer->Dispatch->NdkReceive(peer, nullptr, &there, 1), STATUS_SUCCESS);
    bool all = true;
    for (int i = 0; i < posted; ++i)
      all = completed(0) == STATUS_SUCCESS && all;
    if (all && read) {
      memories[0].fill(4);
      EXPECT_TRUE(memories[0].same(memories[1], kBytes));
    }
    Request leaving;
    const NTSTATUS left = active->Dispatch->NdkDisconnect(active, &Request::completed, &leaving);
    NDK_CONNECTOR* passive = halves[1].connector.get();
    fine(ask([&](auto... rest) { return passive->Dispatch->NdkDisconnect(passive, rest...); }));
    fine(leaving.finish(left));
  }
  halves[0].connector.close();
  halves[1].connector.close();
  // A connector that came too late to be taken.
  Request closing;
  const NTSTATUS returned = listener.begin_close(closing);
  while (returned == STATUS_PENDING && !closing.is_done()) {
    if (NDK_CONNECTOR* late = raised.connector.exchange(nullptr)) Object<NDK_CONNECTOR> unwanted(late);
    LARGE_INTEGER step;
    step.QuadPart = -10'000;
    KeDelayExecutionThread(KernelMode, FALSE, &step);
  }
  closing.finish(returned);
}

TEST(R_CRT_06, TheNthFallibleCallFails) {
  // Until a run has fewer fallible calls than the number of the one that fails.
  for (std::uint64_t nth = 1; nth < 2000; ++nth) {
    SCOPED_TRACE("fallible call " + std::to_string(nth));
    sim::Options options;
    options.fail_nth_call = nth;
    sim::World world(nth, options);
    bool started = false;
    const sim::Result result = world.run([&] {
      runtime::Configuration configuration;
      setting_values(kPolicies[nth % std::size(kPolicies)], kShort).configure(configuration);
      auto runtime = runtime::Runtime::start(world.view(), configuration);
      if (!runtime) {
        EXPECT_EQ(runtime.error(), STATUS_INSUFFICIENT_RESOURCES);
        return;
      }
      started = true;
      live(1);
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
    if (HasFailure()) return;
    if (started && world.fallible_calls() < nth) {
      EXPECT_GT(nth, 50u) << "too few fallible calls to be true";
      return;
    }
  }
  ADD_FAILURE() << "there is no end to the fallible calls";
}

TEST(R_DISC_15, ResetAtAnyOctet) {
  sim::Options options;
  options.reset = sim::Chance::always();
  options.reset_at_bytes = {0, 60'000};
  in_simulation(
      150, [](Stage&) { live(1); }, kShort, options);
}

TEST(R_DISC_15, SilenceFromAnyOctetOn) {
  sim::Options options;
  options.silence = sim::Chance::always();
  options.silence_at_bytes = {0, 60'000};
  in_simulation(
      100, [](Stage&) { live(1); }, kShort, options);
}

TEST(R_CNCT_09, ConnectsThatNobodyAnswers) {
  sim::Options options;
  options.unanswered_connect = sim::Chance::one_in(2);
  in_simulation(
      30, [](Stage&) { live(1); }, kShort, options);
}

TEST(R_CRT_06, ManyFaultsAtOnce) {
  sim::Options options;
  options.fail_call = sim::Chance::one_in(60);
  options.reset = sim::Chance::one_in(4);
  options.short_read = options.short_write = sim::Chance::one_in(2);
  options.stall = sim::Chance::one_in(200);
  sim::for_each_seed(150, [&](std::uint64_t seed) {
    sim::World world(seed, options);
    const sim::Result result = world.run([&] {
      runtime::Configuration configuration;
      setting_values(kPolicies[seed % std::size(kPolicies)], kShort).configure(configuration);
      auto runtime = runtime::Runtime::start(world.view(), configuration);
      if (!runtime) return;
      live(1);
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  });
}

}  // namespace
}  // namespace softndk::stack
