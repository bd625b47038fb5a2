#pragma once
// The consumer's side of the tests: one object of each type behind a wrapped adapter, callbacks that write down what
// they saw, and calls to any slot with arguments made from its type.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <new>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "verifier/fake_provider.h"
#include "verifier/install.h"

namespace softndk::verifier {

/// What a callback saw, and what the consumer does inside it.
struct Seen {
  int calls = 0;
  NTSTATUS status = STATUS_PENDING;
  NDK_OBJECT_HEADER* object = nullptr;
  ULONG reason = 0;
  std::function<void(Seen&)> inside;

  void enter(NTSTATUS with_status, NDK_OBJECT_HEADER* with_object) {
    ++calls;
    status = with_status;
    object = with_object;
    if (inside) inside(*this);
  }
  static void created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    static_cast<Seen*>(context)->enter(status, object);
  }
  static void completed(PVOID context, NTSTATUS status) { static_cast<Seen*>(context)->enter(status, nullptr); }
  static void closed(PVOID context) { static_cast<Seen*>(context)->enter(STATUS_SUCCESS, nullptr); }
  static void connect_event(PVOID context, NDK_CONNECTOR* connector) {
    static_cast<Seen*>(context)->enter(STATUS_SUCCESS, &connector->Header);
  }
  static void disconnected(PVOID context) { static_cast<Seen*>(context)->enter(STATUS_SUCCESS, nullptr); }
  static void disconnected_ex(PVOID context, ULONG reason) {
    static_cast<Seen*>(context)->reason = reason;
    static_cast<Seen*>(context)->enter(STATUS_SUCCESS, nullptr);
  }
};

// ---- close, of any type

/// The functions in the table that the object has now.
inline std::vector<void*> slots_of(const NDK_OBJECT_HEADER* object, std::size_t count) {
  const void* table = nullptr;
  std::memcpy(&table, reinterpret_cast<const std::uint8_t*>(object) + offsetof(NDK_QP, Dispatch), sizeof table);
  std::vector<void*> slots(count);
  std::memcpy(slots.data(), table, count * sizeof(void*));
  return slots;
}
/// Close is the first slot of every table but the adapter's.
inline NTSTATUS close(NDK_OBJECT_HEADER* object, Seen& seen) {
  return reinterpret_cast<NDK_FN_CLOSE_OBJECT>(slots_of(object, 1)[0])(object, Seen::closed, &seen);
}
/// Closes it, whatever the provider's mode.
inline void close_now(NDK_OBJECT_HEADER* object) {
  Seen seen;
  const NTSTATUS status = close(object, seen);
  fake().run_later();
  EXPECT_EQ(seen.calls, status == STATUS_PENDING ? 1 : 0);
}

// ---- arguments made from a slot's type

/// A consumer's function of any type, for calls that fail inline.
template <class Routine>
struct Unused;
template <class Result, class... Args>
struct Unused<Result (*)(Args...)> {
  static Result call(Args...) {
    ADD_FAILURE() << "nothing was to be called";
    return Result();
  }
};

template <class T>
concept NdkPointer = std::is_pointer_v<T> && requires(std::remove_pointer_t<T>& object) {
  { object.Header } -> std::same_as<NDK_OBJECT_HEADER&>;
};
template <class T>
concept NdkOutput = std::is_pointer_v<T> && NdkPointer<std::remove_pointer_t<T>>;
template <class T>
concept Routine = std::is_function_v<std::remove_pointer_t<T>>;

/// What an output must still hold when nothing was to be written.
inline NDK_OBJECT_HEADER* const kUntouched = reinterpret_cast<NDK_OBJECT_HEADER*>(0x7E57'0000);

inline constexpr NDK_OBJECT_TYPE kClosableTypes[] = {
    NdkObjectTypeConnector, NdkObjectTypeQp, NdkObjectTypeSrq,
    NdkObjectTypeMw,        NdkObjectTypeMr, NdkObjectTypeListener,
    NdkObjectTypePd,        NdkObjectTypeCq, NdkObjectTypeSharedEndpoint,
};

/// One object of each type, made inline, and closed again at the end unless the test has taken it.
class Family {
 public:
  explicit Family(FakeProvider& provider);
  ~Family();
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  /// What the consumer holds, null once taken.
  template <class Ndk>
  Ndk* get() {
    return reinterpret_cast<Ndk*>(held_[kTypeOf<Ndk>]);
  }
  NDK_OBJECT_HEADER* get(NDK_OBJECT_TYPE type) { return held_[type]; }
  /// The same; whoever takes it closes it.
  NDK_OBJECT_HEADER* take(NDK_OBJECT_TYPE type) { return std::exchange(held_[type], nullptr); }
  template <class Ndk>
  Ndk* take() {
    return reinterpret_cast<Ndk*>(take(kTypeOf<Ndk>));
  }
  /// What the provider holds.
  template <class Ndk>
  Ndk* real() {
    return reinterpret_cast<Ndk*>(real_[kTypeOf<Ndk>]);
  }
  NDK_OBJECT_HEADER* real(NDK_OBJECT_TYPE type) { return real_[type]; }

  Seen cq_events, srq_events, connect_events;

 private:
  template <class Ndk>
  void made(NTSTATUS status, Ndk* const& object) {  // by reference: the call that gives `status` writes it
    ASSERT_EQ(status, STATUS_SUCCESS);
    held_[kTypeOf<Ndk>] = &object->Header;
    real_[kTypeOf<Ndk>] = fake().last_made;
  }

  std::array<NDK_OBJECT_HEADER*, NdkObjectTypeMax> held_ = {};
  std::array<NDK_OBJECT_HEADER*, NdkObjectTypeMax> real_ = {};
};

/// An argument of that type, unlike every other one of the call.
template <class T>
T make_argument(Family& family, unsigned position) {
  if constexpr (NdkPointer<T>) {
    return reinterpret_cast<T>(family.get(kTypeOf<std::remove_pointer_t<T>>));
  } else if constexpr (std::is_same_v<T, NDK_OBJECT_HEADER*>) {
    return family.get(NdkObjectTypeMw);
  } else if constexpr (NdkOutput<T>) {
    static std::remove_pointer_t<T> output;
    output = reinterpret_cast<std::remove_pointer_t<T>>(kUntouched);
    return &output;
  } else if constexpr (Routine<T>) {
    return Unused<T>::call;
  } else if constexpr (std::is_same_v<T, NDK_RESULT*> || std::is_same_v<T, NDK_RESULT_EX*>) {
    static std::remove_pointer_t<T> results[16];
    return results;
  } else if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<T>(0x5EED'0000'0000 + 0x100 * position);
  } else if constexpr (std::is_same_v<T, NDK_VERSION>) {
    return {static_cast<USHORT>(7), static_cast<USHORT>(position)};
  } else {
    return static_cast<T>(0x11 + position);
  }
}

// ---- calls of any slot, with the types gone: what differs between the slots is made by a template, what is checked is
// not

/// An argument as the consumer gave it, and what the provider must see.
struct Given {
  enum class Kind {
    value,    ///< the same
    object,   ///< `expected`, the real one
    replaced  ///< something of ours
  } kind;
  std::uint64_t given;
  std::uint64_t expected;
};

struct Outcome {
  std::vector<Given> arguments;  ///< without the object
  enum class Kind { none, status, number } kind = Kind::none;
  std::uint32_t result = 0;
};

template <class T>
Given describe(Family& family, T argument, bool after_routine) {
  if constexpr (NdkPointer<T>) {
    return {Given::Kind::object, word(argument), word(family.real(kTypeOf<std::remove_pointer_t<T>>))};
  } else if constexpr (std::is_same_v<T, NDK_OBJECT_HEADER*>) {
    return {Given::Kind::object, word(argument), word(family.real(NdkObjectTypeMw))};
  } else {
    // Ours stands in the place of a routine, of the context that goes with it, and of what is written to later.
    const bool replaced = Routine<T> || NdkOutput<T> || std::is_same_v<T, NDK_EXTENSION_INTERFACE*> || after_routine;
    return {replaced ? Given::Kind::replaced : Given::Kind::value, word(argument), word(argument)};
  }
}

/// The types in a slot.
template <auto slot>
struct SlotOf;
template <class T, class R, class Self, class... A, R (*T::*slot)(Self*, A...)>
struct SlotOf<slot> {
  using Ndk = typename OwnerOfTable<T>::Ndk;
  using Arguments = std::tuple<A...>;  // without the object
  static SlotId id() { return {kTypeOf<Ndk>, offset_in(slot)}; }

  static Arguments arguments(Family& family) {
    return [&]<std::size_t... i>(std::index_sequence<i...>) {
      return Arguments{make_argument<A>(family, static_cast<unsigned>(i) + 1)...};
    }
    (std::index_sequence_for<A...>{});
  }
  static R call(Family& family, const Arguments& arguments) {
    Ndk* object = family.get<Ndk>();
    const auto invoke = [&](auto... args) {
      return (object->Dispatch->*slot)(reinterpret_cast<Self*>(object), args...);
    };
    return std::apply(invoke, arguments);
  }
  /// With arguments of every kind.
  static Outcome call_any(Family& family) {
    const Arguments given = arguments(family);
    Outcome outcome;
    [[maybe_unused]] bool after_routine = false;
    const auto add = [&](auto argument) {
      outcome.arguments.push_back(describe(family, argument, after_routine));
      after_routine = Routine<decltype(argument)>;
    };
    std::apply([&](auto... argument) { (add(argument), ...); }, given);
    if constexpr (std::is_void_v<R>) {
      call(family, given);
    } else {
      outcome.kind = std::is_same_v<R, NTSTATUS> ? Outcome::Kind::status : Outcome::Kind::number;
      outcome.result = static_cast<std::uint32_t>(call(family, given));
    }
    return outcome;
  }
};

struct AnySlot {
  SlotId id;
  Outcome (*call)(Family& family);
};
template <auto... slots>
std::vector<AnySlot> any_slots() {
  return {{SlotOf<slots>::id(), SlotOf<slots>::call_any}...};
}

/// Where a create call puts its object.
struct Output {
  alignas(void*) std::uint8_t bytes[sizeof(void*)];
  NDK_OBJECT_HEADER* object() const {
    NDK_OBJECT_HEADER* value = nullptr;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }
  bool is_untouched() const { return object() == kUntouched; }
};

struct CreateSlot {
  SlotId id;
  NDK_OBJECT_TYPE makes;
  NTSTATUS (*call)(Family& family, Seen& seen, Output& output);
};
template <auto slot>
CreateSlot create_slot() {
  using Arguments = typename SlotOf<slot>::Arguments;
  constexpr std::size_t n = std::tuple_size_v<Arguments>;
  using Pointer = std::remove_pointer_t<std::tuple_element_t<n - 1, Arguments>>;
  return {SlotOf<slot>::id(), kTypeOf<std::remove_pointer_t<Pointer>>,
          [](Family& family, Seen& seen, Output& output) -> NTSTATUS {
            Arguments arguments = SlotOf<slot>::arguments(family);
            std::get<n - 3>(arguments) = Seen::created;
            std::get<n - 2>(arguments) = &seen;
            std::get<n - 1>(arguments) = ::new (output.bytes) Pointer(reinterpret_cast<Pointer>(kUntouched));
            return SlotOf<slot>::call(family, arguments);
          }};
}

/// A request whose last two arguments are completion and context.
struct RequestSlot {
  SlotId id;
  NTSTATUS (*call)(Family& family, Seen& seen);
};
template <auto slot>
RequestSlot request_slot() {
  return {SlotOf<slot>::id(), [](Family& family, Seen& seen) -> NTSTATUS {
            auto arguments = SlotOf<slot>::arguments(family);
            constexpr std::size_t n = std::tuple_size_v<decltype(arguments)>;
            std::get<n - 2>(arguments) = Seen::completed;
            std::get<n - 1>(arguments) = &seen;
            return SlotOf<slot>::call(family, arguments);
          }};
}

std::vector<AnySlot> every_slot();  ///< all but the closes
std::vector<CreateSlot> create_slots();
std::vector<RequestSlot> request_slots();  ///< all but NdkBuildLAM

inline std::string name_of(SlotId slot) {
  return "object type " + std::to_string(slot.type) + ", slot " + std::to_string(slot.offset / 8);
}

/// A provider, and at the end: nothing of ours and nothing of the provider's is left.
class VerifierTest : public ::testing::Test {
 protected:
  ~VerifierTest() override {
    EXPECT_EQ(usage().shadows, 0u);
    EXPECT_EQ(usage().requests, 0u);
    EXPECT_EQ(provider.live_objects, 0u);
  }
  FakeProvider provider;
};

}  // namespace softndk::verifier
