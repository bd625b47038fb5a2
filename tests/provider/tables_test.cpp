// Objects as the consumer sees them: headers, tables, and the functions that are not offered yet.
#include "provider/connector.h"
#include "provider/consumer.h"
#include "provider/dispatch.h"
#include "provider/mr.h"

namespace softndk::provider {
namespace {

template <class Table>
void expect_filled(const Table& table, std::size_t bytes) {
  EXPECT_EQ(sizeof table, bytes);
  const auto* slots = reinterpret_cast<void* const*>(&table);
  for (std::size_t i = 0; i < sizeof table / sizeof(void*); ++i)
    EXPECT_NE(slots[i], nullptr) << "slot " << i;
}

TEST(R_TBL_01, TablesAreOfFullLength) {
  expect_filled(kAdapterDispatch, 72);
  expect_filled(kCqDispatch, 56);
  expect_filled(kMrDispatch, 56);
  expect_filled(kQpDispatch, 88);
  expect_filled(kPdDispatch, 64);
  expect_filled(kConnectorDispatch, 104);
  expect_filled(kListenerDispatch, 40);
}

TEST(R_TBL_02, TheExFunctionsAreTheLastTwoOfTheConnectorTable) {
  EXPECT_EQ(offsetof(NDK_CONNECTOR_DISPATCH, NdkCompleteConnectEx), 0x58u);
  EXPECT_EQ(offsetof(NDK_CONNECTOR_DISPATCH, NdkAcceptEx), 0x60u);
}

TEST(R_OBJ_01, TheStructureIsAtTheObjectsOwnAddress) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    NDK_MR* mr = rig.mr(pd);
    NDK_CONNECTOR* connector = rig.connector();
    NDK_LISTENER* listener = rig.listener(nullptr, nullptr);
    EXPECT_EQ(static_cast<void*>(static_cast<NDK_ADAPTER*>(rig.adapter)), static_cast<void*>(rig.adapter));
    EXPECT_EQ(static_cast<void*>(static_cast<Pd*>(pd)), static_cast<void*>(pd));
    EXPECT_EQ(static_cast<void*>(static_cast<Cq*>(cq)), static_cast<void*>(cq));
    EXPECT_EQ(static_cast<void*>(static_cast<Qp*>(qp)), static_cast<void*>(qp));
    EXPECT_EQ(static_cast<void*>(static_cast<Mr*>(mr)), static_cast<void*>(mr));
    EXPECT_EQ(static_cast<void*>(static_cast<Connector*>(connector)), static_cast<void*>(connector));
    EXPECT_EQ(static_cast<void*>(static_cast<Listener*>(listener)), static_cast<void*>(listener));
    close(listener);
    close(connector);
    close(mr);
    close(qp);
    close(cq);
    close(pd);
  });
}

TEST(R_OBJ_06, ObjectsWorkWithAnotherTableInThem) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    const NDK_PD_DISPATCH* pd_table = pd->Dispatch;
    const NDK_CQ_DISPATCH* cq_table = cq->Dispatch;
    const NDK_QP_DISPATCH* qp_table = qp->Dispatch;
    pd->Dispatch = nullptr;  // a read through any of them would fault
    cq->Dispatch = nullptr;
    qp->Dispatch = nullptr;
    EXPECT_EQ(qp_table->NdkSend(qp, nullptr, nullptr, 0, 0), STATUS_SUCCESS);
    close(qp, qp_table->NdkCloseQp);
    close(cq, cq_table->NdkCloseCq);
    close(pd, pd_table->NdkClosePd);
  });
}

TEST(R_QEX_01, NoObjectHasAnExtension) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    GUID id{};
    NDK_EXTENSION_INTERFACE extension{&id};
    EXPECT_EQ(rig.ndk()->Dispatch->NdkQueryExtension(&rig.ndk()->Header, &id, {1, 0}, &extension),
              STATUS_NOT_SUPPORTED);
    EXPECT_EQ(pd->Dispatch->NdkQueryExtension(&pd->Header, &id, {1, 0}, &extension), STATUS_NOT_SUPPORTED);
    EXPECT_EQ(extension.Dispatch, &id);  // R-QEX-02
    close(pd);
  });
}

TEST(R_OBJ_08, WhatIsNotOfferedYetSaysSoAndDoesNothing) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    NDK_MR* mr = rig.mr(pd);
    NDK_CONNECTOR* connector = rig.connector();
    Seen seen;
    EXPECT_EQ(cq->Dispatch->NdkResizeCq(cq, 8, Seen::completed, &seen), STATUS_NOT_SUPPORTED);         // R-CQ-07
    EXPECT_EQ(cq->Dispatch->NdkControlCqInterruptModeration(cq, 20, MAXULONG), STATUS_NOT_SUPPORTED);  // R-MOD-10
    rig.device.capabilities.memory_windows = false;
    NDK_MW* mw = nullptr;
    EXPECT_EQ(pd->Dispatch->NdkCreateMw(pd, Seen::created, &seen, &mw), STATUS_NOT_SUPPORTED);
    rig.device.capabilities.fast_register_pages_max = 0;
    NDK_MR* fast = nullptr;
    EXPECT_EQ(pd->Dispatch->NdkCreateMr(pd, TRUE, Seen::created, &seen, &fast), STATUS_NOT_SUPPORTED);
    ntrt::flush_processors();
    EXPECT_EQ(seen.calls, 0);
    close(connector);
    close(mr);
    close(qp);
    close(cq);
    close(pd);
  });
}

TEST(R_IRQL_04, NullForAMandatoryCallbackIsRefusedInline) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    NDK_MR* mr = rig.mr(pd);
    NDK_CONNECTOR* connector = rig.connector();
    NDK_LISTENER* listener = rig.listener(nullptr, nullptr);
    SOCKADDR_IN address = ipv4("127.0.0.1:1");
    auto* sockaddr = reinterpret_cast<SOCKADDR*>(&address);
    EXPECT_EQ(mr->Dispatch->NdkRegisterMr(mr, nullptr, 1, 0, nullptr, nullptr), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(mr->Dispatch->NdkDeregisterMr(mr, nullptr, nullptr), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(connector->Dispatch->NdkConnect(connector, qp, sockaddr, sizeof address, sockaddr, sizeof address, 1, 1,
                                              nullptr, 0, nullptr, nullptr),
              STATUS_INVALID_PARAMETER);
    NDK_SHARED_ENDPOINT* endpoint = rig.shared_endpoint();
    EXPECT_EQ(connector->Dispatch->NdkConnectWithSharedEndpoint(connector, qp, endpoint, sockaddr, sizeof address, 1, 1,
                                                                nullptr, 0, nullptr, nullptr),
              STATUS_INVALID_PARAMETER);
    EXPECT_EQ(close(endpoint), STATUS_SUCCESS);
    NDK_SHARED_ENDPOINT* none = nullptr;
    EXPECT_EQ(
        rig.ndk()->Dispatch->NdkCreateSharedEndpoint(rig.ndk(), sockaddr, sizeof address, nullptr, nullptr, &none),
        STATUS_INVALID_PARAMETER);
    EXPECT_EQ(connector->Dispatch->NdkDisconnect(connector, nullptr, nullptr), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(connector->Dispatch->NdkCompleteConnect(connector, nullptr, nullptr, nullptr, nullptr),
              STATUS_INVALID_PARAMETER);
    EXPECT_EQ(listener->Dispatch->NdkListen(listener, sockaddr, sizeof address, nullptr, nullptr),
              STATUS_INVALID_PARAMETER);
    close(listener);
    close(connector);
    close(mr);
    close(qp);
    close(cq);
    close(pd);
  });
}

TEST(R_IRQL_01_DeathTest, CallsAboveDispatchLevelStopTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(simulate(
                   [] {
                     Rig rig;
                     ntrt::raise_irql(ntrt::kHighLevel, nullptr);
                     Seen seen;
                     NDK_PD* pd = nullptr;
                     rig.ndk()->Dispatch->NdkCreatePd(rig.ndk(), Seen::created, &seen, &pd);
                   },
                   1),
               "NdkCreatePd");
}

TEST(R_IRQL_02_DeathTest, QueryAdapterInfoNeedsPassiveLevel) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(simulate(
                   [] {
                     Rig rig;
                     ntrt::raise_irql(ntrt::kDispatchLevel, nullptr);
                     ULONG size = 0;
                     rig.ndk()->Dispatch->NdkQueryAdapterInfo(rig.ndk(), nullptr, &size);
                   },
                   1),
               "NdkQueryAdapterInfo");
}

}  // namespace
}  // namespace softndk::provider
