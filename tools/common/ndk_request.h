#pragma once
// Waiting for what the provider completes. Every call of the interface may return its result or STATUS_PENDING, and
// then calls back exactly once: nested in the call, on another thread before the call has returned, or later. So the
// context of a call is an object of ours that lives until it has been called back, never a frame that may have
// returned.
#include <chrono>
#include <optional>
#include <utility>

#include <ndkpi.h>

namespace softndk::tools {

/// A limit of our own on a wait, or none.
class Deadline {
 public:
  static Deadline never() { return Deadline(0); }
  /// 0 or less: never.
  explicit Deadline(double limit_s) : limit_s_(limit_s > 0 ? limit_s : 0) {
    if (limit_s_ > 0)
      due_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit_s_));
  }
  double limit_s() const { return limit_s_; }
  bool passed() const { return due_ && Clock::now() >= *due_; }
  /// For KeWaitForSingleObject: relative and so negative, in 100 ns. nullopt: no limit.
  std::optional<LARGE_INTEGER> remaining() const {
    if (!due_) return std::nullopt;
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(*due_ - Clock::now()).count();
    LARGE_INTEGER relative;
    relative.QuadPart = left > 0 ? -(left / 100) : 0;
    return relative;
  }

 private:
  using Clock = std::chrono::steady_clock;
  double limit_s_;
  std::optional<Clock::time_point> due_;
};

/// A kernel event. Any thread; waiting is for PASSIVE_LEVEL.
class Event {
 public:
  Event() { KeInitializeEvent(&event_, NotificationEvent, FALSE); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void set() { KeSetEvent(&event_, IO_NO_INCREMENT, FALSE); }
  void clear() { KeClearEvent(&event_); }
  /// False: the deadline passed first.
  bool wait(const Deadline& deadline) {
    auto timeout = deadline.remaining();
    return KeWaitForSingleObject(&event_, Executive, KernelMode, FALSE, timeout ? &*timeout : nullptr) ==
           STATUS_SUCCESS;
  }

 private:
  KEVENT event_;
};

/// One call at a time: begin(), the call with one of the callbacks and this as its context, then status().
class Request {
 public:
  void begin() { done_.clear(); }
  /// The final status, waiting for it where `returned` is STATUS_PENDING. nullopt: the deadline passed; the callback is
  /// still to come, so this object has to stay until finish() has returned.
  std::optional<NTSTATUS> status(NTSTATUS returned, const Deadline& deadline) {
    if (returned != STATUS_PENDING) return returned;
    if (!done_.wait(deadline)) return std::nullopt;
    return status_;
  }
  NTSTATUS finish(NTSTATUS returned) { return *status(returned, Deadline::never()); }
  /// What a create delivered by callback.
  NDK_OBJECT_HEADER* object() const { return object_; }

  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    auto* request = static_cast<Request*>(context);
    request->object_ = object;
    request->status_ = status;
    request->done_.set();  // the last touch: the waiter may be gone before this returns
  }
  static VOID completed(PVOID context, NTSTATUS status) { created(context, status, nullptr); }
  static VOID closed(PVOID context) { created(context, STATUS_SUCCESS, nullptr); }

 private:
  Event done_;
  NTSTATUS status_ = STATUS_PENDING;
  NDK_OBJECT_HEADER* object_ = nullptr;
};

inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_CQ* cq) {
  return cq->Dispatch->NdkCloseCq;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_PD* pd) {
  return pd->Dispatch->NdkClosePd;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_MR* mr) {
  return mr->Dispatch->NdkCloseMr;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_QP* qp) {
  return qp->Dispatch->NdkCloseQp;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_SRQ* srq) {
  return srq->Dispatch->NdkCloseSrq;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_MW* mw) {
  return mw->Dispatch->NdkCloseMw;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_CONNECTOR* connector) {
  return connector->Dispatch->NdkCloseConnector;
}
inline NDK_FN_CLOSE_OBJECT close_slot(const NDK_LISTENER* listener) {
  return listener->Dispatch->NdkCloseListener;
}

/// Holds one NDK object and closes it. Closing comes in two steps, because an object's close stays pending until its
/// successors are closed (R-CLS-06): whoever closes an antecedent first begins that close, closes the successors and
/// only then waits.
template <class T>
class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { finish_close(); }

  T* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  void adopt(T* object) { object_ = object; }

  /// Calls `call(completion, context, out)` and keeps what it creates. The out parameter may be a local: the provider
  /// writes it only before it returns success inline (R-CRT-02).
  template <class Call>
  NTSTATUS create(Call call) {
    T* object = nullptr;
    request_.begin();
    const NTSTATUS returned = call(&Request::created, &request_, &object);
    const NTSTATUS status = request_.finish(returned);
    if (status == STATUS_SUCCESS)
      object_ = returned == STATUS_PENDING ? reinterpret_cast<T*>(request_.object()) : object;
    return status;
  }

  void begin_close() {
    if (object_ == nullptr || close_returned_) return;
    request_.begin();
    close_returned_ = close_slot(object_)(&object_->Header, &Request::closed, &request_);
  }
  void finish_close() {
    begin_close();
    if (close_returned_) request_.finish(*close_returned_);
    object_ = nullptr;
    close_returned_.reset();
  }

 private:
  T* object_ = nullptr;
  Request request_;
  std::optional<NTSTATUS> close_returned_;
};

}  // namespace softndk::tools
