// The way a consumer gets a wrapped adapter: WskOpenNdkAdapter while the verifier is installed.
#include "verifier/install.h"

#include <gtest/gtest.h>

#include "base/alloc.h"
#include "ntrt/fake_provider.h"
#include "ntrt/kernel_fixture.h"
#include "ntrt/wsk.h"
#include "verifier/consumer.h"

namespace softndk::verifier {
namespace {

constexpr NET_IFINDEX kIndex = 7;
constexpr WSK_CLIENT_DISPATCH kDispatch = {MAKE_WSK_VERSION(1, 0), 0, nullptr};

NDK_ADAPTER* g_real = nullptr;  ///< the instance that the miniport has open, one at a time

NDIS_STATUS open_instance(NDIS_HANDLE, PNDIS_OPEN_NDK_ADAPTER_PARAMETERS, NDK_ADAPTER** to) {
  *to = g_real = fake().open_adapter();
  return NDIS_STATUS_SUCCESS;
}
VOID close_instance(NDIS_HANDLE, NDK_ADAPTER* adapter) {
  EXPECT_EQ(adapter, g_real) << "a provider gets its own object back";
  fake().close_adapter(std::exchange(g_real, nullptr));
}

/// A miniport whose adapters are the fake provider's, and a consumer with WSK's NDK table.
class Host {
 public:
  Host() {
    miniport_.tables.ndk.OpenNDKAdapterHandler = open_instance;
    miniport_.tables.ndk.CloseNDKAdapterHandler = close_instance;
    EXPECT_TRUE(miniport_.load());
    EXPECT_EQ(miniport_.add(kIndex), NDIS_STATUS_SUCCESS);
    WSK_CLIENT_NPI npi = {nullptr, &kDispatch};
    EXPECT_EQ(WskRegister(&npi, &registration_), STATUS_SUCCESS);
    EXPECT_EQ(WskCaptureProviderNPI(&registration_, WSK_INFINITE_WAIT, &wsk_), STATUS_SUCCESS);
    EXPECT_EQ(wsk_.Dispatch->WskControlClient(wsk_.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, nullptr,
                                              sizeof ndk_, &ndk_, nullptr, nullptr),
              STATUS_SUCCESS);
  }
  ~Host() {
    WskReleaseProviderNPI(&registration_);
    WskDeregister(&registration_);
  }
  NTSTATUS open(NDK_ADAPTER** adapter) { return ndk_.WskOpenNdkAdapter(wsk_.Client, {2, 1}, kIndex, adapter); }
  void close(NDK_ADAPTER* adapter) { ndk_.WskCloseNdkAdapter(wsk_.Client, adapter); }

 private:
  ntrt::FakeProvider miniport_;
  WSK_REGISTRATION registration_ = {};
  WSK_PROVIDER_NPI wsk_ = {};
  WSK_PROVIDER_NDK_DISPATCH ndk_ = {};
};

/// The body runs in a started kernel.
class Install : public ntrt::KernelTest {
 protected:
  template <class Body>
  void run_with_provider(Body&& body) {
    run([&] {
      FakeProvider provider;
      {
        Host host;
        body(host);
      }
      uninstall();
      EXPECT_EQ(usage().shadows, 0u);
      EXPECT_EQ(usage().requests, 0u);
      EXPECT_EQ(provider.live_objects, 0u);
    });
  }
};
SOFTNDK_IN_BOTH_WORLDS(Install);

TEST_P(Install, ConsumersGetTheProvidersOwnAdapterWithoutUs) {
  run_with_provider([](Host& host) {
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open(&adapter), STATUS_SUCCESS);
    EXPECT_EQ(adapter, g_real);
    host.close(adapter);
  });
}

TEST_P(Install, ConsumersGetAWrappedAdapterOnceInstalled) {
  run_with_provider([](Host& host) {
    install();
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open(&adapter), STATUS_SUCCESS);
    EXPECT_NE(adapter, g_real);
    EXPECT_EQ(adapter->Header.ObjectType, NdkObjectTypeAdapter);
    NDK_CONNECTOR* connector = nullptr;
    ASSERT_EQ(adapter->Dispatch->NdkCreateConnector(adapter, Seen::created, nullptr, &connector), STATUS_SUCCESS);
    EXPECT_EQ(usage().shadows, 2u);
    EXPECT_EQ(fake().calls.back().words[0], word(g_real));
    close_now(&connector->Header);
    host.close(adapter);
  });
}

TEST_P(Install, AnInstanceStaysWrappedWhenTheVerifierIsUninstalled) {
  run_with_provider([](Host& host) {
    install();
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open(&adapter), STATUS_SUCCESS);
    uninstall();
    EXPECT_NE(adapter, g_real);
    NDK_PD* pd = nullptr;
    ASSERT_EQ(adapter->Dispatch->NdkCreatePd(adapter, Seen::created, nullptr, &pd), STATUS_SUCCESS);
    close_now(&pd->Header);
    host.close(adapter);
    ASSERT_EQ(host.open(&adapter), STATUS_SUCCESS);
    EXPECT_EQ(adapter, g_real);
    host.close(adapter);
  });
}

TEST_P(Install, WithoutMemoryForTheShadowTheOpenFailsAndTheProvidersInstanceIsClosed) {
  run_with_provider([](Host& host) {
    install();
    NDK_ADAPTER* adapter = reinterpret_cast<NDK_ADAPTER*>(kUntouched);
    // Every call that may fail, one after the other; the shadow is among them.
    bool failed_after_open = false;
    for (int nth = 1;; ++nth) {
      struct Countdown {
        int left;
        bool hit;
        bool opened;
      } countdown = {nth, false, false};
      set_fault_hook(
          [](void* context, const char*) noexcept {
            auto& count = *static_cast<Countdown*>(context);
            if (--count.left != 0) return false;
            count.hit = true;
            count.opened = g_real != nullptr;
            return true;
          },
          &countdown);
      const NTSTATUS status = host.open(&adapter);
      set_fault_hook(nullptr, nullptr);
      if (status == STATUS_SUCCESS) break;
      EXPECT_TRUE(countdown.hit);
      EXPECT_EQ(status, STATUS_INSUFFICIENT_RESOURCES);
      EXPECT_EQ(adapter, reinterpret_cast<NDK_ADAPTER*>(kUntouched));
      EXPECT_EQ(g_real, nullptr);
      failed_after_open = failed_after_open || countdown.opened;
    }
    EXPECT_TRUE(failed_after_open);
    host.close(adapter);
  });
}

TEST_P(Install, BeingInstalledUnderAnOpenAdapterIsOurOwnMistake) {
  GTEST_FLAG_SET(death_test_style, "fast");
  run_with_provider([](Host& host) {
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open(&adapter), STATUS_SUCCESS);
    EXPECT_DEATH(install(), "wsk_open_ndk_adapters");
    host.close(adapter);
  });
}

}  // namespace
}  // namespace softndk::verifier
