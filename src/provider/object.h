#pragma once
// How long an NDK object lives, in one place (spec/ndkpi.md 3.2).
//
// An object is held by references, each for a reason. Closing it drops the consumer's; when the last one is gone the
// object is retired (its part of the device ends) and then its close completes:
//
//   created --NdkClose..--> closing --last reference--> retiring --device done--> close completion --returned--> gone
//             begin_close()            retire()                   retired()        (none if inline)
//
// The references that the object holds on its antecedents go after the completion has *returned*, and after its own
// memory: so an antecedent's close, and the adapter's, cannot complete while a successor's callback is still in its
// epilogue. Nothing else in this layer knows these rules.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "ntrt/object_tree.h"
#include "ntrt/stack_context.h"
#include "provider/completion.h"
#include "wdk/ndkpi.h"

namespace softndk::provider {

class Adapter;
class Object;

/// Why an object is held.
enum class RefReason : std::uint8_t {
  consumer,   ///< from its creation to the consumer's close
  successor,  ///< an object over it, until that one's close callback has returned (R-CLS-06, R-CLS-07)
  request,    ///< a pending create or request, until its callback has returned (R-CLS-03); an event a device owes us
  binding,    ///< a window's bind that is posted, or has taken effect and not ended (R-CLS-24)
  callback,   ///< an event callback of the consumer that runs (R-CLS-04), or a call of ours that outlives a callback
};
inline constexpr unsigned kRefReasons = 5;

/// A reference, released on every path.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(T& object, RefReason reason) noexcept : object_(&object), reason_(reason) { object.add_ref(reason); }
  /// Takes over a reference that was counted already.
  static Ref adopt(T* object, RefReason reason) noexcept {
    Ref ref;
    ref.object_ = object;
    ref.reason_ = reason;
    return ref;
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)), reason_(other.reason_) {}
  Ref& operator=(Ref&& other) noexcept {
    if (this != &other) {
      reset();
      object_ = std::exchange(other.object_, nullptr);
      reason_ = other.reason_;
    }
    return *this;
  }
  ~Ref() { reset(); }

  /// The object may be gone after this.
  void reset() noexcept {
    if (T* object = std::exchange(object_, nullptr)) object->release(reason_);
  }
  /// Leaves it to somebody else to release it.
  void leave() noexcept { object_ = nullptr; }
  T* get() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
  RefReason reason_ = RefReason::callback;
};

/// What differs between the types. Constant; one for each type.
struct ObjectType {
  const char* name;
  NDK_OBJECT_TYPE ndk_type;
  /// In the consumer's close call: stops events, starts to cancel what is pending (R-CLS-05). The object stays alive
  /// during it.
  void (*begin_close)(Object&) noexcept;
  /// Nothing holds the object any more. Ends its part of the device and sees to it that retired() is called once, now
  /// or by the device's last event.
  void (*retire)(Object&) noexcept;
  /// Destroys the object and frees its memory.
  void (*destroy)(Object&) noexcept;
  /// Says its state in words, and its addresses; null: it has no more to say than any object. Runs beside everything
  /// else that goes on with the object, between publish() and the last release.
  void (*describe)(const Object&, ntrt::NodeText&) noexcept = nullptr;
};

/// The part that all NDK objects have behind their NDK structure. Not polymorphic: the structure has to be at offset 0.
class Object {
 public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  /// The object of any type whose header this is: all NDK structures have one size, so what follows them has one place.
  static Object& from(NDK_OBJECT_HEADER& header) noexcept {
    return *reinterpret_cast<Object*>(reinterpret_cast<unsigned char*>(&header) + sizeof(NDK_ADAPTER));
  }
  const void* ndk() const noexcept { return reinterpret_cast<const unsigned char*>(this) - sizeof(NDK_ADAPTER); }
  const char* type_name() const noexcept { return type_.name; }
  Adapter& adapter() const noexcept { return adapter_; }

  /// The object is whole: reports show it from here on, under its first antecedent.
  void publish(const ntrt::CallOrigin& origin) noexcept;
  ntrt::TreeNode& node() noexcept { return node_; }

  /// By somebody who knows that it is held. A consumer that uses what it has closed is found here, at the latest moment
  /// at which it can be, and stopped (R-CLS-09).
  void add_ref(RefReason reason) noexcept;
  /// False once the last reference is gone or the consumer has closed: no new callback then (R-CLS-02, R-ARM-21).
  [[nodiscard]] bool try_add_ref(RefReason reason) noexcept;
  /// The object may be gone after this.
  void release(RefReason reason) noexcept;
  /// For reports and tests.
  std::uint32_t references(RefReason reason) const noexcept;

  /// NdkCloseObject. STATUS_SUCCESS: gone, `completion` will not be called (R-CLS-01). STATUS_PENDING: `completion`
  /// follows, or ran already (R-CLS-16), in the mode that the policy draws if nothing had to be waited for (R-CLS-17),
  /// else at DISPATCH_LEVEL on a processor thread, when latency and order allow. Called twice, it stops the process
  /// (R-CLS-26).
  NTSTATUS close(NDK_FN_CLOSE_COMPLETION completion, PVOID context) noexcept;
  bool is_closing() const noexcept { return closing_.load(); }

  /// The end of ObjectType::retire.
  void retired() noexcept;

 protected:
  Object(const ObjectType& type, Adapter& adapter) noexcept;
  ~Object() = default;

  static constexpr std::size_t kAntecedentsMax = 4;
  /// Holds `antecedent` until this object is gone, or until release_antecedent().
  void hold_antecedent(Object& antecedent) noexcept;
  /// Gives the reference back to the caller; the caller drops it outside its locks.
  [[nodiscard]] Ref<Object> take_antecedent(Object& antecedent) noexcept;
  /// Names every antecedent but the first, which is above it in the tree. Under the lock that guards them, if any.
  void describe_antecedents(ntrt::NodeText& to) const noexcept;

 private:
  friend class Adapter;
  /// True: the caller had the last reference.
  bool drop(RefReason reason) noexcept;
  /// True: everything is over, and the caller finishes the close.
  bool retire() noexcept;
  void finish_close() noexcept;
  static void deliver_close(Delivery& delivery) noexcept;
  struct Node : ntrt::TreeNode {
    Node(const char* kind, Object& object) noexcept : TreeNode(kind, describe), owner(object) {}
    static void describe(const TreeNode& node, ntrt::NodeText& to) noexcept;
    Object& owner;
  };

  const ObjectType& type_;
  Adapter& adapter_;
  std::atomic<std::uint32_t> references_{1};
  std::array<std::atomic<std::uint32_t>, kRefReasons> by_reason_{};
  std::atomic<bool> closing_{false};
  std::atomic<io::TimeNs> closing_since_ns_{0};
  std::atomic<std::uint8_t> retiring_parties_{2};  ///< the call of retire() and the device's word that it is over
  NDK_FN_CLOSE_COMPLETION close_completion_ = nullptr;
  PVOID close_context_ = nullptr;
  ntrt::StackContext close_stack_context_;
  std::array<Ref<Object>, kAntecedentsMax> antecedents_;
  struct CloseDelivery : Delivery {
    CloseDelivery(Object& object) noexcept : Delivery(deliver_close, "close completion"), owner(object) {}
    Object& owner;
  } close_delivery_{*this};
  Node node_{type_.name, *this};
};

}  // namespace softndk::provider
