#pragma once
// The bookkeeping of WSK clients and of the NDK instances they hold. Private to wsk*.cpp.
#include "base/alloc.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "ntrt/change_waiters.h"
#include "ntrt/wsk.h"

namespace softndk::ntrt {

/// An NDK_ADAPTER that a client opened: what the client sees, and what the provider made.
struct WskInstance : ListLink {
  NDK_ADAPTER* outer = nullptr;
  NDK_ADAPTER* inner = nullptr;
  NET_IFINDEX index = 0;
  NDK_VERSION version = {};
  void* opened_by = nullptr;
  NdkInterposer interposer;  ///< the one it was opened with
  bool closing = false;
};

/// From WskRegister to the end of WskDeregister. PWSK_CLIENT points to it, and is believed only if it is in the list.
struct WskClient : ListLink {
  const WSK_REGISTRATION* registration = nullptr;  ///< its address tells clients apart; its content is not trusted
  WSK_CLIENT_NPI npi = {};
  void* registered_by = nullptr;
  std::uint32_t captures = 0;
  std::uint32_t opens_in_progress = 0;
  bool deregistering = false;
  bool releasing = false;  ///< the last capture's release is waiting: no open from here on
  IntrusiveList<WskInstance> instances;

  bool holds_ndk() const { return opens_in_progress != 0 || !instances.empty(); }
};

struct WskState {
  Mutex mutex;
  IntrusiveList<WskClient> clients SOFTNDK_GUARDED_BY(mutex);
  ChangeWaiters waiters{"a WSK client to let go of what it holds"};
  NdkInterposer interposer SOFTNDK_GUARDED_BY(mutex);

  /// The live client of a registration or of a PWSK_CLIENT; null if there is none.
  WskClient* find(const WSK_REGISTRATION* registration) noexcept SOFTNDK_REQUIRES(mutex);
  WskClient* find(PWSK_CLIENT client) noexcept SOFTNDK_REQUIRES(mutex);
};
extern WskState g_wsk;

/// The provider's table that WskCaptureProviderNPI hands out.
extern const WSK_PROVIDER_DISPATCH kWskProviderDispatch;

/// A consumer's call that cannot be served as it stands: an error line with the caller's name.
void report_wsk_misuse(const char* call, const char* mistake, void* caller) noexcept;

/// What `client` holds, to the log: a wait for it has lasted long.
void log_holdings(const WskClient* client, const char* waiting_call) noexcept;

}  // namespace softndk::ntrt
