#pragma once
// A shadow is what a consumer holds instead of a provider's object: an NDK object of ours with tables of ours, which
// knows the real one behind it. Every entry point finds the real object first and every object that crosses the
// interface is exchanged for its other half, so neither side ever sees what belongs to the other (R-WSK-03).
//
//   consumer ── NDK_QP (shadow) ── our table ── provider's table ── NDK_QP (real) ── provider
//                  │ parent
//               NDK_PD (shadow)
//
// A shadow lives from the create call to the end of its close, and as long as a shadow under it lives: a provider may
// complete an antecedent's close while the successor's close call is still on its way back through us.
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/alloc.h"
#include "base/log.h"
#include "ntrt/stack_context.h"
#include "wdk/ndkpi.h"

namespace softndk::verifier {

/// One of the ten NDK structures, or a type derived from one.
template <class T>
concept NdkObject = requires(T& object) {
  { object.Header } -> std::same_as<NDK_OBJECT_HEADER&>;
  object.Dispatch->NdkQueryExtension;
};
template <NdkObject Ndk>
using DispatchOf = std::remove_cv_t<std::remove_pointer_t<decltype(Ndk::Dispatch)>>;

/// A callback of the consumer's, kept until it is due. Copy it before calling: the consumer may free its home inside.
template <class Routine>
struct ConsumerCallback {
  Routine routine = nullptr;
  PVOID context = nullptr;

  template <class... Args>
  void operator()(Args... args) const noexcept {
    routine(context, args...);
  }
};

/// The part that all shadows have behind their NDK structure. Not polymorphic: the structure has to be at offset 0.
class Shadow {
 public:
  using Destroy = void (*)(Shadow& self) noexcept;
  /// Begins with one reference, its creator's, and holds one on `parent` (null for an adapter).
  Shadow(Destroy destroy, Shadow* parent) noexcept;
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  /// The shadow of any type whose header this is: all NDK structures have one size, so what follows them has one place.
  static Shadow& from(NDK_OBJECT_HEADER& header) noexcept {
    return *reinterpret_cast<Shadow*>(reinterpret_cast<unsigned char*>(&header) + sizeof(NDK_ADAPTER));
  }

  NDK_OBJECT_HEADER* real_header() const noexcept { return real_; }
  Shadow* parent() const noexcept { return parent_; }

  /// The first reference is given back by whoever sees the object end; the shadow may be gone after this.
  void release() noexcept;

  /// What the consumer waits for: first its create, much later its close. Kept here so that a close needs no memory,
  /// since it cannot fail (R-CLS-01).
  ConsumerCallback<NDK_FN_CREATE_COMPLETION> create_completion;
  ConsumerCallback<NDK_FN_CLOSE_COMPLETION> close_completion;
  ntrt::StackContext stack_context;  ///< of the consumer's context to that
  /// The timeline's: which create, later which close it waits for.
  const char* traced_name = nullptr;
  std::uint64_t traced_id = 0;

 protected:
  ~Shadow();
  NDK_OBJECT_HEADER* real_ = nullptr;

 private:
  Destroy destroy_;
  Shadow* parent_;
  std::atomic<std::uint32_t> references_{1};
};

/// Shadows that exist.
std::size_t live_shadows() noexcept;

/// Our table for objects of that type and version. Tables are constant (R-OBJ-09) and no slot is null (R-OBJ-08); a
/// slot that the version does not have answers that it is not supported, and never looks into a provider's shorter
/// table (R-TBL-01, R-VER-07).
template <NdkObject Ndk>
const DispatchOf<Ndk>& table_for(NDK_VERSION version) noexcept;
template <>
const NDK_ADAPTER_DISPATCH& table_for<NDK_ADAPTER>(NDK_VERSION version) noexcept;
template <>
const NDK_QP_DISPATCH& table_for<NDK_QP>(NDK_VERSION version) noexcept;
template <>
const NDK_CQ_DISPATCH& table_for<NDK_CQ>(NDK_VERSION version) noexcept;
template <>
const NDK_MR_DISPATCH& table_for<NDK_MR>(NDK_VERSION version) noexcept;
template <>
const NDK_MW_DISPATCH& table_for<NDK_MW>(NDK_VERSION version) noexcept;
template <>
const NDK_PD_DISPATCH& table_for<NDK_PD>(NDK_VERSION version) noexcept;
template <>
const NDK_SHARED_ENDPOINT_DISPATCH& table_for<NDK_SHARED_ENDPOINT>(NDK_VERSION version) noexcept;
template <>
const NDK_CONNECTOR_DISPATCH& table_for<NDK_CONNECTOR>(NDK_VERSION version) noexcept;
template <>
const NDK_LISTENER_DISPATCH& table_for<NDK_LISTENER>(NDK_VERSION version) noexcept;
template <>
const NDK_SRQ_DISPATCH& table_for<NDK_SRQ>(NDK_VERSION version) noexcept;

constexpr bool at_least(NDK_VERSION version, USHORT major, USHORT minor) noexcept {
  return version.Major != major ? version.Major > major : version.Minor >= minor;
}

/// The shadow of one type; what only some types need is in shadow_types.h.
template <NdkObject Ndk>
class ShadowOf : public Ndk, public Shadow {
 public:
  ShadowOf(Destroy destroy, Shadow* parent) noexcept : Ndk{}, Shadow(destroy, parent) {
    SOFTNDK_CHECK(&Shadow::from(this->Header) == this);
  }

  /// The provider has made the object: from here on the shadow may be shown (R-CRT-10). Takes the provider's table now,
  /// since what the real object's Dispatch holds later is nobody's promise (R-OBJ-06).
  void adopt(Ndk& real) noexcept {
    real_ = &real.Header;
    provider_ = real.Dispatch;
    this->Header.Version = real.Header.Version;
    this->Header.ObjectType = real.Header.ObjectType;
    this->Dispatch = &table_for<Ndk>(real.Header.Version);
  }

  Ndk* real() const noexcept { return reinterpret_cast<Ndk*>(real_); }
  const DispatchOf<Ndk>& provider() const noexcept { return *provider_; }

 private:
  const DispatchOf<Ndk>* provider_ = nullptr;
};

/// What the provider is to get for what the consumer gave: the real object for a shadow, anything else as it is.
template <class T>
T inward(T argument) noexcept {
  return argument;
}
inline NDK_OBJECT_HEADER* inward(NDK_OBJECT_HEADER* header) noexcept {
  return header == nullptr ? nullptr : Shadow::from(*header).real_header();
}
template <NdkObject Ndk>
Ndk* inward(Ndk* object) noexcept {
  return object == nullptr ? nullptr : reinterpret_cast<Ndk*>(inward(&object->Header));
}

}  // namespace softndk::verifier
