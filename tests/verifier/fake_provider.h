#pragma once
// An NDK provider without a network: full tables whose functions write down every argument and answer as the test says.
// It is strict about lifetimes: an object's memory goes as early as the interface allows (before a close returns
// inline, or when its close completion has returned), so that a touch afterwards is an error under AddressSanitizer.
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <tuple>
#include <type_traits>
#include <vector>

#include "wdk/ndkpi.h"

namespace softndk::verifier {

/// How an asynchronous function gives its result. The callback of `nested` runs on the caller's thread inside the call,
/// that of `early` on another one before the call returns, that of `later` when the test calls run_later().
enum class Completion { inlined, nested, early, later };
inline constexpr Completion kAllCompletions[] = {Completion::inlined, Completion::nested, Completion::early,
                                                 Completion::later};
inline constexpr Completion kPendingCompletions[] = {Completion::nested, Completion::early, Completion::later};

inline constexpr NTSTATUS kSomeFailure = static_cast<NTSTATUS>(0xC0DEC0DE);

/// Which slot of which table: object type and byte offset.
struct SlotId {
  NDK_OBJECT_TYPE type = NdkObjectTypeUndefined;
  std::size_t offset = 0;
  auto operator<=>(const SlotId&) const = default;
};

/// An argument as a number; equal words are equal arguments.
template <class T>
std::uint64_t word(const T& value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t to = 0;
  std::memcpy(&to, &value, sizeof value);
  return to;
}

struct SlotCall {
  SlotId slot;
  std::vector<std::uint64_t> words;  ///< the object first
};

template <class Ndk>
using TableOf = std::remove_cv_t<std::remove_pointer_t<decltype(Ndk::Dispatch)>>;

// What follows from an object's or a table's type.
template <class Table>
struct OwnerOfTable;
template <class Ndk>
inline constexpr NDK_OBJECT_TYPE kTypeOf = NdkObjectTypeUndefined;
#define SOFTNDK_FAKE_TYPE(name, enumerator)    \
  template <>                                  \
  struct OwnerOfTable<NDK_##name##_DISPATCH> { \
    using Ndk = NDK_##name;                    \
  };                                           \
  template <>                                  \
  inline constexpr NDK_OBJECT_TYPE kTypeOf<NDK_##name> = enumerator
SOFTNDK_FAKE_TYPE(ADAPTER, NdkObjectTypeAdapter);
SOFTNDK_FAKE_TYPE(QP, NdkObjectTypeQp);
SOFTNDK_FAKE_TYPE(CQ, NdkObjectTypeCq);
SOFTNDK_FAKE_TYPE(MR, NdkObjectTypeMr);
SOFTNDK_FAKE_TYPE(MW, NdkObjectTypeMw);
SOFTNDK_FAKE_TYPE(PD, NdkObjectTypePd);
SOFTNDK_FAKE_TYPE(SHARED_ENDPOINT, NdkObjectTypeSharedEndpoint);
SOFTNDK_FAKE_TYPE(CONNECTOR, NdkObjectTypeConnector);
SOFTNDK_FAKE_TYPE(LISTENER, NdkObjectTypeListener);
SOFTNDK_FAKE_TYPE(SRQ, NdkObjectTypeSrq);
#undef SOFTNDK_FAKE_TYPE

template <class Table, class Member>
std::size_t offset_in(Member Table::*slot) {
  static const Table table = {};
  return static_cast<std::size_t>(reinterpret_cast<const char*>(&(table.*slot)) -
                                  reinterpret_cast<const char*>(&table));
}

class FakeProvider;
FakeProvider& fake();  ///< the one that exists

/// An object of the provider's. The NDK structure comes first, as the interface wants it.
template <class Ndk>
struct FakeObject : Ndk {
  /// What the provider would call for an event: CQ and SRQ notification, connect event, disconnect event.
  void (*event)() = nullptr;
  PVOID event_context = nullptr;
  bool event_has_reason = false;
};

class FakeProvider {
 public:
  explicit FakeProvider(NDK_VERSION version = {2, 1});
  ~FakeProvider();
  FakeProvider(const FakeProvider&) = delete;
  FakeProvider& operator=(const FakeProvider&) = delete;

  // What to do.
  Completion completion = Completion::inlined;  ///< of creates, requests and closes
  NTSTATUS status = STATUS_SUCCESS;             ///< of creates and requests, and of every other function with a status
  ULONG number = 0;                             ///< what functions return that give a count or a token
  bool offers_extension = false;
  /// Runs once, when a `nested` callback has returned and the function it belongs to has not.
  std::function<void()> after_callback;

  // What was asked.
  std::vector<SlotCall> calls;
  std::size_t live_objects = 0;
  NDK_OBJECT_HEADER* last_made = nullptr;  ///< the object that was made last
  std::size_t calls_of(SlotId slot) const;

  /// A new adapter object, closed by close_adapter().
  NDK_ADAPTER* open_adapter();
  void close_adapter(NDK_ADAPTER* adapter);

  /// Runs what `later` has put off, in order, also what is put off meanwhile.
  void run_later();

  void notify(NDK_CQ* cq, NTSTATUS cq_status);
  void notify(NDK_SRQ* srq, NTSTATUS srq_status);
  /// Makes a connector and raises the connect event with it.
  NDK_CONNECTOR* connect(NDK_LISTENER* listener);
  void disconnect(NDK_CONNECTOR* connector, ULONG reason = 0);

  /// Gives the result of a create, request or close in the way that is set; returns what the function returns.
  NTSTATUS deliver(NTSTATUS result, std::function<void()> callback);

  template <class Ndk>
  FakeObject<Ndk>* make() {
    auto* object = new FakeObject<Ndk>{};
    object->Header.Version = version_;
    object->Header.ObjectType = kTypeOf<Ndk>;
    object->Dispatch = table<Ndk>();
    ++live_objects;
    last_made = &object->Header;
    return object;
  }
  template <class Ndk>
  void destroy(Ndk* object) {
    --live_objects;
    delete static_cast<FakeObject<Ndk>*>(object);
  }

 private:
  /// Exactly as long as the version says (R-TBL-01), on the heap: a read beyond is found.
  template <class Ndk>
  const TableOf<Ndk>* table() {
    return reinterpret_cast<const TableOf<Ndk>*>(tables_.at(kTypeOf<Ndk>).get());
  }
  template <class Table>
  void keep_table(const Table& whole, std::size_t bytes);

  NDK_VERSION version_;
  std::map<NDK_OBJECT_TYPE, std::unique_ptr<std::uint8_t[]>> tables_;
  std::deque<std::function<void()>> later_;
};

}  // namespace softndk::verifier
