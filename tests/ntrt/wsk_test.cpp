// WSK and its NDK extension, over a provider that is not ours (spec/ndkpi.md 4.8, spec/kernel-surface.md 7).
#include "ntrt/wsk.h"

#include <gtest/gtest.h>

#include <string>

#include "base/alloc.h"
#include "ntrt/fake_provider.h"
#include "ntrt/kernel_fixture.h"
#include "ntrt/log_lines.h"

namespace softndk::ntrt {
namespace {

constexpr NET_IFINDEX kIndex = 7;
constexpr WSK_CLIENT_DISPATCH kDispatch = {MAKE_WSK_VERSION(1, 0), 0, nullptr};

/// A consumer with a registration, a captured NPI and the NDK table.
class Consumer {
 public:
  Consumer() {
    WSK_CLIENT_NPI npi = {nullptr, &kDispatch};  // on the stack, as one real consumer has it
    EXPECT_EQ(WskRegister(&npi, &registration), STATUS_SUCCESS);
    EXPECT_EQ(WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &provider), STATUS_SUCCESS);
    EXPECT_EQ(control(sizeof ndk, &ndk), STATUS_SUCCESS);
  }
  ~Consumer() {
    release();
    WskDeregister(&registration);
  }
  void release() {
    if (captured_) WskReleaseProviderNPI(&registration);
    captured_ = false;
  }
  NTSTATUS control(SIZE_T room, void* to, SIZE_T* returned = nullptr, PIRP irp = nullptr) {
    return provider.Dispatch->WskControlClient(provider.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, nullptr, room,
                                               to, returned, irp);
  }
  NTSTATUS open(NDK_ADAPTER** adapter, NET_IFINDEX index = kIndex, NDK_VERSION version = {1, 0}) {
    return ndk.WskOpenNdkAdapter(provider.Client, version, index, adapter);
  }
  NDK_ADAPTER* open() {
    NDK_ADAPTER* adapter = nullptr;
    EXPECT_EQ(open(&adapter), STATUS_SUCCESS);
    return adapter;
  }
  void close(NDK_ADAPTER* adapter) { ndk.WskCloseNdkAdapter(provider.Client, adapter); }

  WSK_REGISTRATION registration = {};
  WSK_PROVIDER_NPI provider = {};
  WSK_PROVIDER_NDK_DISPATCH ndk = {};

 private:
  bool captured_ = true;
};

struct Host {
  Host() {
    EXPECT_TRUE(provider.load());
    EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  }
  FakeProvider provider;
};

TEST(R_WSK_01, TheNdkTableIsTwoPointersOpenThenClose) {
  static_assert(sizeof(WSK_PROVIDER_NDK_DISPATCH) == 16);
  static_assert(offsetof(WSK_PROVIDER_NDK_DISPATCH, WskOpenNdkAdapter) == 0);
  static_assert(offsetof(WSK_PROVIDER_NDK_DISPATCH, WskCloseNdkAdapter) == 8);
  static_assert(WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH == 'NDKD');
  Host host;
  Consumer consumer;
  NDK_ADAPTER* adapter = consumer.open();
  EXPECT_EQ(host.provider.opens, 1);
  consumer.close(adapter);
  EXPECT_EQ(host.provider.closes, 1);
}

TEST(R_WSK_02, TheOutputIsTheStructureAndTheReturnedSizeIsOptional) {
  LogLines lines;
  Consumer consumer;
  unsigned char room[24];
  std::fill(std::begin(room), std::end(room), 0xEE);
  SIZE_T returned = 99;
  for (SIZE_T size : {0u, 8u, 15u}) {
    EXPECT_EQ(consumer.control(size, room, &returned), STATUS_INVALID_PARAMETER) << size;
    EXPECT_EQ(returned, 0u);
    EXPECT_EQ(room[0], 0xEE) << "nothing is written";
  }
  EXPECT_TRUE(lines.has("the output buffer holds 8 bytes, WSK_PROVIDER_NDK_DISPATCH needs 16")) << lines.text();
  EXPECT_EQ(consumer.control(16, nullptr), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(consumer.control(16, room), STATUS_SUCCESS);
  EXPECT_EQ(room[16], 0xEE);
  EXPECT_EQ(consumer.control(24, room, &returned), STATUS_SUCCESS);
  EXPECT_EQ(returned, 16u);
}

TEST(R_WSK_02, AnIrpIsCompletedWithTheSameOutcome) {
  Consumer consumer;
  IRP irp = {};
  irp.StackCount = irp.CurrentLocation = 1;
  KEVENT event;
  IO_STATUS_BLOCK block = {};
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  irp.UserIosb = &block;
  WSK_PROVIDER_NDK_DISPATCH ndk;
  EXPECT_EQ(consumer.control(sizeof ndk, &ndk, nullptr, &irp), STATUS_SUCCESS);
  EXPECT_EQ(irp.IoStatus.Status, STATUS_SUCCESS);
  EXPECT_EQ(irp.IoStatus.Information, 16u);
  EXPECT_EQ(block.Information, 16u);
}

TEST(Wsk, OtherControlCodesAndSocketsAreNotSupported) {
  Consumer consumer;
  const WSK_PROVIDER_DISPATCH& wsk = *consumer.provider.Dispatch;
  EXPECT_EQ(wsk.WskControlClient(consumer.provider.Client, 1, 0, nullptr, 0, nullptr, nullptr, nullptr),
            STATUS_NOT_SUPPORTED);
  IRP irp = {};
  irp.StackCount = irp.CurrentLocation = 1;
  EXPECT_EQ(wsk.WskSocket(consumer.provider.Client, 2, 1, 6, 0, nullptr, nullptr, nullptr, nullptr, nullptr, &irp),
            STATUS_NOT_SUPPORTED);
  EXPECT_EQ(irp.IoStatus.Status, STATUS_NOT_SUPPORTED);
  EXPECT_NE(wsk.WskSocketConnect, nullptr);
  EXPECT_NE(wsk.WskGetAddressInfo, nullptr);
  EXPECT_NE(wsk.WskFreeAddressInfo, nullptr);
  EXPECT_NE(wsk.WskGetNameInfo, nullptr);
}

/// An interposer as the verifier is one: wraps each adapter in an object of its own.
struct Wrapper {
  struct Outer {
    NDK_ADAPTER adapter;
    NDK_ADAPTER* inner;
  };
  Wrapper() {
    interposer.context = this;
    interposer.wrap_open = [](void* self, NDK_ADAPTER* inner, NET_IFINDEX index) noexcept -> NDK_ADAPTER* {
      auto& me = *static_cast<Wrapper*>(self);
      me.log += "open" + std::to_string(index) + " ";
      return me.refuse ? nullptr : &(new Outer{{}, inner})->adapter;
    };
    interposer.before_close = [](void* self, NDK_ADAPTER* outer, NDK_ADAPTER* inner) noexcept {
      auto& me = *static_cast<Wrapper*>(self);
      EXPECT_EQ(reinterpret_cast<Outer*>(outer)->inner, inner);
      me.log += me.closed() + "before ";
    };
    interposer.wrap_close = [](void* self, NDK_ADAPTER* outer) noexcept {
      auto& me = *static_cast<Wrapper*>(self);
      me.log += me.closed() + "after ";
      delete reinterpret_cast<Outer*>(outer);
    };
    wsk_set_ndk_interposer(&interposer);
  }
  ~Wrapper() { wsk_set_ndk_interposer(nullptr); }
  std::string closed() const { return provider->closes == 0 ? "open:" : "closed:"; }

  NdkInterposer interposer;
  const FakeProvider* provider = nullptr;
  bool refuse = false;
  std::string log;
};

TEST(R_WSK_03, AnInterposerStandsBetweenConsumerAndAnyProvider) {
  Host host;
  Wrapper wrapper;
  wrapper.provider = &host.provider;
  Consumer consumer;
  NDK_ADAPTER* adapter = consumer.open();
  EXPECT_EQ(wsk_open_ndk_adapters(), 1u);
  consumer.close(adapter);
  EXPECT_EQ(wrapper.log, "open7 open:before closed:after ") << "freed only once the provider can not call back";
  EXPECT_EQ(host.provider.closes, 1);
}

TEST(R_WSK_03, AnInterposerThatRefusesGivesTheProvidersInstanceBack) {
  Host host;
  Wrapper wrapper;
  wrapper.provider = &host.provider;
  wrapper.refuse = true;
  Consumer consumer;
  auto* const sentinel = reinterpret_cast<NDK_ADAPTER*>(0x5AD);
  NDK_ADAPTER* adapter = sentinel;
  EXPECT_EQ(consumer.open(&adapter), STATUS_INSUFFICIENT_RESOURCES);
  EXPECT_EQ(adapter, sentinel);
  EXPECT_EQ(host.provider.closes, 1);
}

TEST(R_WSK_03, AnInstanceKeepsTheInterposerItWasOpenedWith) {
  Host host;
  Wrapper wrapper;
  wrapper.provider = &host.provider;
  Consumer consumer;
  NDK_ADAPTER* wrapped = consumer.open();
  wsk_set_ndk_interposer(nullptr);
  NDK_ADAPTER* plain = consumer.open();
  consumer.close(plain);
  EXPECT_EQ(wrapper.log, "open7 ");
  consumer.close(wrapped);
  EXPECT_NE(wrapper.log.find("after"), std::string::npos);
}

TEST(R_WSK_04, EachOutcomeOfAnOpen) {
  Host host;
  Consumer consumer;
  auto* const sentinel = reinterpret_cast<NDK_ADAPTER*>(0x5AD);
  NDK_ADAPTER* adapter = sentinel;
  EXPECT_EQ(consumer.open(&adapter, 99), STATUS_NOT_FOUND);
  EXPECT_EQ(consumer.open(&adapter, kIndex, {3, 0}), NDIS_STATUS_BAD_VERSION);
  host.provider.open_status = NDIS_STATUS_RESOURCES;
  EXPECT_EQ(consumer.open(&adapter), STATUS_INSUFFICIENT_RESOURCES);
  host.provider.open_status = NDIS_STATUS_DEVICE_FAILED;
  EXPECT_EQ(consumer.open(&adapter), NDIS_STATUS_DEVICE_FAILED);
  host.provider.open_status = NDIS_STATUS_SUCCESS;
  host.provider.event(kIndex, NetEventNDKDisable);
  EXPECT_EQ(consumer.open(&adapter), NDIS_STATUS_ADAPTER_NOT_READY);
  host.provider.event(kIndex, NetEventNDKEnable);
  EXPECT_EQ(consumer.open(nullptr), STATUS_INVALID_PARAMETER);
  set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
  EXPECT_EQ(consumer.open(&adapter), STATUS_INSUFFICIENT_RESOURCES);
  set_fault_hook(nullptr, nullptr);
  EXPECT_EQ(adapter, sentinel) << "unmodified by every failure";
  EXPECT_EQ(consumer.open(&adapter), STATUS_SUCCESS);
  consumer.close(adapter);
  EXPECT_EQ(wsk_open_ndk_adapters(), 0u);
}

TEST(R_VER_01, BothMajorsThatConsumersAskForReachTheProvider) {
  Host host;
  Consumer consumer;
  for (NDK_VERSION version : {NDK_VERSION{1, 0}, NDK_VERSION{2, 0}}) {
    NDK_ADAPTER* adapter = nullptr;
    EXPECT_EQ(consumer.open(&adapter, kIndex, version), STATUS_SUCCESS);
    EXPECT_EQ(host.provider.last_open.Version.Major, version.Major);
    consumer.close(adapter);
  }
}

class R_WSK_05 : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(R_WSK_05);
TEST_P(R_WSK_05, CloseReturnsAfterTheProvidersClose) {
  run([] {
    Host host;
    Consumer consumer;
    WaitGate descendants("the test's descendants");
    host.provider.close_waits_for = &descendants;
    NDK_ADAPTER* adapter = consumer.open();
    std::atomic<bool> returned{false};
    TestThreads threads;
    threads.spawn([&] {
      consumer.close(adapter);
      EXPECT_EQ(host.provider.closes, 1);
      returned = true;
    });
    for (int i = 0; i < 100; ++i)
      kernel().executor().yield();
    EXPECT_FALSE(returned);
    EXPECT_EQ(wsk_open_ndk_adapters(), 1u) << "still listed while it closes";
    descendants.open();
    threads.join();
    EXPECT_EQ(wsk_open_ndk_adapters(), 0u);
  });
}

TEST(WskRegistration, MisuseIsReportedAndHarmless) {
  LogLines lines;
  WSK_REGISTRATION zeroed = {};
  WskDeregister(&zeroed);
  EXPECT_TRUE(lines.has("WskDeregister")) << lines.text();
  WskReleaseProviderNPI(&zeroed);
  EXPECT_TRUE(lines.has("nothing is captured")) << lines.text();
  WSK_PROVIDER_NPI npi = {};
  EXPECT_EQ(WskCaptureProviderNPI(&zeroed, WSK_NO_WAIT, &npi), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(npi.Client, nullptr);

  WSK_CLIENT_NPI client = {nullptr, &kDispatch};
  EXPECT_EQ(WskRegister(nullptr, &zeroed), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(WskRegister(&client, nullptr), STATUS_INVALID_PARAMETER);
  WSK_REGISTRATION garbage;
  std::memset(&garbage, 0xAB, sizeof garbage);
  EXPECT_EQ(WskRegister(&client, &garbage), STATUS_SUCCESS) << "need not be initialised";
  EXPECT_EQ(WskRegister(&client, &garbage), STATUS_ALREADY_REGISTERED);
  WskReleaseProviderNPI(&garbage);
  WskDeregister(&garbage);
  WskDeregister(&garbage);
  EXPECT_EQ(WskRegister(&client, &garbage), STATUS_SUCCESS) << "and again";
  WskDeregister(&garbage);
}

TEST(WskRegistration, AnotherMajorVersionHasNoInterface) {
  const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(2, 0), 0, nullptr};
  WSK_CLIENT_NPI client = {nullptr, &dispatch};
  WSK_REGISTRATION registration;
  WSK_PROVIDER_NPI npi;
  ASSERT_EQ(WskRegister(&client, &registration), STATUS_SUCCESS);
  EXPECT_EQ(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_NOINTERFACE);
  WskDeregister(&registration);
}

TEST(WskRegistration, CallsThroughAnNpiThatIsNotHeldAreRefused) {
  LogLines lines;
  Host host;
  Consumer consumer;
  NDK_ADAPTER* adapter = consumer.open();
  NDK_ADAPTER* other = nullptr;
  EXPECT_EQ(consumer.ndk.WskOpenNdkAdapter(&lines, {1, 0}, kIndex, &other), STATUS_INVALID_PARAMETER);
  EXPECT_TRUE(lines.has("Client is not what WskCaptureProviderNPI gave")) << lines.text();
  {
    Consumer stranger;
    stranger.close(adapter);
    EXPECT_EQ(host.provider.closes, 0) << "another client's adapter is not closed";
    EXPECT_TRUE(lines.has("the adapter is not open at this client")) << lines.text();
  }
  consumer.close(adapter);
  consumer.close(adapter);
  EXPECT_EQ(host.provider.closes, 1) << "a second close is reported only";
  consumer.release();
  EXPECT_EQ(consumer.open(&other), STATUS_INVALID_PARAMETER);
}

class WskWaits : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(WskWaits);

TEST_P(WskWaits, DeregisterWaitsForTheCapture) {
  run([] {
    WSK_CLIENT_NPI client = {nullptr, &kDispatch};
    WSK_REGISTRATION registration;
    WSK_PROVIDER_NPI npi;
    ASSERT_EQ(WskRegister(&client, &registration), STATUS_SUCCESS);
    ASSERT_EQ(WskCaptureProviderNPI(&registration, WSK_NO_WAIT, &npi), STATUS_SUCCESS);
    std::atomic<bool> released{false};
    TestThreads threads;
    threads.spawn([&] {
      WskDeregister(&registration);
      EXPECT_TRUE(released);
    });
    for (int i = 0; i < 20; ++i)
      kernel().executor().yield();
    released = true;
    WskReleaseProviderNPI(&registration);
    threads.join();
  });
}

TEST_P(WskWaits, ReleaseWaitsForOpenNdkAdapters) {
  run([] {
    Host host;
    Consumer consumer;
    NDK_ADAPTER* adapter = consumer.open();
    TestThreads threads;
    threads.spawn([&] {
      consumer.release();
      EXPECT_EQ(host.provider.closes, 1);
    });
    for (int i = 0; i < 20; ++i)
      kernel().executor().yield();
    consumer.close(adapter);
    threads.join();
  });
}

TEST_P(WskWaits, AWaitThatLastsSaysWhatHoldsIt) {
  KernelOptions options = quiet_options();
  options.explain_wait_after_ns = io::kMillisecond;
  run(
      [] {
        LogLines lines;
        Host host;
        Consumer consumer;
        NDK_ADAPTER* adapter = consumer.open();
        TestThreads threads;
        threads.spawn([&] { consumer.release(); });
        LARGE_INTEGER pause = relative_ms(2);
        while (!lines.has("NDK adapter "))
          KeDelayExecutionThread(KernelMode, FALSE, &pause);
        EXPECT_TRUE(lines.has("WskReleaseProviderNPI waits: 1 captured NPIs, 0 opens under way, 1 open NDK adapters"))
            << lines.text();
        EXPECT_TRUE(lines.has("on interface 7, opened by ")) << lines.text();
        consumer.close(adapter);
        threads.join();
      },
      options);
}

TEST(WskReport, ListsClientsAndInstances) {
  Host host;
  Consumer consumer;
  NDK_ADAPTER* adapter = consumer.open();
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* to = open_memstream(&text, &size);
  wsk_report(to);
  std::fclose(to);
  const std::string report(text, size);
  std::free(text);
  EXPECT_NE(report.find("1 captured NPIs, 1 open NDK adapters"), std::string::npos) << report;
  EXPECT_NE(report.find("on interface 7"), std::string::npos) << report;
  consumer.close(adapter);
}

}  // namespace
}  // namespace softndk::ntrt
