#include "verifier/consumer.h"

namespace softndk::verifier {

Family::Family(FakeProvider& provider) {
  provider.last_made = nullptr;
  const auto unused = Unused<NDK_FN_CREATE_COMPLETION>::call;
  NDK_ADAPTER* real_adapter = provider.open_adapter();
  NDK_ADAPTER* adapter = wrap_adapter(real_adapter);
  made(STATUS_SUCCESS, adapter);
  NDK_CQ* cq = nullptr;
  made(adapter->Dispatch->NdkCreateCq(adapter, 8, Seen::completed, &cq_events, nullptr, unused, nullptr, &cq), cq);
  NDK_PD* pd = nullptr;
  made(adapter->Dispatch->NdkCreatePd(adapter, unused, nullptr, &pd), pd);
  NDK_SHARED_ENDPOINT* endpoint = nullptr;
  made(adapter->Dispatch->NdkCreateSharedEndpoint(adapter, nullptr, 0, unused, nullptr, &endpoint), endpoint);
  NDK_CONNECTOR* connector = nullptr;
  made(adapter->Dispatch->NdkCreateConnector(adapter, unused, nullptr, &connector), connector);
  NDK_LISTENER* listener = nullptr;
  made(adapter->Dispatch->NdkCreateListener(adapter, Seen::connect_event, &connect_events, unused, nullptr, &listener),
       listener);
  NDK_MR* mr = nullptr;
  made(pd->Dispatch->NdkCreateMr(pd, TRUE, unused, nullptr, &mr), mr);
  NDK_MW* mw = nullptr;
  made(pd->Dispatch->NdkCreateMw(pd, unused, nullptr, &mw), mw);
  NDK_SRQ* srq = nullptr;
  made(pd->Dispatch->NdkCreateSrq(pd, 1, 1, 1, Seen::completed, &srq_events, nullptr, unused, nullptr, &srq), srq);
  NDK_QP* qp = nullptr;
  made(pd->Dispatch->NdkCreateQp(pd, cq, cq, nullptr, 1, 1, 1, 1, 0, unused, nullptr, &qp), qp);
  provider.calls.clear();
}

Family::~Family() {
  for (const NDK_OBJECT_TYPE type : kClosableTypes) {
    if (get(type) != nullptr) close_now(take(type));
  }
  fake().close_adapter(real<NDK_ADAPTER>());
  unwrap_adapter(get<NDK_ADAPTER>());
}

#define SOFTNDK_SLOT(name, function) &NDK_##name##_DISPATCH::function

std::vector<AnySlot> every_slot() {
  return any_slots<
      SOFTNDK_SLOT(ADAPTER, NdkQueryExtension), SOFTNDK_SLOT(ADAPTER, NdkQueryAdapterInfo),
      SOFTNDK_SLOT(ADAPTER, NdkCreateCq), SOFTNDK_SLOT(ADAPTER, NdkCreatePd),
      SOFTNDK_SLOT(ADAPTER, NdkCreateSharedEndpoint), SOFTNDK_SLOT(ADAPTER, NdkCreateConnector),
      SOFTNDK_SLOT(ADAPTER, NdkCreateListener), SOFTNDK_SLOT(ADAPTER, NdkBuildLAM),
      SOFTNDK_SLOT(ADAPTER, NdkReleaseLAM), SOFTNDK_SLOT(CQ, NdkQueryExtension), SOFTNDK_SLOT(CQ, NdkResizeCq),
      SOFTNDK_SLOT(CQ, NdkArmCq), SOFTNDK_SLOT(CQ, NdkGetCqResults), SOFTNDK_SLOT(CQ, NdkControlCqInterruptModeration),
      SOFTNDK_SLOT(CQ, NdkGetCqResultsEx), SOFTNDK_SLOT(MR, NdkQueryExtension), SOFTNDK_SLOT(MR, NdkRegisterMr),
      SOFTNDK_SLOT(MR, NdkDeregisterMr), SOFTNDK_SLOT(MR, NdkInitializeFastRegisterMr),
      SOFTNDK_SLOT(MR, NdkGetRemoteTokenFromMr), SOFTNDK_SLOT(MR, NdkGetLocalTokenFromMr),
      SOFTNDK_SLOT(MW, NdkQueryExtension), SOFTNDK_SLOT(MW, NdkGetRemoteTokenFromMw),
      SOFTNDK_SLOT(SRQ, NdkQueryExtension), SOFTNDK_SLOT(SRQ, NdkModifySrq), SOFTNDK_SLOT(SRQ, NdkSrqReceive),
      SOFTNDK_SLOT(QP, NdkQueryExtension), SOFTNDK_SLOT(QP, NdkFlush), SOFTNDK_SLOT(QP, NdkSend),
      SOFTNDK_SLOT(QP, NdkReceive), SOFTNDK_SLOT(QP, NdkBind), SOFTNDK_SLOT(QP, NdkFastRegister),
      SOFTNDK_SLOT(QP, NdkInvalidate), SOFTNDK_SLOT(QP, NdkRead), SOFTNDK_SLOT(QP, NdkWrite),
      SOFTNDK_SLOT(QP, NdkSendAndInvalidate), SOFTNDK_SLOT(PD, NdkQueryExtension), SOFTNDK_SLOT(PD, NdkCreateMr),
      SOFTNDK_SLOT(PD, NdkCreateMw), SOFTNDK_SLOT(PD, NdkCreateSrq), SOFTNDK_SLOT(PD, NdkCreateQp),
      SOFTNDK_SLOT(PD, NdkCreateQpWithSrq), SOFTNDK_SLOT(PD, NdkGetPrivilegedMemoryRegionToken),
      SOFTNDK_SLOT(SHARED_ENDPOINT, NdkQueryExtension), SOFTNDK_SLOT(SHARED_ENDPOINT, NdkGetLocalAddress),
      SOFTNDK_SLOT(CONNECTOR, NdkQueryExtension), SOFTNDK_SLOT(CONNECTOR, NdkConnect),
      SOFTNDK_SLOT(CONNECTOR, NdkConnectWithSharedEndpoint), SOFTNDK_SLOT(CONNECTOR, NdkCompleteConnect),
      SOFTNDK_SLOT(CONNECTOR, NdkAccept), SOFTNDK_SLOT(CONNECTOR, NdkReject),
      SOFTNDK_SLOT(CONNECTOR, NdkGetConnectionData), SOFTNDK_SLOT(CONNECTOR, NdkGetLocalAddress),
      SOFTNDK_SLOT(CONNECTOR, NdkGetPeerAddress), SOFTNDK_SLOT(CONNECTOR, NdkDisconnect),
      SOFTNDK_SLOT(CONNECTOR, NdkCompleteConnectEx), SOFTNDK_SLOT(CONNECTOR, NdkAcceptEx),
      SOFTNDK_SLOT(LISTENER, NdkQueryExtension), SOFTNDK_SLOT(LISTENER, NdkListen),
      SOFTNDK_SLOT(LISTENER, NdkGetLocalAddress), SOFTNDK_SLOT(LISTENER, NdkControlConnectEvents)>();
}

std::vector<CreateSlot> create_slots() {
  return {create_slot<SOFTNDK_SLOT(ADAPTER, NdkCreateCq)>(),
          create_slot<SOFTNDK_SLOT(ADAPTER, NdkCreatePd)>(),
          create_slot<SOFTNDK_SLOT(ADAPTER, NdkCreateSharedEndpoint)>(),
          create_slot<SOFTNDK_SLOT(ADAPTER, NdkCreateConnector)>(),
          create_slot<SOFTNDK_SLOT(ADAPTER, NdkCreateListener)>(),
          create_slot<SOFTNDK_SLOT(PD, NdkCreateMr)>(),
          create_slot<SOFTNDK_SLOT(PD, NdkCreateMw)>(),
          create_slot<SOFTNDK_SLOT(PD, NdkCreateSrq)>(),
          create_slot<SOFTNDK_SLOT(PD, NdkCreateQp)>(),
          create_slot<SOFTNDK_SLOT(PD, NdkCreateQpWithSrq)>()};
}

std::vector<RequestSlot> request_slots() {
  return {request_slot<SOFTNDK_SLOT(CQ, NdkResizeCq)>(),
          request_slot<SOFTNDK_SLOT(MR, NdkRegisterMr)>(),
          request_slot<SOFTNDK_SLOT(MR, NdkDeregisterMr)>(),
          request_slot<SOFTNDK_SLOT(MR, NdkInitializeFastRegisterMr)>(),
          request_slot<SOFTNDK_SLOT(SRQ, NdkModifySrq)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkConnect)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkConnectWithSharedEndpoint)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkCompleteConnect)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkAccept)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkDisconnect)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkCompleteConnectEx)>(),
          request_slot<SOFTNDK_SLOT(CONNECTOR, NdkAcceptEx)>(),
          request_slot<SOFTNDK_SLOT(LISTENER, NdkListen)>()};
}

}  // namespace softndk::verifier
