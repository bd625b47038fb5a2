#include "provider/adapter.h"

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/explain_wait.h"
#include "ntrt/irql.h"
#include "provider/dispatch.h"

namespace softndk::provider {

const ObjectType Adapter::kType = {
    .name = "adapter",
    .ndk_type = NdkObjectTypeAdapter,
    .begin_close = [](Object&) noexcept { SOFTNDK_UNREACHABLE(); },  // R-NDIS-01
    .retire = Adapter::retire,
    .destroy = [](Object&) noexcept { SOFTNDK_UNREACHABLE(); },
    .describe =
        [](const Object& object, ntrt::NodeText& to) noexcept {
          const auto& self = static_cast<const Adapter&>(object);
          to.interface_index = self.miniport().interface_index();
          to.add(", interface %u, NDK %u.%u", to.interface_index, self.version().Major, self.version().Minor);
        },
};

Adapter::Adapter(MiniportAdapter& miniport, NDK_VERSION version) noexcept
    : NDK_ADAPTER{},
      Object(kType, *this),
      miniport_(miniport),
      info_(make_adapter_info(miniport.caps(), miniport.settings(), version)) {
  init_header(Header, NdkObjectTypeAdapter, version);
  Dispatch = &kAdapterDispatch;
}

expected<Adapter*, NTSTATUS> Adapter::open(MiniportAdapter& miniport, NDK_VERSION version) noexcept {
  Owned<Adapter> adapter = try_make<Adapter>(miniport, version);
  if (adapter == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  adapter->publish(ntrt::take_origin(nullptr));
  return adapter.release();
}

void Adapter::close_and_wait() noexcept {
  if (ntrt::current_irql() != ntrt::kPassiveLevel) {
    // Inside a callback it would wait for that callback's return.
    ntrt::bug_check(ntrt::BugCode::irql_not_less_or_equal,
                    "an NDK adapter is closed at IRQL %u, perhaps inside a callback: its close waits until every "
                    "callback has returned (R-CLS-14); close it from a thread at PASSIVE_LEVEL",
                    ntrt::current_irql());
  }
  const io::TimeNs since_ns = ntrt::now_ns();
  closing_since_ns_.store(since_ns, std::memory_order_relaxed);
  release(RefReason::consumer);
  unreferenced_.wait_and_explain([&] {
    ntrt::explain_blocked_call(ndk(),
                               "WskCloseNdkAdapter has waited for %s: it returns when every object of the adapter is "
                               "closed and every callback has returned. What is there:",
                               ntrt::DurationText(ntrt::now_ns() - since_ns).text);
  });
  lams_.release_all();
  node().remove();
  Owned<Adapter> gone(this);
}

void Adapter::retire(Object& object) noexcept {
  static_cast<Adapter&>(object).unreferenced_.open();
}

NTSTATUS Adapter::check_creatable() const noexcept {
  return miniport_.is_enabled() ? STATUS_SUCCESS : STATUS_DEVICE_NOT_READY;
}

Completions& completions_of(Adapter& adapter) noexcept {
  return adapter.miniport().completions();
}
Completions& completions_of(Object& object) noexcept {
  return completions_of(object.adapter());
}

void publish(NDK_OBJECT_HEADER& header, const ntrt::CallOrigin& origin) noexcept {
  Object::from(header).publish(origin);
}

}  // namespace softndk::provider
