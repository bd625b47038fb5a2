#pragma once
// The consumer's side of the tests: calls through dispatch tables, callbacks that write down what they saw, and a
// simulated world to do it in.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <vector>

#include "ntrt/deferred.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "provider/adapter.h"
#include "provider/fake_device.h"
#include "provider/miniport_adapter.h"
#include "sim/seed_loop.h"
#include "sim/world.h"

namespace softndk::provider {

inline constexpr CompletionMode kAllModes[] = {CompletionMode::inlined, CompletionMode::nested, CompletionMode::early,
                                               CompletionMode::later, CompletionMode::mixed};
inline constexpr CompletionMode kPendingModes[] = {CompletionMode::nested, CompletionMode::early,
                                                   CompletionMode::later};

/// The settings under which everything completes in `mode`.
inline Settings policy(CompletionMode mode) {
  Settings settings;
  settings.policy = mode;
  return settings;
}

/// Waits, giving way, until something on another thread has happened. The simulated run ends in failure if it never
/// does.
template <class Condition>
void await(Condition&& condition) {
  ntrt::relax_until(condition);
}

/// What a callback saw. One for each request: counts, so that a second call shows.
struct Seen {
  std::atomic<int> calls{0};
  std::atomic<NTSTATUS> status{STATUS_PENDING};
  std::atomic<NDK_OBJECT_HEADER*> object{nullptr};
  std::atomic<int> irql{-1};
  std::atomic<io::ThreadContext*> thread{nullptr};
  std::atomic<bool> in_call{false};      ///< set by the caller while the provider function runs
  std::atomic<bool> ran_in_call{false};  ///< the callback came while it did
  std::atomic<bool> returned{false};     ///< the callback has left
  std::function<void(Seen&)> inside;     ///< what the consumer does in it

  bool on_callers_thread() const { return thread.load() == &io::this_thread(); }
  void enter(NTSTATUS with_status, NDK_OBJECT_HEADER* with_object) {
    status = with_status;
    object = with_object;
    irql = ntrt::current_irql();
    thread = &io::this_thread();
    ran_in_call = in_call.load();
    ++calls;
    if (inside) inside(*this);
    returned = true;
  }
  void wait() {
    await([this] { return returned.load(); });
  }

  static void created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    static_cast<Seen*>(context)->enter(status, object);
  }
  static void completed(PVOID context, NTSTATUS status) { static_cast<Seen*>(context)->enter(status, nullptr); }
  static void closed(PVOID context) { static_cast<Seen*>(context)->enter(STATUS_SUCCESS, nullptr); }
  static void notified(PVOID context, NTSTATUS status) { static_cast<Seen*>(context)->enter(status, nullptr); }
  static void disconnected(PVOID context) { static_cast<Seen*>(context)->enter(STATUS_SUCCESS, nullptr); }
  static void disconnected_ex(PVOID context, ULONG reason) {
    static_cast<Seen*>(context)->enter(static_cast<NTSTATUS>(reason), nullptr);
  }
  static void connect_event(PVOID context, NDK_CONNECTOR* connector) {
    static_cast<Seen*>(context)->enter(STATUS_SUCCESS, &connector->Header);
  }
};

/// Calls a provider function that takes a callback and notes whether the callback ran inside it.
template <class Call>
NTSTATUS calling(Seen& seen, Call&& call) {
  seen.in_call = true;
  const NTSTATUS status = call();
  seen.in_call = false;
  return status;
}

/// Closes an object whatever the mode and returns when it is closed.
template <class Ndk>
NTSTATUS close(Ndk* object, NDK_FN_CLOSE_OBJECT close_function) {
  Seen seen;
  const NTSTATUS status = close_function(&object->Header, Seen::closed, &seen);
  if (status == STATUS_PENDING) seen.wait();
  EXPECT_EQ(seen.calls, status == STATUS_PENDING ? 1 : 0);
  return status;
}
inline NTSTATUS close(NDK_CONNECTOR* object) {
  return close(object, object->Dispatch->NdkCloseConnector);
}
inline NTSTATUS close(NDK_LISTENER* object) {
  return close(object, object->Dispatch->NdkCloseListener);
}
inline NTSTATUS close(NDK_PD* object) {
  return close(object, object->Dispatch->NdkClosePd);
}
inline NTSTATUS close(NDK_CQ* object) {
  return close(object, object->Dispatch->NdkCloseCq);
}
inline NTSTATUS close(NDK_MR* object) {
  return close(object, object->Dispatch->NdkCloseMr);
}
inline NTSTATUS close(NDK_MW* object) {
  return close(object, object->Dispatch->NdkCloseMw);
}
inline NTSTATUS close(NDK_SRQ* object) {
  return close(object, object->Dispatch->NdkCloseSrq);
}
inline NTSTATUS close(NDK_QP* object) {
  return close(object, object->Dispatch->NdkCloseQp);
}
inline NTSTATUS close(NDK_SHARED_ENDPOINT* object) {
  return close(object, object->Dispatch->NdkCloseSharedEndpoint);
}
/// Without waiting.
template <class Ndk>
NTSTATUS begin_close(Ndk* object, NDK_FN_CLOSE_OBJECT close_function, Seen& seen) {
  return calling(seen, [&] { return close_function(&object->Header, Seen::closed, &seen); });
}

inline SOCKADDR_IN ipv4(const char* text) {
  Address address;
  EXPECT_TRUE(parse_address(text, address));
  SOCKADDR_IN in{};
  in.sin_family = SOFTNDK_AF_INET;
  in.sin_port = __builtin_bswap16(address.port);
  std::copy_n(address.octets.begin(), 4, reinterpret_cast<std::uint8_t*>(&in.sin_addr));
  return in;
}

/// One miniport adapter over a fake device, with one open NDK adapter.
class Rig {
 public:
  explicit Rig(const Settings& settings = {}, NDK_VERSION version = {2, 1}) : miniport(device, settings) {
    miniport.completions().start();
    adapter = *Adapter::open(miniport, version);
  }
  ~Rig() {
    close_adapter();
    miniport.completions().stop();
    EXPECT_EQ(device.living(), 0u) << "objects of the device outlive the adapter";
  }
  void close_adapter() {
    if (adapter != nullptr) std::exchange(adapter, nullptr)->close_and_wait();
  }
  NDK_ADAPTER* ndk() { return adapter; }

  /// Creates and waits, whatever the mode.
  template <class Ndk, class Call>
  Ndk* make(Call&& call) {
    Seen seen;
    Ndk* object = nullptr;
    const NTSTATUS status = call(Seen::created, &seen, &object);
    if (status == STATUS_PENDING) {
      seen.wait();
      EXPECT_EQ(object, nullptr);
      return reinterpret_cast<Ndk*>(seen.object.load());
    }
    EXPECT_EQ(status, STATUS_SUCCESS);
    return object;
  }
  NDK_CONNECTOR* connector() {
    return make<NDK_CONNECTOR>([&](auto... args) { return ndk()->Dispatch->NdkCreateConnector(ndk(), args...); });
  }
  NDK_PD* pd() {
    return make<NDK_PD>([&](auto... args) { return ndk()->Dispatch->NdkCreatePd(ndk(), args...); });
  }
  NDK_CQ* cq(NDK_FN_CQ_NOTIFICATION_CALLBACK notification = nullptr, PVOID context = nullptr, ULONG depth = 16) {
    return make<NDK_CQ>([&](auto... args) {
      return ndk()->Dispatch->NdkCreateCq(ndk(), depth, notification, context, nullptr, args...);
    });
  }
  NDK_LISTENER* listener(NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID context) {
    return make<NDK_LISTENER>(
        [&](auto... args) { return ndk()->Dispatch->NdkCreateListener(ndk(), event, context, args...); });
  }
  NDK_SHARED_ENDPOINT* shared_endpoint(const char* at = "127.0.0.1:0") {
    const SOCKADDR_IN address = ipv4(at);
    return make<NDK_SHARED_ENDPOINT>([&](auto... args) {
      return ndk()->Dispatch->NdkCreateSharedEndpoint(ndk(), reinterpret_cast<const SOCKADDR*>(&address),
                                                      sizeof address, args...);
    });
  }
  NDK_MR* mr(NDK_PD* in) {
    return make<NDK_MR>([&](auto... args) { return in->Dispatch->NdkCreateMr(in, FALSE, args...); });
  }
  NDK_MW* mw(NDK_PD* in) {
    return make<NDK_MW>([&](auto... args) { return in->Dispatch->NdkCreateMw(in, args...); });
  }
  NDK_SRQ* srq(NDK_PD* in, NDK_FN_SRQ_NOTIFICATION_CALLBACK notification = nullptr, PVOID context = nullptr,
               ULONG threshold = 2) {
    return make<NDK_SRQ>([&](auto... args) {
      return in->Dispatch->NdkCreateSrq(in, 8, 4, threshold, notification, context, nullptr, args...);
    });
  }
  NDK_QP* qp(NDK_PD* in, NDK_CQ* cq, NDK_SRQ* srq) {
    return make<NDK_QP>(
        [&](auto... args) { return in->Dispatch->NdkCreateQpWithSrq(in, cq, cq, srq, nullptr, 8, 4, 64, args...); });
  }
  NDK_QP* qp(NDK_PD* in, NDK_CQ* receives, NDK_CQ* initiators, PVOID context = nullptr) {
    return make<NDK_QP>([&](auto... args) {
      return in->Dispatch->NdkCreateQp(in, receives, initiators, context, 8, 8, 4, 4, 64, args...);
    });
  }

  FakeDevice device;
  MiniportAdapter miniport;
  Adapter* adapter = nullptr;
};

/// For what holds at a moment of a call or a callback: no other thread comes between but where this one waits.
inline sim::Options undivided() {
  sim::Options options;
  options.interleave = sim::Chance::never();
  return options;
}

/// Runs `body` as a consumer's thread in a started runtime, once for each of some seeds.
template <class Body>
void simulate(Body&& body, std::uint64_t seeds = 10, sim::Options options = {}) {
  sim::for_each_seed(seeds, [&](std::uint64_t seed) {
    sim::World world(seed, options);
    ntrt::Kernel running;
    const sim::Result result = world.run([&] {
      ntrt::KernelOptions quiet;
      quiet.explain_wait_after_ns = 0;
      ASSERT_TRUE(running.start(world.view(), quiet));
      body();
      running.stop();
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  });
}

/// Makes allocations fail while it lives: the n-th from now on, and from `and_all_later` on every one.
class Shortage {
 public:
  explicit Shortage(unsigned nth, bool and_all_later = false) : nth_(nth), all_later_(and_all_later) {
    set_fault_hook([](void* self, const char* what) noexcept { return static_cast<Shortage*>(self)->fails(what); },
                   this);
  }
  ~Shortage() { set_fault_hook(nullptr, nullptr); }
  unsigned met() const { return met_; }

 private:
  bool fails(const char*) noexcept {
    ++met_;
    return met_ == nth_ || (all_later_ && met_ > nth_);
  }
  unsigned nth_;
  unsigned met_ = 0;
  bool all_later_;
};

}  // namespace softndk::provider
