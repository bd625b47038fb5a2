// Every slot of every table: the provider's function of the same slot is called once, objects are exchanged, callbacks
// are interposed, and everything else arrives as it was given.
#include <set>

#include "verifier/consumer.h"

namespace softndk::verifier {
namespace {

class R_WSK_03 : public VerifierTest {};

/// Compares what the provider got with what the consumer gave, word by word.
void expect_forwarded(Family& family, SlotId slot, const std::vector<Given>& arguments) {
  ASSERT_EQ(fake().calls.size(), 1u);
  const SlotCall& call = fake().calls.front();
  EXPECT_EQ(call.slot, slot);
  ASSERT_EQ(call.words.size(), 1 + arguments.size());
  EXPECT_EQ(call.words[0], word(family.real(slot.type))) << "the object itself";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::uint64_t got = call.words[i + 1];
    if (arguments[i].kind == Given::Kind::replaced) {
      EXPECT_NE(got, arguments[i].given) << "argument " << i + 2 << " is the consumer's own";
      EXPECT_NE(got, 0u) << "argument " << i + 2;
    } else {
      EXPECT_EQ(got, arguments[i].expected) << "argument " << i + 2;
    }
  }
}

/// The result that a function of that kind gives.
std::uint32_t returned(Outcome::Kind kind, NTSTATUS status, std::uint32_t number) {
  if (kind == Outcome::Kind::none) return 0;
  return kind == Outcome::Kind::status ? static_cast<std::uint32_t>(status) : number;
}

void add_slots(std::set<SlotId>& to, NDK_OBJECT_TYPE type, std::size_t table_bytes) {
  for (std::size_t offset = 0; offset < table_bytes; offset += sizeof(void*))
    to.insert({type, offset});
}

std::set<SlotId> all_slots() {
  std::set<SlotId> slots;
  add_slots(slots, NdkObjectTypeAdapter, sizeof(NDK_ADAPTER_DISPATCH));
  add_slots(slots, NdkObjectTypeQp, sizeof(NDK_QP_DISPATCH));
  add_slots(slots, NdkObjectTypeCq, sizeof(NDK_CQ_DISPATCH));
  add_slots(slots, NdkObjectTypeMr, sizeof(NDK_MR_DISPATCH));
  add_slots(slots, NdkObjectTypeMw, sizeof(NDK_MW_DISPATCH));
  add_slots(slots, NdkObjectTypePd, sizeof(NDK_PD_DISPATCH));
  add_slots(slots, NdkObjectTypeSharedEndpoint, sizeof(NDK_SHARED_ENDPOINT_DISPATCH));
  add_slots(slots, NdkObjectTypeConnector, sizeof(NDK_CONNECTOR_DISPATCH));
  add_slots(slots, NdkObjectTypeListener, sizeof(NDK_LISTENER_DISPATCH));
  add_slots(slots, NdkObjectTypeSrq, sizeof(NDK_SRQ_DISPATCH));
  return slots;
}

TEST_F(R_WSK_03, EverySlotReachesTheProviderWithRealObjectsAndArgumentsAsGiven) {
  std::set<SlotId> walked;
  for (const AnySlot& slot : every_slot()) {
    SCOPED_TRACE(name_of(slot.id));
    Family family(provider);
    provider.status = kSomeFailure;  // inline: nothing is made, nothing stays
    provider.number = 3;
    const Outcome outcome = slot.call(family);
    provider.status = STATUS_SUCCESS;
    EXPECT_EQ(outcome.result, returned(outcome.kind, kSomeFailure, 3));
    expect_forwarded(family, slot.id, outcome.arguments);
    EXPECT_EQ(usage().requests, 0u);
    EXPECT_EQ(usage().shadows, 10u) << "the family, and nothing for a call that failed";
    walked.insert(slot.id);
  }
  for (const NDK_OBJECT_TYPE type : kClosableTypes) {
    SCOPED_TRACE(name_of({type, 0}));
    Family family(provider);
    provider.completion = Completion::later;
    Seen seen;
    EXPECT_EQ(close(family.take(type), seen), STATUS_PENDING);
    expect_forwarded(family, {type, 0},
                     {{Given::Kind::replaced, word(&Seen::closed), 0}, {Given::Kind::replaced, word(&seen), 0}});
    provider.run_later();
    EXPECT_EQ(seen.calls, 1);
    provider.completion = Completion::inlined;
    walked.insert({type, 0});
  }
  EXPECT_EQ(walked, all_slots());
}

TEST_F(R_WSK_03, NoSlotIsNullAndNoObjectIsTheProvidersOwn) {
  Family family(provider);
  for (const SlotId slot : all_slots()) {
    SCOPED_TRACE(name_of(slot));
    const std::size_t index = slot.offset / sizeof(void*);
    const NDK_OBJECT_HEADER* object = family.get(slot.type);
    EXPECT_NE(slots_of(object, index + 1)[index], nullptr);
    EXPECT_NE(slots_of(object, index + 1)[index], slots_of(family.real(slot.type), index + 1)[index]);
    EXPECT_NE(object, family.real(slot.type));
    EXPECT_EQ(object->Version.Major, 2);
    EXPECT_EQ(object->Version.Minor, 1);
    EXPECT_EQ(object->ObjectType, slot.type);
    for (const PVOID reserved : object->NdkReserved.rf)
      EXPECT_EQ(reserved, nullptr);
  }
}

TEST_F(R_WSK_03, InvalidateTakesRegionsAndWindows) {
  Family family(provider);
  NDK_QP* qp = family.get<NDK_QP>();
  qp->Dispatch->NdkInvalidate(qp, nullptr, &family.get<NDK_MR>()->Header, 0);
  EXPECT_EQ(provider.calls.back().words[2], word(family.real<NDK_MR>()));
  qp->Dispatch->NdkInvalidate(qp, nullptr, &family.get<NDK_MW>()->Header, 0);
  EXPECT_EQ(provider.calls.back().words[2], word(family.real<NDK_MW>()));
}

TEST_F(R_WSK_03, NullObjectsStayNull) {
  // It is the provider that says what that means (R-IRQL-04).
  Family family(provider);
  NDK_QP* qp = family.get<NDK_QP>();
  provider.status = STATUS_INVALID_PARAMETER;
  EXPECT_EQ(qp->Dispatch->NdkBind(qp, nullptr, nullptr, nullptr, nullptr, 0, 0), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(provider.calls.back().words[2], 0u);
  EXPECT_EQ(provider.calls.back().words[3], 0u);
  EXPECT_EQ(qp->Dispatch->NdkInvalidate(qp, nullptr, nullptr, 0), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(provider.calls.back().words[2], 0u);
  NDK_PD* pd = family.get<NDK_PD>();
  EXPECT_EQ(pd->Dispatch->NdkCreateMw(pd, nullptr, nullptr, nullptr), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(provider.calls.back().words[1], 0u) << "the completion";
  EXPECT_EQ(provider.calls.back().words[3], 0u) << "the output";
  provider.status = STATUS_SUCCESS;
}

TEST_F(R_WSK_03, LamsPassThroughUnchanged) {
  Family family(provider);
  NDK_ADAPTER* adapter = family.get<NDK_ADAPTER>();
  NDK_LOGICAL_ADDRESS_MAPPING lam = {};
  lam.AdapterContext = &lam;
  ULONG bytes = sizeof lam, offset = 0;
  EXPECT_EQ(adapter->Dispatch->NdkBuildLAM(adapter, nullptr, 1, nullptr, nullptr, &lam, &bytes, &offset),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[5], word(&lam));
  EXPECT_EQ(provider.calls.back().words[6], word(&bytes));
  EXPECT_EQ(provider.calls.back().words[7], word(&offset));
  adapter->Dispatch->NdkReleaseLAM(adapter, &lam);
  EXPECT_EQ(provider.calls.back().words[1], word(&lam));
  EXPECT_EQ(lam.AdapterContext, &lam);
}

/// A provider whose CQ has one result of each kind.
ULONG one_result(NDK_CQ*, NDK_RESULT* results, ULONG room) {
  EXPECT_EQ(room, 4u);
  results[0] = {STATUS_CANCELLED, 7, reinterpret_cast<PVOID>(0x1), reinterpret_cast<PVOID>(0x2)};
  return 1;
}
ULONG one_result_ex(NDK_CQ*, NDK_RESULT_EX* results, ULONG room) {
  EXPECT_EQ(room, 4u);
  results[0] = {
      STATUS_SUCCESS, 9, reinterpret_cast<PVOID>(0x3), reinterpret_cast<PVOID>(0x4), NdkOperationTypeSend, 11, 13};
  return 1;
}

TEST_F(R_WSK_03, ResultsKeepTheContextsThatTheConsumerGave) {
  NDK_CQ_DISPATCH table = {};
  table.NdkGetCqResults = one_result;
  table.NdkGetCqResultsEx = one_result_ex;
  table.NdkCloseCq = [](NDK_OBJECT_HEADER*, NDK_FN_CLOSE_COMPLETION, PVOID) -> NTSTATUS { return STATUS_SUCCESS; };
  static NDK_CQ real;
  real = {};
  real.Header = {{2, 1}, NdkObjectTypeCq, {}};
  real.Dispatch = &table;
  NDK_ADAPTER_DISPATCH adapter_table = {};
  adapter_table.NdkCreateCq = [](NDK_ADAPTER*, ULONG, NDK_FN_CQ_NOTIFICATION_CALLBACK, PVOID, GROUP_AFFINITY*,
                                 NDK_FN_CREATE_COMPLETION, PVOID, NDK_CQ** cq) -> NTSTATUS {
    *cq = &real;
    return STATUS_SUCCESS;
  };
  NDK_ADAPTER real_adapter = {};
  real_adapter.Header = {{2, 1}, NdkObjectTypeAdapter, {}};
  real_adapter.Dispatch = &adapter_table;
  NDK_ADAPTER* adapter = wrap_adapter(&real_adapter);
  NDK_CQ* cq = nullptr;
  ASSERT_EQ(adapter->Dispatch->NdkCreateCq(adapter, 1, nullptr, nullptr, nullptr, Seen::created, nullptr, &cq),
            STATUS_SUCCESS);

  NDK_RESULT results[4] = {};
  ASSERT_EQ(cq->Dispatch->NdkGetCqResults(cq, results, 4), 1u);
  EXPECT_EQ(results[0].Status, STATUS_CANCELLED);
  EXPECT_EQ(results[0].BytesTransferred, 7u);
  EXPECT_EQ(results[0].QPContext, reinterpret_cast<PVOID>(0x1));
  EXPECT_EQ(results[0].RequestContext, reinterpret_cast<PVOID>(0x2));
  NDK_RESULT_EX results_ex[4] = {};
  ASSERT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, results_ex, 4), 1u);
  EXPECT_EQ(results_ex[0].QPContext, reinterpret_cast<PVOID>(0x3));
  EXPECT_EQ(results_ex[0].RequestContext, reinterpret_cast<PVOID>(0x4));
  EXPECT_EQ(results_ex[0].Type, NdkOperationTypeSend);
  EXPECT_EQ(results_ex[0].ProviderErrorCode, 11u);
  EXPECT_EQ(results_ex[0].TypeSpecificCompletionOutput, 13u);

  Seen seen;
  EXPECT_EQ(close(&cq->Header, seen), STATUS_SUCCESS);
  unwrap_adapter(adapter);
}

class R_OBJ_06 : public VerifierTest {};

TEST_F(R_OBJ_06, NeitherSidesDispatchIsReadAgain) {
  Family family(provider);
  NDK_QP* qp = family.get<NDK_QP>();
  const NDK_QP_DISPATCH* ours = qp->Dispatch;
  std::memset(qp->Header.NdkReserved.rf, 0xAB, sizeof qp->Header.NdkReserved.rf);
  qp->Dispatch = nullptr;
  family.real<NDK_QP>()->Dispatch = nullptr;
  EXPECT_EQ(ours->NdkSend(qp, nullptr, nullptr, 0, 0), STATUS_SUCCESS);
  EXPECT_EQ(provider.calls_of({NdkObjectTypeQp, offset_in(&NDK_QP_DISPATCH::NdkSend)}), 1u);
  for (const PVOID reserved : family.real<NDK_QP>()->Header.NdkReserved.rf)
    EXPECT_EQ(reserved, nullptr) << "what the consumer's side keeps there stays on its side";
  qp->Dispatch = ours;
}

class R_TBL_01 : public ::testing::TestWithParam<std::pair<USHORT, USHORT>> {};

/// Under AddressSanitizer this also shows that a provider's shorter table is not read beyond its end.
TEST_P(R_TBL_01, SlotsOfLaterVersionsAreNotSupported) {
  const NDK_VERSION version = {GetParam().first, GetParam().second};
  FakeProvider provider(version);
  {
    Family family(provider);
    const bool has_1_2 = version.Major > 1 || version.Minor >= 2;
    const bool has_2_1 = version.Major == 2 && version.Minor >= 1;
    provider.status = kSomeFailure;
    provider.number = 1;
    const std::map<SlotId, bool> present = {
        {{NdkObjectTypeCq, offsetof(NDK_CQ_DISPATCH, NdkGetCqResultsEx)}, has_1_2},
        {{NdkObjectTypeQp, offsetof(NDK_QP_DISPATCH, NdkSendAndInvalidate)}, has_1_2},
        {{NdkObjectTypeConnector, offsetof(NDK_CONNECTOR_DISPATCH, NdkCompleteConnectEx)}, has_2_1},
        {{NdkObjectTypeConnector, offsetof(NDK_CONNECTOR_DISPATCH, NdkAcceptEx)}, has_2_1},
    };
    for (const AnySlot& slot : every_slot()) {
      SCOPED_TRACE(name_of(slot.id));
      const bool there = !present.contains(slot.id) || present.at(slot.id);
      const Outcome outcome = slot.call(family);
      EXPECT_EQ(provider.calls_of(slot.id), there ? 1u : 0u);
      EXPECT_EQ(outcome.result,
                there ? returned(outcome.kind, kSomeFailure, 1) : returned(outcome.kind, STATUS_NOT_SUPPORTED, 0));
    }
    EXPECT_EQ(family.get<NDK_QP>()->Header.Version.Major, version.Major);
    EXPECT_EQ(family.get<NDK_QP>()->Header.Version.Minor, version.Minor);
    provider.status = STATUS_SUCCESS;
  }
  EXPECT_EQ(usage().shadows, 0u);
}
using Version = std::pair<USHORT, USHORT>;
INSTANTIATE_TEST_SUITE_P(Versions, R_TBL_01,
                         ::testing::Values(Version{1, 1}, Version{1, 2}, Version{2, 0}, Version{2, 1}));

class R_QEX_01 : public VerifierTest {};

TEST_F(R_QEX_01, AnExtensionWhoseTableWeDoNotKnowIsNotPassedOn) {
  Family family(provider);
  provider.offers_extension = true;
  const GUID id = {};
  NDK_EXTENSION_INTERFACE interface = {kUntouched};
  NDK_QP* qp = family.get<NDK_QP>();
  EXPECT_EQ(qp->Dispatch->NdkQueryExtension(&qp->Header, &id, {1, 0}, &interface), STATUS_NOT_SUPPORTED);
  EXPECT_EQ(interface.Dispatch, kUntouched);
  EXPECT_EQ(provider.calls.back().words[1], word(&id));
}

}  // namespace
}  // namespace softndk::verifier
