#include "verifier/fake_provider.h"

#include <cstdlib>
#include <utility>

namespace softndk::verifier {
namespace {

FakeProvider* g_fake = nullptr;

template <class Table, class Member, class... Args>
void record(Member Table::*slot, const Args&... args) {
  const NDK_OBJECT_TYPE type = kTypeOf<typename OwnerOfTable<Table>::Ndk>;
  fake().calls.push_back({{type, offset_in(slot)}, {word(args)...}});
}

/// Any function whose result is its return value.
template <auto slot>
struct Plain;
template <class Table, class Result, class... Args, Result (*Table::*slot)(Args...)>
struct Plain<slot> {
  static Result call(Args... args) {
    record(slot, args...);
    if constexpr (std::is_same_v<Result, NTSTATUS>) {
      return fake().status;
    } else if constexpr (!std::is_void_v<Result>) {
      return fake().number;
    }
  }
};
template <auto slot>
constexpr auto plain = Plain<slot>::call;

template <class Ndk>
NTSTATUS query_extension(NDK_OBJECT_HEADER* object, const GUID* id, NDK_VERSION version,
                         NDK_EXTENSION_INTERFACE* interface) {
  record(&TableOf<Ndk>::NdkQueryExtension, object, id, version, interface);
  if (!fake().offers_extension) return fake().status;
  interface->Dispatch = object;
  return STATUS_SUCCESS;
}

/// Requests: (..., completion, context).
template <auto slot>
struct Request;
template <class Table, class... Args, NTSTATUS (*Table::*slot)(Args...)>
struct Request<slot> {
  static NTSTATUS call(Args... args) {
    record(slot, args...);
    const std::tuple<Args...> arguments(args...);
    const auto completion = std::get<sizeof...(Args) - 2>(arguments);
    const PVOID context = std::get<sizeof...(Args) - 1>(arguments);
    const NTSTATUS status = fake().status;
    return fake().deliver(status, [=] { completion(context, status); });
  }
};
template <auto slot>
constexpr auto request = Request<slot>::call;

/// Requests that end a connection's set-up: (connector, ..., event, event context, completion, context).
template <auto slot>
struct Establish;
template <class... Args, NTSTATUS (*NDK_CONNECTOR_DISPATCH::*slot)(NDK_CONNECTOR*, Args...)>
struct Establish<slot> {
  static NTSTATUS call(NDK_CONNECTOR* connector, Args... args) {
    const std::tuple<Args...> arguments(args...);
    const auto event = std::get<sizeof...(Args) - 4>(arguments);
    if (fake().status == STATUS_SUCCESS) {  // a call that fails disturbs nothing
      auto* object = static_cast<FakeObject<NDK_CONNECTOR>*>(connector);
      object->event = reinterpret_cast<void (*)()>(event);
      object->event_context = std::get<sizeof...(Args) - 3>(arguments);
      object->event_has_reason =
          std::is_same_v<std::remove_const_t<decltype(event)>, NDK_FN_DISCONNECT_EVENT_CALLBACK_EX>;
    }
    return Request<slot>::call(connector, args...);
  }
};
template <auto slot>
constexpr auto establish = Establish<slot>::call;

NTSTATUS build_lam(NDK_ADAPTER* adapter, MDL* mdl, SIZE_T length, NDK_FN_REQUEST_COMPLETION completion, PVOID context,
                   NDK_LOGICAL_ADDRESS_MAPPING* lam, ULONG* bytes, ULONG* offset) {
  record(&NDK_ADAPTER_DISPATCH::NdkBuildLAM, adapter, mdl, length, completion, context, lam, bytes, offset);
  const NTSTATUS status = fake().status;
  if (completion == nullptr) return status;
  return fake().deliver(status, [=] { completion(context, status); });
}

/// Creates: (..., completion, context, output). An object's event callback, if it has one, is the first function among
/// the arguments before those.
template <class Ndk, std::size_t index = 0, class Tuple>
void take_event(FakeObject<Ndk>& object, const Tuple& arguments) {
  if constexpr (index + 4 < std::tuple_size_v<Tuple>) {
    using Argument = std::tuple_element_t<index, Tuple>;
    if constexpr (std::is_function_v<std::remove_pointer_t<Argument>>) {
      object.event = reinterpret_cast<void (*)()>(std::get<index>(arguments));
      object.event_context = std::get<index + 1>(arguments);
    } else {
      take_event<Ndk, index + 1>(object, arguments);
    }
  }
}

template <auto slot>
struct Create;
template <class Table, class... Args, NTSTATUS (*Table::*slot)(Args...)>
struct Create<slot> {
  static NTSTATUS call(Args... args) {
    record(slot, args...);
    const std::tuple<Args...> arguments(args...);
    constexpr std::size_t n = sizeof...(Args);
    const auto completion = std::get<n - 3>(arguments);
    const PVOID context = std::get<n - 2>(arguments);
    const auto output = std::get<n - 1>(arguments);
    using Ndk = std::remove_reference_t<decltype(**output)>;
    const NTSTATUS status = fake().status;
    FakeObject<Ndk>* object = nullptr;
    if (status == STATUS_SUCCESS) {
      object = fake().make<Ndk>();
      take_event(*object, arguments);
      if (fake().completion == Completion::inlined) *output = object;
    }
    return fake().deliver(status, [=] { completion(context, status, object == nullptr ? nullptr : &object->Header); });
  }
};
template <auto slot>
constexpr auto create = Create<slot>::call;

template <class Ndk, auto slot>
NTSTATUS close(NDK_OBJECT_HEADER* header, NDK_FN_CLOSE_COMPLETION completion, PVOID context) {
  record(slot, header, completion, context);
  Ndk* object = reinterpret_cast<Ndk*>(header);
  if (fake().completion == Completion::inlined) {
    fake().destroy(object);
    return STATUS_SUCCESS;
  }
  return fake().deliver(STATUS_SUCCESS, [=] {
    completion(context);
    fake().destroy(object);
  });
}

constexpr NDK_ADAPTER_DISPATCH kAdapter = {
    query_extension<NDK_ADAPTER>,
    plain<&NDK_ADAPTER_DISPATCH::NdkQueryAdapterInfo>,
    create<&NDK_ADAPTER_DISPATCH::NdkCreateCq>,
    create<&NDK_ADAPTER_DISPATCH::NdkCreatePd>,
    create<&NDK_ADAPTER_DISPATCH::NdkCreateSharedEndpoint>,
    create<&NDK_ADAPTER_DISPATCH::NdkCreateConnector>,
    create<&NDK_ADAPTER_DISPATCH::NdkCreateListener>,
    build_lam,
    plain<&NDK_ADAPTER_DISPATCH::NdkReleaseLAM>,
};
constexpr NDK_CQ_DISPATCH kCq = {
    close<NDK_CQ, &NDK_CQ_DISPATCH::NdkCloseCq>, query_extension<NDK_CQ>,
    request<&NDK_CQ_DISPATCH::NdkResizeCq>,      plain<&NDK_CQ_DISPATCH::NdkArmCq>,
    plain<&NDK_CQ_DISPATCH::NdkGetCqResults>,    plain<&NDK_CQ_DISPATCH::NdkControlCqInterruptModeration>,
    plain<&NDK_CQ_DISPATCH::NdkGetCqResultsEx>,
};
constexpr NDK_MR_DISPATCH kMr = {
    close<NDK_MR, &NDK_MR_DISPATCH::NdkCloseMr>,
    query_extension<NDK_MR>,
    request<&NDK_MR_DISPATCH::NdkRegisterMr>,
    request<&NDK_MR_DISPATCH::NdkDeregisterMr>,
    request<&NDK_MR_DISPATCH::NdkInitializeFastRegisterMr>,
    plain<&NDK_MR_DISPATCH::NdkGetRemoteTokenFromMr>,
    plain<&NDK_MR_DISPATCH::NdkGetLocalTokenFromMr>,
};
constexpr NDK_MW_DISPATCH kMw = {
    close<NDK_MW, &NDK_MW_DISPATCH::NdkCloseMw>,
    query_extension<NDK_MW>,
    plain<&NDK_MW_DISPATCH::NdkGetRemoteTokenFromMw>,
};
constexpr NDK_SRQ_DISPATCH kSrq = {
    close<NDK_SRQ, &NDK_SRQ_DISPATCH::NdkCloseSrq>,
    query_extension<NDK_SRQ>,
    request<&NDK_SRQ_DISPATCH::NdkModifySrq>,
    plain<&NDK_SRQ_DISPATCH::NdkSrqReceive>,
};
constexpr NDK_QP_DISPATCH kQp = {
    close<NDK_QP, &NDK_QP_DISPATCH::NdkCloseQp>,
    query_extension<NDK_QP>,
    plain<&NDK_QP_DISPATCH::NdkFlush>,
    plain<&NDK_QP_DISPATCH::NdkSend>,
    plain<&NDK_QP_DISPATCH::NdkReceive>,
    plain<&NDK_QP_DISPATCH::NdkBind>,
    plain<&NDK_QP_DISPATCH::NdkFastRegister>,
    plain<&NDK_QP_DISPATCH::NdkInvalidate>,
    plain<&NDK_QP_DISPATCH::NdkRead>,
    plain<&NDK_QP_DISPATCH::NdkWrite>,
    plain<&NDK_QP_DISPATCH::NdkSendAndInvalidate>,
};
constexpr NDK_PD_DISPATCH kPd = {
    close<NDK_PD, &NDK_PD_DISPATCH::NdkClosePd>,  query_extension<NDK_PD>,
    create<&NDK_PD_DISPATCH::NdkCreateMr>,        create<&NDK_PD_DISPATCH::NdkCreateMw>,
    create<&NDK_PD_DISPATCH::NdkCreateSrq>,       create<&NDK_PD_DISPATCH::NdkCreateQp>,
    create<&NDK_PD_DISPATCH::NdkCreateQpWithSrq>, plain<&NDK_PD_DISPATCH::NdkGetPrivilegedMemoryRegionToken>,
};
constexpr NDK_SHARED_ENDPOINT_DISPATCH kSharedEndpoint = {
    close<NDK_SHARED_ENDPOINT, &NDK_SHARED_ENDPOINT_DISPATCH::NdkCloseSharedEndpoint>,
    query_extension<NDK_SHARED_ENDPOINT>,
    plain<&NDK_SHARED_ENDPOINT_DISPATCH::NdkGetLocalAddress>,
};
constexpr NDK_CONNECTOR_DISPATCH kConnector = {
    close<NDK_CONNECTOR, &NDK_CONNECTOR_DISPATCH::NdkCloseConnector>,
    query_extension<NDK_CONNECTOR>,
    request<&NDK_CONNECTOR_DISPATCH::NdkConnect>,
    request<&NDK_CONNECTOR_DISPATCH::NdkConnectWithSharedEndpoint>,
    establish<&NDK_CONNECTOR_DISPATCH::NdkCompleteConnect>,
    establish<&NDK_CONNECTOR_DISPATCH::NdkAccept>,
    plain<&NDK_CONNECTOR_DISPATCH::NdkReject>,
    plain<&NDK_CONNECTOR_DISPATCH::NdkGetConnectionData>,
    plain<&NDK_CONNECTOR_DISPATCH::NdkGetLocalAddress>,
    plain<&NDK_CONNECTOR_DISPATCH::NdkGetPeerAddress>,
    request<&NDK_CONNECTOR_DISPATCH::NdkDisconnect>,
    establish<&NDK_CONNECTOR_DISPATCH::NdkCompleteConnectEx>,
    establish<&NDK_CONNECTOR_DISPATCH::NdkAcceptEx>,
};
constexpr NDK_LISTENER_DISPATCH kListener = {
    close<NDK_LISTENER, &NDK_LISTENER_DISPATCH::NdkCloseListener>,
    query_extension<NDK_LISTENER>,
    request<&NDK_LISTENER_DISPATCH::NdkListen>,
    plain<&NDK_LISTENER_DISPATCH::NdkGetLocalAddress>,
    plain<&NDK_LISTENER_DISPATCH::NdkControlConnectEvents>,
};

}  // namespace

FakeProvider& fake() {
  if (g_fake == nullptr) std::abort();
  return *g_fake;
}

template <class Table>
void FakeProvider::keep_table(const Table& whole, std::size_t bytes) {
  auto copy = std::make_unique<std::uint8_t[]>(bytes);
  std::memcpy(copy.get(), &whole, bytes);
  tables_[kTypeOf<typename OwnerOfTable<Table>::Ndk>] = std::move(copy);
}

FakeProvider::FakeProvider(NDK_VERSION version) : version_(version) {
  g_fake = this;
  const bool has_1_2 = version.Major > 1 || version.Minor >= 2;
  const bool has_2_1 = version.Major > 2 || (version.Major == 2 && version.Minor >= 1);
  keep_table(kAdapter, sizeof kAdapter);
  keep_table(kCq, has_1_2 ? 56 : 48);
  keep_table(kMr, sizeof kMr);
  keep_table(kMw, sizeof kMw);
  keep_table(kSrq, sizeof kSrq);
  keep_table(kQp, has_1_2 ? 88 : 80);
  keep_table(kPd, sizeof kPd);
  keep_table(kSharedEndpoint, sizeof kSharedEndpoint);
  keep_table(kConnector, has_2_1 ? 104 : 88);
  keep_table(kListener, sizeof kListener);
}

FakeProvider::~FakeProvider() {
  g_fake = nullptr;
}

std::size_t FakeProvider::calls_of(SlotId slot) const {
  std::size_t count = 0;
  for (const SlotCall& call : calls)
    count += call.slot == slot ? 1 : 0;
  return count;
}

NDK_ADAPTER* FakeProvider::open_adapter() {
  return make<NDK_ADAPTER>();
}

void FakeProvider::close_adapter(NDK_ADAPTER* adapter) {
  destroy(adapter);
}

NTSTATUS FakeProvider::deliver(NTSTATUS result, std::function<void()> callback) {
  switch (completion) {
    case Completion::inlined:
      return result;
    case Completion::nested:
      callback();
      if (after_callback) std::exchange(after_callback, nullptr)();
      break;
    case Completion::early:
      std::thread(callback).join();
      break;
    case Completion::later:
      later_.push_back(std::move(callback));
      break;
  }
  return STATUS_PENDING;
}

void FakeProvider::run_later() {
  while (!later_.empty()) {
    const std::function<void()> callback = std::move(later_.front());
    later_.pop_front();
    callback();
  }
}

void FakeProvider::notify(NDK_CQ* cq, NTSTATUS cq_status) {
  auto* object = static_cast<FakeObject<NDK_CQ>*>(cq);
  reinterpret_cast<NDK_FN_CQ_NOTIFICATION_CALLBACK>(object->event)(object->event_context, cq_status);
}

void FakeProvider::notify(NDK_SRQ* srq, NTSTATUS srq_status) {
  auto* object = static_cast<FakeObject<NDK_SRQ>*>(srq);
  reinterpret_cast<NDK_FN_SRQ_NOTIFICATION_CALLBACK>(object->event)(object->event_context, srq_status);
}

NDK_CONNECTOR* FakeProvider::connect(NDK_LISTENER* listener) {
  auto* object = static_cast<FakeObject<NDK_LISTENER>*>(listener);
  NDK_CONNECTOR* connector = make<NDK_CONNECTOR>();
  reinterpret_cast<NDK_FN_CONNECT_EVENT_CALLBACK>(object->event)(object->event_context, connector);
  return connector;
}

void FakeProvider::disconnect(NDK_CONNECTOR* connector, ULONG reason) {
  auto* object = static_cast<FakeObject<NDK_CONNECTOR>*>(connector);
  if (object->event == nullptr) return;
  if (object->event_has_reason) {
    reinterpret_cast<NDK_FN_DISCONNECT_EVENT_CALLBACK_EX>(object->event)(object->event_context, reason);
  } else {
    reinterpret_cast<NDK_FN_DISCONNECT_EVENT_CALLBACK>(object->event)(object->event_context);
  }
}

}  // namespace softndk::verifier
