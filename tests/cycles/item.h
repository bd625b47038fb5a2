#pragma once
// One object from its create to its close, as a consumer that never waits sees it: callbacks on any thread, inside the
// call or after it.
#include <atomic>

#include "kinds.h"
#include "runtime/ndk_consumer.h"

namespace softndk::cycles {

class Plot;

class Item {
 public:
  Item(Kind kind, Plot& plot) : kind_(kind), plot_(plot) {}

  Kind kind() const { return kind_; }
  bool is_made() const { return (flags_.load() & kMade) != 0; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(object_.load());
  }

  /// `call(completion, context, T** out)` is the create.
  template <class T, class Call>
  void create(Call call) {
    T* object = nullptr;
    const NTSTATUS status = call(&Item::created, this, &object);
    create_returned(status, reinterpret_cast<NDK_OBJECT_HEADER*>(object));
  }
  /// Whoever makes it closes it at once, inside the completion of the create. False: it is there already, and the
  /// caller closes it.
  bool close_when_made() { return (flags_.fetch_or(kUnwanted) & kMade) == 0; }

  /// `call(completion, context)` is a request on it. With close_after set, its completion closes the object (R-CLS-10).
  template <class Call>
  void request(Call call) {
    requests_begun_.fetch_add(1);
    const NTSTATUS status = call(&Item::requested, this);
    if (status != STATUS_PENDING) request_ended(status);
  }
  bool has_pending_request() const { return requests_begun_.load() != requests_ended_.load(); }
  NTSTATUS request_status() const { return request_status_.load(); }

  void close();
  /// On another worker's thread.
  void close_for_its_owner();

  /// Everything that began has ended, once. Nothing runs any more.
  void check() const;

  bool is_given_away = false;  ///< somebody else closes it, some day: the worker must not use it any more
  bool was_used = false;
  Item* then_close = nullptr;  ///< by our close completion; set before close() is called
  std::atomic<bool> close_after{false};

 private:
  static constexpr unsigned kMade = 1, kUnwanted = 2;
  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object);
  static VOID requested(PVOID context, NTSTATUS status);
  static VOID closed(PVOID context);
  const char* name() const { return kKindNames[static_cast<unsigned>(kind_)]; }
  void create_returned(NTSTATUS status, NDK_OBJECT_HEADER* object);
  void made(NTSTATUS status, NDK_OBJECT_HEADER* object);
  void request_ended(NTSTATUS status);
  void over();

  const Kind kind_;
  Plot& plot_;
  std::atomic<unsigned> flags_{0};
  std::atomic<NDK_OBJECT_HEADER*> object_{nullptr};
  std::atomic<int> creates_{0};
  std::atomic<int> closes_{0};
  std::atomic<int> overs_{0};
  std::atomic<int> requests_begun_{0};
  std::atomic<int> requests_ended_{0};
  std::atomic<NTSTATUS> request_status_{STATUS_PENDING};
};

}  // namespace softndk::cycles
