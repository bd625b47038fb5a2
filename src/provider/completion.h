#pragma once
// How results reach the consumer: the contract of all creates (spec/ndkpi.md 3.1), requests (3.3) and closes, and the
// completion policy (R-CONN-25).
#include <atomic>
#include <cstdint>
#include <span>

#include "base/alloc.h"
#include "base/expected.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "ntrt/deferred.h"
#include "provider/delivery.h"
#include "provider/held_deliveries.h"
#include "provider/pending_node.h"
#include "provider/settings.h"
#include "wdk/ndkpi.h"

namespace softndk::provider {

class Adapter;
class Object;

/// The other thread of the mode `early`.
class Completer {
 public:
  Completer() = default;
  ~Completer() { stop(); }
  /// False: no thread could be made; deliveries are then queued to a processor.
  bool start() noexcept;
  void stop() noexcept;  ///< PASSIVE_LEVEL; nothing is delivered meanwhile

  /// Has `delivery` run on this thread and returns when it has run, or after a bounded time: the consumer may hold a
  /// lock that its callback wants.
  void deliver(Delivery& delivery) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  /// A caller who waits. On its stack; whoever takes it off the list touches it last.
  struct Ticket : ListLink {
    std::uint64_t number = 0;
    std::atomic<bool> done{false};
  };
  static void enter(void* self) noexcept;
  void work() noexcept SOFTNDK_EXCLUDES(mutex_);
  void done(std::uint64_t number) noexcept SOFTNDK_EXCLUDES(mutex_);

  ntrt::SystemThread thread_;
  ntrt::WaitEvent wake_{"the completer's next delivery"};
  std::atomic<const void*> context_{nullptr};  ///< identifies the thread
  std::atomic<std::uint32_t> callers_{0};      ///< inside deliver(): the callback may have led to our stop() already

  Mutex mutex_;
  IntrusiveList<Delivery> queue_ SOFTNDK_GUARDED_BY(mutex_);
  IntrusiveList<Ticket> tickets_ SOFTNDK_GUARDED_BY(mutex_);
  std::uint64_t last_ticket_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  bool running_ SOFTNDK_GUARDED_BY(mutex_) = false;
};

/// The completion policy of one miniport adapter. Any thread.
class Completions {
 public:
  explicit Completions(const Settings& settings) noexcept : settings_(settings), held_(settings) {}
  /// Makes the completer if the settings can draw `early`. PASSIVE_LEVEL.
  void start() noexcept;
  void stop() noexcept { completer_.stop(); }

  /// How this call completes: never `mixed`.
  CompletionMode choose(CompletionKind kind) noexcept;

  /// The call that `delivery` will end has begun: the minimum latency counts from here.
  void begin(Delivery& delivery) noexcept { held_.begin(delivery); }
  /// It is the one that completes a connection: that has a minimum of its own. After begin().
  void begin_connect(Delivery& delivery) noexcept { held_.begin_connect(delivery); }

  /// Runs `delivery` in `mode` (not `inlined`); with a minimum latency every mode is `later`. As the last act of a
  /// call: `delivery` and what it belongs to may be gone when this returns (R-CRT-09, R-REQ-03). Returns
  /// STATUS_PENDING, which is what the call returns (R-CONN-09).
  NTSTATUS deliver(CompletionMode mode, Delivery& delivery) noexcept;

  /// For a delivery that waited for something else than the policy: a device's event, a last reference. Runs it on a
  /// processor, when latency and order allow.
  void deliver_later(Delivery& delivery) noexcept;
  /// True: such a delivery may run at once, where it is.
  bool is_prompt() const noexcept { return !held_.is_on(); }

 private:
  const Settings settings_;
  std::atomic<std::uint64_t> draws_{0};
  Completer completer_;
  HeldDeliveries held_;
};

/// What every NdkCreate* passes on.
struct CreateCall {
  Object& parent;
  Object* antecedents[3];  ///< further ones, or null
  NDK_FN_CREATE_COMPLETION completion;
  PVOID context;
};

/// A create whose result is on its way (R-CRT-11: it holds the parent and the antecedents until its callback has
/// returned).
class CreateRecord : public Delivery {
 public:
  explicit CreateRecord(const CreateCall& call) noexcept;
  /// `object`: null unless `status` is STATUS_SUCCESS (R-CONN-06).
  void settle(NTSTATUS status, NDK_OBJECT_HEADER* object) noexcept;

 private:
  static void call_back(Delivery& self) noexcept;
  CreateCall call_;
  NTSTATUS status_ = STATUS_PENDING;
  NDK_OBJECT_HEADER* object_ = nullptr;
  PendingNode node_;
};

Completions& completions_of(Adapter& adapter) noexcept;
Completions& completions_of(Object& object) noexcept;
/// A new object is whole: reports show it from here on.
void publish(NDK_OBJECT_HEADER& header, const ntrt::CallOrigin& origin) noexcept;

/// The contract of all creates (R-CRT-01). `make()` gives expected<Ndk*, NTSTATUS>; arguments have been checked before
/// (R-CRT-13). Returns STATUS_SUCCESS and the object in *out, and never calls back (R-CRT-04, R-CRT-05); or a failure,
/// *out untouched; or STATUS_PENDING, *out never touched (R-CRT-02), and one callback with the context as given
/// (R-CRT-03), a failed one with NULL. Memory may be short inline and asynchronously (R-CRT-06).
/// Inlined into the entry point, so that the return address is the consumer's.
template <class Ndk, class Make>
__attribute__((always_inline)) inline NTSTATUS create(const CreateCall& call, Ndk** out, Make&& make) noexcept {
  const ntrt::CallOrigin origin = ntrt::take_origin(__builtin_return_address(0));
  Completions& completions = completions_of(call.parent);
  const CompletionMode mode = completions.choose(CompletionKind::create);
  if (mode == CompletionMode::inlined) {
    expected<Ndk*, NTSTATUS> made = make();
    if (!made) return made.error();
    publish((*made)->Header, origin);
    *out = *made;
    return STATUS_SUCCESS;
  }
  Owned<CreateRecord> record = try_make<CreateRecord>(call);
  if (record == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  expected<Ndk*, NTSTATUS> made = make();
  if (made) publish((*made)->Header, origin);
  record->settle(made ? STATUS_SUCCESS : made.error(), made ? &(*made)->Header : nullptr);
  return completions.deliver(mode, *record.release());
}

/// A request of an object that may have several on their way.
class RequestRecord : public Delivery {
 public:
  RequestRecord(Object& owner, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept;
  void settle(NTSTATUS status) noexcept {
    status_ = status;
    node_.settled();
  }

 private:
  static void call_back(Delivery& self) noexcept;
  Object& owner_;
  NDK_FN_REQUEST_COMPLETION completion_;
  PVOID context_;
  NTSTATUS status_ = STATUS_PENDING;
  PendingNode node_;
};

/// Such a request, whose result `act()` gives at once: returned, or handed out later as the policy says. It never fails
/// for want of a record.
template <class Act>
NTSTATUS request(Object& owner, CompletionKind kind, NDK_FN_REQUEST_COMPLETION completion, PVOID context,
                 Act&& act) noexcept {
  Completions& completions = completions_of(owner);
  const CompletionMode mode = completions.choose(kind);
  if (mode == CompletionMode::inlined) return act();
  Owned<RequestRecord> record = try_make<RequestRecord>(owner, completion, context);
  if (record == nullptr) return act();
  record->settle(act());
  return completions.deliver(mode, *record.release());
}

/// The request of an object that is on its way. An object has at most one at a time: its states see to that.
class PendingRequest : public Delivery {
 public:
  /// What the owner does when the result is delivered, before the callback: changes its state and says what to report.
  using Conclude = NTSTATUS (*)(Object& owner, NTSTATUS status) noexcept;
  /// What the owner does when the callback has returned, or the inline result is about to be; may be null.
  using Reported = void (*)(Object& owner) noexcept;
  PendingRequest(Object& owner, Conclude conclude, Reported reported, const char* what) noexcept;

  /// Takes a `request` reference on the owner, which end(), or settle(), gives back.
  void begin(const PendingCall& call, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept;

  /// The result is known in the call that made the request: hands it out as the policy says, and returns what that
  /// call returns. The last act: the owner may be gone (R-REQ-03).
  NTSTATUS settle(CompletionKind kind, NTSTATUS status) noexcept;

  /// The result has come on its own, by an event of the device: calls back at DISPATCH_LEVEL, at once unless latency
  /// or order hold it. The last act.
  void end(NTSTATUS status) noexcept;
  /// The same, but not inside this call.
  void end_later(NTSTATUS status) noexcept;

 private:
  static void call_back(Delivery& self) noexcept;
  void report(NTSTATUS status) noexcept;

  Object& owner_;
  Conclude conclude_;
  Reported reported_;
  NDK_FN_REQUEST_COMPLETION completion_ = nullptr;
  PVOID context_ = nullptr;
  NTSTATUS status_ = STATUS_PENDING;
  PendingNode node_;
};

}  // namespace softndk::provider
