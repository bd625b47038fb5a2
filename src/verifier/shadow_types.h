#pragma once
// What the shadows of some types keep besides: the consumer's event callbacks, and records of requests.
#include <cstdint>

#include "verifier/shadow.h"

namespace softndk::verifier {

/// A request that is on its way: whom to tell.
struct RequestRecord {
  ConsumerCallback<NDK_FN_REQUEST_COMPLETION> completion;
  RequestRecord* next_free = nullptr;
  ntrt::StackContext stack_context;  ///< of the consumer's context
  const char* name = "";             // for the timeline, like the next
  std::uint64_t traced_id = 0;
  bool is_own = false;
};

/// The record of a request that may not fail for want of one: nobody could disconnect, or take memory back, for want of
/// memory. An object has one such request at a time; a second one that a consumer makes by mistake has to find memory.
struct OwnRecord : RequestRecord {
  OwnRecord() { is_own = true; }
  std::atomic<bool> taken{false};
};

struct MrShadow final : ShadowOf<NDK_MR> {
  using ShadowOf::ShadowOf;
  OwnRecord own_record;  ///< for NdkDeregisterMr
};

struct CqShadow final : ShadowOf<NDK_CQ> {
  using ShadowOf::ShadowOf;
  ConsumerCallback<NDK_FN_CQ_NOTIFICATION_CALLBACK> notification;
  /// Results handed to the consumer so far. Written by the one thread that takes results (the consumer serialises
  /// that); atomic so that a consumer that does not is no undefined behaviour of ours.
  std::atomic<std::uint64_t> results_taken{0};
};

struct SrqShadow final : ShadowOf<NDK_SRQ> {
  using ShadowOf::ShadowOf;
  ConsumerCallback<NDK_FN_SRQ_NOTIFICATION_CALLBACK> notification;
};

struct ListenerShadow final : ShadowOf<NDK_LISTENER> {
  using ShadowOf::ShadowOf;
  ConsumerCallback<NDK_FN_CONNECT_EVENT_CALLBACK> connect_event;
};

/// The disconnect event that one accept or complete-connect asked for; one of the two is set.
struct DisconnectRecord {
  ConsumerCallback<NDK_FN_DISCONNECT_EVENT_CALLBACK> plain;
  ConsumerCallback<NDK_FN_DISCONNECT_EVENT_CALLBACK_EX> with_reason;
  DisconnectRecord* next = nullptr;
};

class ConnectorShadow final : public ShadowOf<NDK_CONNECTOR> {
 public:
  using ShadowOf::ShadowOf;
  ~ConnectorShadow();
  /// Keeps `record` until the connector is closed: nothing earlier says that its event will not come. A record for each
  /// call, not a place in the shadow, because a second call that fails must not disturb what the first has asked for.
  void keep(Owned<DisconnectRecord> record) noexcept;
  OwnRecord own_record;  ///< for NdkDisconnect

 private:
  std::atomic<DisconnectRecord*> disconnect_records_{nullptr};
};

template <NdkObject Ndk>
struct ShadowTypeOf {
  using Type = ShadowOf<Ndk>;
};
template <>
struct ShadowTypeOf<NDK_CQ> {
  using Type = CqShadow;
};
template <>
struct ShadowTypeOf<NDK_MR> {
  using Type = MrShadow;
};
template <>
struct ShadowTypeOf<NDK_SRQ> {
  using Type = SrqShadow;
};
template <>
struct ShadowTypeOf<NDK_LISTENER> {
  using Type = ListenerShadow;
};
template <>
struct ShadowTypeOf<NDK_CONNECTOR> {
  using Type = ConnectorShadow;
};
template <NdkObject Ndk>
using ShadowFor = typename ShadowTypeOf<Ndk>::Type;

template <NdkObject Ndk>
ShadowFor<Ndk>& shadow_of(Ndk* object) noexcept {
  return static_cast<ShadowFor<Ndk>&>(*object);
}

/// Not adopted yet, with its creator's reference. Null when memory is short.
template <NdkObject Ndk>
[[nodiscard]] ShadowFor<Ndk>* make_shadow(Shadow* parent) noexcept {
  const Shadow::Destroy destroy = [](Shadow& self) noexcept {
    const Owned<ShadowFor<Ndk>> gone(static_cast<ShadowFor<Ndk>*>(&self));
  };
  return try_make<ShadowFor<Ndk>>(destroy, parent).release();
}

}  // namespace softndk::verifier
