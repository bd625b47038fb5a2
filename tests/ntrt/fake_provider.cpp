#include "ntrt/fake_provider.h"

#include <new>

namespace softndk::ntrt {
namespace {

FakeProvider* g_self = nullptr;  // one at a time

NDIS_STATUS query(NDIS_OID_REQUEST::_REQUEST_DATA::_QUERY& query) {
  if (query.Oid != OID_NDK_STATISTICS) return NDIS_STATUS_INVALID_OID;
  if (query.InformationBufferLength < sizeof(NDIS_NDK_STATISTICS_INFO)) {
    query.BytesNeeded = sizeof(NDIS_NDK_STATISTICS_INFO);
    return NDIS_STATUS_BUFFER_TOO_SHORT;
  }
  NDIS_NDK_STATISTICS_INFO statistics = {};
  statistics.CounterSet.Connect = 42;
  std::memcpy(query.InformationBuffer, &statistics, sizeof statistics);
  query.BytesWritten = sizeof statistics;
  return NDIS_STATUS_SUCCESS;
}

NDIS_STATUS set(NDIS_OID_REQUEST::_REQUEST_DATA::_SET& set) {
  if (set.Oid != OID_NDK_SET_STATE) return NDIS_STATUS_INVALID_OID;
  if (set.InformationBufferLength != sizeof(BOOLEAN)) {
    set.BytesNeeded = sizeof(BOOLEAN);
    return NDIS_STATUS_INVALID_LENGTH;
  }
  set.BytesRead = sizeof(BOOLEAN);
  return NDIS_STATUS_SUCCESS;
}

}  // namespace

struct FakeProvider::Adapter {
  NDIS_HANDLE handle;
  NET_IFINDEX index;
};

FakeProvider::FakeProvider() {
  g_self = this;
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS& driver_table = tables.driver;
  driver_table.Header = {NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS,
                         NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2,
                         NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2};
  driver_table.MajorNdisVersion = 6;
  driver_table.MinorNdisVersion = 50;
  driver_table.SetOptionsHandler = set_options;
  driver_table.InitializeHandlerEx = initialize;
  driver_table.HaltHandlerEx = halt;
  driver_table.UnloadHandler = unload_handler;
  driver_table.OidRequestHandler = oid;
  tables.ndk.Header = {NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS, NDIS_NDK_PROVIDER_CHARACTERISTICS_REVISION_1,
                       NDIS_SIZEOF_NDK_PROVIDER_CHARACTERISTICS_REVISION_1};
  tables.ndk.OpenNDKAdapterHandler = open;
  tables.ndk.CloseNDKAdapterHandler = close;
  tables.attributes.Header = {NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES,
                              NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1,
                              NDIS_SIZEOF_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1};
  tables.attributes.Enabled = TRUE;
  tables.attributes.NdkCapabilities = &tables.capabilities;
  tables.capabilities.Header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_NDK_CAPABILITIES_REVISION_1,
                                NDIS_SIZEOF_NDK_CAPABILITIES_REVISION_1};
  tables.capabilities.MaxQpCount = 17;
  tables.capabilities.NdkInfo = &tables.info;
  tables.info.FRMRPageCount = 511;
}

FakeProvider::~FakeProvider() {
  unload();
  g_self = nullptr;
}

FakeProvider& FakeProvider::self() {
  return *g_self;
}

bool FakeProvider::load() {
  const auto loaded = load_driver(entry, "fake");
  entry_status = loaded ? STATUS_SUCCESS : loaded.error();
  if (loaded) driver = *loaded;
  return loaded.has_value();
}

void FakeProvider::unload() {
  if (driver) unload_driver(driver);
  driver = {};
}

NDIS_STATUS FakeProvider::add(NET_IFINDEX index, const char* alias) {
  return ndis_add_adapter(driver, {.index = index, .alias = alias, .description = "not ours"});
}

NDIS_STATUS FakeProvider::event(NET_IFINDEX index, NET_PNP_EVENT_CODE code) {
  NET_PNP_EVENT_NOTIFICATION notification = {};
  notification.Header = {NDIS_OBJECT_TYPE_DEFAULT, NET_PNP_EVENT_NOTIFICATION_REVISION_1,
                         NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_1};
  notification.NetPnPEvent.NetEvent = code;
  return NdisMNetPnPEvent(adapter_handles[index], &notification);
}

NTSTATUS FakeProvider::entry(PDRIVER_OBJECT object, PUNICODE_STRING path) {
  return NdisMRegisterMiniportDriver(object, path, &self(), &self().tables.driver, &self().driver_handle);
}

NDIS_STATUS FakeProvider::set_options(NDIS_HANDLE driver, NDIS_HANDLE context) {
  FakeProvider& self = *static_cast<FakeProvider*>(context);
  if (!self.with_ndk) return NDIS_STATUS_SUCCESS;
  self.set_options_status =
      NdisSetOptionalHandlers(driver, reinterpret_cast<PNDIS_DRIVER_OPTIONAL_HANDLERS>(&self.tables.ndk));
  return self.set_options_status;
}

NDIS_STATUS FakeProvider::initialize(NDIS_HANDLE handle, NDIS_HANDLE context,
                                     PNDIS_MINIPORT_INIT_PARAMETERS parameters) {
  FakeProvider& self = *static_cast<FakeProvider*>(context);
  if (self.initialize_status != NDIS_STATUS_SUCCESS) return self.initialize_status;
  auto* adapter = new Adapter{handle, parameters->IfIndex};
  NDIS_MINIPORT_ADAPTER_ATTRIBUTES registration = {};
  registration.RegistrationAttributes.Header = {NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES,
                                                NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1,
                                                NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1};
  registration.RegistrationAttributes.MiniportAdapterContext = adapter;
  NDIS_STATUS status = NdisMSetMiniportAttributes(handle, &registration);
  if (status == NDIS_STATUS_SUCCESS && self.with_attributes) {
    NDIS_MINIPORT_ADAPTER_ATTRIBUTES ndk = {};
    ndk.NDKAttributes = self.tables.attributes;
    status = self.attributes_status = NdisMSetMiniportAttributes(handle, &ndk);
  }
  if (status != NDIS_STATUS_SUCCESS) {
    delete adapter;
    return status;
  }
  self.adapter_handles[parameters->IfIndex] = handle;
  return NDIS_STATUS_SUCCESS;
}

VOID FakeProvider::halt(NDIS_HANDLE context, NDIS_HALT_ACTION) {
  ++self().halts;
  delete static_cast<Adapter*>(context);
}

VOID FakeProvider::unload_handler(PDRIVER_OBJECT) {
  ++self().unloads;
  NdisMDeregisterMiniportDriver(self().driver_handle);
}

NDIS_STATUS FakeProvider::oid(NDIS_HANDLE context, PNDIS_OID_REQUEST request) {
  FakeProvider& me = self();
  ++me.oids;
  const int at_once = ++me.oids_at_once;
  if (at_once > me.oids_at_once_max) me.oids_at_once_max = at_once;
  if (me.in_oid != nullptr) me.in_oid(me, static_cast<Adapter*>(context)->handle);
  NDIS_STATUS status = me.oid_status;
  if (status == NDIS_STATUS_SUCCESS) {
    status = request->RequestType == NdisRequestSetInformation ? set(request->DATA.SET_INFORMATION)
                                                               : query(request->DATA.QUERY_INFORMATION);
  }
  --me.oids_at_once;
  return status;
}

NDIS_STATUS FakeProvider::open(NDIS_HANDLE, PNDIS_OPEN_NDK_ADAPTER_PARAMETERS parameters, NDK_ADAPTER** to) {
  FakeProvider& me = self();
  ++me.opens;
  me.last_open = *parameters;
  if (parameters->Version.Major != 1 && parameters->Version.Major != 2) return NDIS_STATUS_BAD_VERSION;
  if (me.open_status != NDIS_STATUS_SUCCESS) return me.open_status;
  if (me.open_without_adapter) return NDIS_STATUS_SUCCESS;
  *to = new NDK_ADAPTER{};
  return NDIS_STATUS_SUCCESS;
}

VOID FakeProvider::close(NDIS_HANDLE, NDK_ADAPTER* adapter) {
  FakeProvider& me = self();
  if (me.close_waits_for != nullptr) me.close_waits_for->wait();
  ++me.closes;
  delete adapter;
}

}  // namespace softndk::ntrt
