#include "tools/common/ndk_adapter.h"

#include <fmt/format.h>

namespace softndk::tools {
namespace {

// The provider reads it for as long as the registration lives.
constexpr WSK_CLIENT_DISPATCH kClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, nullptr};

Failure no_adapter(const char* call, NTSTATUS status, const std::string& object) {
  Failure failure = provider_failure(call, status, object);
  failure.exit_code = ExitCode::no_adapter;
  return failure;
}

}  // namespace

std::string Adapter::name() const {
  return fmt::format("adapter of interface {}", interface_index_);
}

Result<std::unique_ptr<Adapter>> Adapter::open(NET_IFINDEX interface_index) {
  std::unique_ptr<Adapter> adapter(new Adapter(interface_index));
  if (auto opened = adapter->open_here(); !opened) return tl::unexpected(opened.error());
  return adapter;
}

Result<void> Adapter::open_here() {
  WSK_CLIENT_NPI client = {this, &kClientDispatch};
  NTSTATUS status = WskRegister(&client, &registration_);
  if (!NT_SUCCESS(status)) return tl::unexpected(no_adapter("WskRegister", status, ""));
  registered_ = true;

  status = WskCaptureProviderNPI(&registration_, WSK_INFINITE_WAIT, &npi_);
  if (!NT_SUCCESS(status)) return tl::unexpected(no_adapter("WskCaptureProviderNPI", status, ""));
  captured_ = true;

  status = npi_.Dispatch->WskControlClient(npi_.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, nullptr,
                                           sizeof(wsk_ndk_), &wsk_ndk_, nullptr, nullptr);
  if (!NT_SUCCESS(status)) return tl::unexpected(no_adapter("WskControlClient", status, ""));

  status = wsk_ndk_.WskOpenNdkAdapter(npi_.Client, NDK_VERSION{2, 0}, interface_index_, &adapter_);
  if (!NT_SUCCESS(status)) {
    adapter_ = nullptr;
    return tl::unexpected(no_adapter("WskOpenNdkAdapter", status, name()));
  }

  ULONG bytes = sizeof(limits_);
  status = adapter_->Dispatch->NdkQueryAdapterInfo(adapter_, &limits_, &bytes);
  if (!NT_SUCCESS(status)) return tl::unexpected(no_adapter("NdkQueryAdapterInfo", status, name()));
  return {};
}

Adapter::~Adapter() {
  if (adapter_ != nullptr) wsk_ndk_.WskCloseNdkAdapter(npi_.Client, adapter_);
  if (captured_) WskReleaseProviderNPI(&registration_);
  if (registered_) WskDeregister(&registration_);
}

Result<std::unique_ptr<Pd>> Pd::create(const Adapter& adapter) {
  auto pd = std::make_unique<Pd>();
  const NTSTATUS status = pd->Object::create([&](auto completion, PVOID context, NDK_PD** out) {
    return adapter.get()->Dispatch->NdkCreatePd(adapter.get(), completion, context, out);
  });
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkCreatePd", status, adapter.name(), "R-CRT-06"));
  return pd;
}

}  // namespace softndk::tools
