// What the mini-NDIS demands of the structures a miniport hands in. A field that is wrong is named in the log, because
// NDIS_STATUS_BAD_CHARACTERISTICS alone has cost people days.
#include "base/log.h"
#include "ntrt/ndis_adapter.h"

namespace softndk::ntrt {
namespace {

/// Says which field of which structure is wrong and what was expected.
class Check {
 public:
  explicit Check(const char* structure) : structure_(structure) {}
  Check& field(const char* name, unsigned long long is, unsigned long long wanted) {
    if (is != wanted) fail(name, is, wanted);
    return *this;
  }
  Check& at_least(const char* name, unsigned long long is, unsigned long long least) {
    if (is < least) fail(name, is, least);
    return *this;
  }
  Check& present(const char* name, bool is_present) {
    if (!is_present && good_) {
      log(LogLevel::error, "NDIS: %s: %s is NULL", structure_, name);
      good_ = false;
    }
    return *this;
  }
  bool good() const { return good_; }
  NDIS_STATUS status() const { return good_ ? NDIS_STATUS_SUCCESS : NDIS_STATUS_BAD_CHARACTERISTICS; }

 private:
  void fail(const char* name, unsigned long long is, unsigned long long wanted) {
    if (good_) log(LogLevel::error, "NDIS: %s: %s is 0x%llx, expected 0x%llx", structure_, name, is, wanted);
    good_ = false;
  }
  const char* structure_;
  bool good_ = true;
};

Check& header(Check& check, const NDIS_OBJECT_HEADER& is, unsigned type, unsigned revision, std::size_t size) {
  return check.field("Header.Type", is.Type, type)
      .field("Header.Revision", is.Revision, revision)
      .field("Header.Size", is.Size, size);
}

}  // namespace

NDIS_STATUS check_ndk_characteristics(const NDIS_NDK_PROVIDER_CHARACTERISTICS& is) noexcept {
  Check check("NDIS_NDK_PROVIDER_CHARACTERISTICS");
  header(check, is.Header, NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS, NDIS_NDK_PROVIDER_CHARACTERISTICS_REVISION_1,
         NDIS_SIZEOF_NDK_PROVIDER_CHARACTERISTICS_REVISION_1)
      .field("Flags", is.Flags, 0)
      .present("OpenNDKAdapterHandler", is.OpenNDKAdapterHandler != nullptr)
      .present("CloseNDKAdapterHandler", is.CloseNDKAdapterHandler != nullptr);
  return check.status();
}

NDIS_STATUS check_ndk_attributes(const NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES& is) noexcept {
  Check check("NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES");
  header(check, is.Header, NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES,
         NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1, NDIS_SIZEOF_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1)
      .present("NdkCapabilities", is.NdkCapabilities != nullptr);
  if (!check.good()) return check.status();
  Check inner("NDIS_NDK_CAPABILITIES");
  header(inner, is.NdkCapabilities->Header, NDIS_OBJECT_TYPE_DEFAULT, NDIS_NDK_CAPABILITIES_REVISION_1,
         NDIS_SIZEOF_NDK_CAPABILITIES_REVISION_1)
      .field("Flags", is.NdkCapabilities->Flags, 0)
      .present("NdkInfo", is.NdkCapabilities->NdkInfo != nullptr);
  return inner.status();
}

NDIS_STATUS check_driver_characteristics(const NDIS_MINIPORT_DRIVER_CHARACTERISTICS& is) noexcept {
  if (is.MajorNdisVersion != 6) {
    log(LogLevel::error, "NDIS: NDIS_MINIPORT_DRIVER_CHARACTERISTICS: MajorNdisVersion is %u; only 6 is served",
        is.MajorNdisVersion);
    return NDIS_STATUS_BAD_VERSION;
  }
  std::size_t size = NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1;
  if (is.Header.Revision == NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2)
    size = NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2;
  if (is.Header.Revision >= NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_3)
    size = NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_3;
  Check check("NDIS_MINIPORT_DRIVER_CHARACTERISTICS");
  check.field("Header.Type", is.Header.Type, NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS)
      .at_least("Header.Revision", is.Header.Revision, NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_1)
      .at_least("Header.Size", is.Header.Size, size)
      .present("InitializeHandlerEx", is.InitializeHandlerEx != nullptr)
      .present("HaltHandlerEx", is.HaltHandlerEx != nullptr)
      .present("UnloadHandler", is.UnloadHandler != nullptr)
      .present("OidRequestHandler", is.OidRequestHandler != nullptr);
  return check.status();
}

}  // namespace softndk::ntrt
