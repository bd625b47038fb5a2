#pragma once
// What every blocking consumer of the real interface needs: events, the ends of calls, owners of objects, addresses,
// threads.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "reserved_words.h"
#include "wdk/ntddk.h"
#include "wdk/wskndk.h"

namespace softndk::stack {

/// Far beyond what anything takes: reaching it is a failure. In 100 ns, relative.
inline constexpr LONGLONG kPatience = -60ll * 10'000'000;

/// A kernel event with a bounded wait.
class Event {
 public:
  Event() { KeInitializeEvent(&event_, NotificationEvent, FALSE); }
  void set() { KeSetEvent(&event_, IO_NO_INCREMENT, FALSE); }
  void clear() { KeClearEvent(&event_); }
  [[nodiscard]] bool wait(LONGLONG timeout = kPatience) {
    LARGE_INTEGER due;
    due.QuadPart = timeout;
    return KeWaitForSingleObject(&event_, Executive, KernelMode, FALSE, &due) == STATUS_SUCCESS;
  }
  /// For either one.
  [[nodiscard]] static bool wait_any(Event& one, Event& other, LONGLONG timeout = kPatience) {
    LARGE_INTEGER due;
    due.QuadPart = timeout;
    PVOID both[] = {&one.event_, &other.event_};
    const NTSTATUS status = KeWaitForMultipleObjects(2, both, WaitAny, Executive, KernelMode, FALSE, &due, nullptr);
    return status == STATUS_WAIT_0 || status == STATUS_WAIT_0 + 1;
  }

 private:
  KEVENT event_;
};

/// The end of one call. The callback touches it last with set(), so wait for it before it goes.
class Request {
 public:
  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    auto* self = static_cast<Request*>(context);
    EXPECT_EQ(self->calls_.fetch_add(1), 0) << "completed twice";
    EXPECT_EQ(status == STATUS_SUCCESS, object != nullptr);
    self->object_ = object;
    self->status_ = status;
    self->done_.set();
  }
  static VOID completed(PVOID context, NTSTATUS status) {
    auto* self = static_cast<Request*>(context);
    EXPECT_EQ(self->calls_.fetch_add(1), 0) << "completed twice";
    self->status_ = status;
    self->done_.set();
  }
  static VOID closed(PVOID context) { completed(context, STATUS_SUCCESS); }

  /// The final status of a call that returned `returned`.
  NTSTATUS finish(NTSTATUS returned) {
    if (returned != STATUS_PENDING) {
      EXPECT_EQ(calls_.load(), 0) << "an inline result and a callback";
      return returned;
    }
    if (!done_.wait()) {
      ADD_FAILURE() << "a request never completed";
      std::abort();  // its context is a frame of ours: there is no way on
    }
    return status_;
  }
  bool is_done() const { return calls_.load() != 0; }
  NDK_OBJECT_HEADER* object() const { return object_; }

 private:
  Event done_;
  std::atomic<int> calls_{0};
  NTSTATUS status_ = STATUS_PENDING;
  NDK_OBJECT_HEADER* object_ = nullptr;
};

/// Calls `call(completion, context)` and waits.
template <class Call>
NTSTATUS ask(Call call) {
  Request request;
  return request.finish(call(&Request::completed, &request));
}

inline NDK_FN_CLOSE_OBJECT closer(const NDK_CQ* object) {
  return object->Dispatch->NdkCloseCq;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_PD* object) {
  return object->Dispatch->NdkClosePd;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_QP* object) {
  return object->Dispatch->NdkCloseQp;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_MR* object) {
  return object->Dispatch->NdkCloseMr;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_MW* object) {
  return object->Dispatch->NdkCloseMw;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_SRQ* object) {
  return object->Dispatch->NdkCloseSrq;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_CONNECTOR* object) {
  return object->Dispatch->NdkCloseConnector;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_LISTENER* object) {
  return object->Dispatch->NdkCloseListener;
}
inline NDK_FN_CLOSE_OBJECT closer(const NDK_SHARED_ENDPOINT* object) {
  return object->Dispatch->NdkCloseSharedEndpoint;
}

/// Owns one NDK object; closes it and waits.
template <class T>
class Object {
 public:
  Object() = default;
  explicit Object(T* object) : object_(object) {
    if (object_ != nullptr) take_over(object_->Header);
  }
  Object(Object&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Object& operator=(Object&& other) noexcept {
    close();
    object_ = std::exchange(other.object_, nullptr);
    return *this;
  }
  ~Object() { close(); }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  const auto* table() const { return object_->Dispatch; }

  void close() {
    if (object_ == nullptr) return;
    Request request;
    const NTSTATUS status = request.finish(begin_close(request));
    EXPECT_EQ(status, STATUS_SUCCESS) << "R-CLS-01";
  }
  /// The caller closes it.
  T* release() { return std::exchange(object_, nullptr); }
  /// Without waiting; `request` outlives it.
  NTSTATUS begin_close(Request& request) {
    T* object = std::exchange(object_, nullptr);
    EXPECT_TRUE(reserved_is(object->Header, kReservedWord)) << "R-OBJ-04: written by somebody else";
    return closer(object)(&object->Header, &Request::closed, &request);
  }

 private:
  T* object_ = nullptr;
};

/// Calls `call(completion, context, out)`.
template <class T, class Call>
NTSTATUS create(Object<T>& to, Call call) {
  Request request;
  T* object = nullptr;
  const NTSTATUS returned = call(&Request::created, &request, &object);
  const NTSTATUS status = request.finish(returned);
  if (returned == STATUS_PENDING) {
    EXPECT_EQ(object, nullptr) << "R-CRT-02: written after STATUS_PENDING";
    object = reinterpret_cast<T*>(request.object());
  }
  if (status == STATUS_SUCCESS) to = Object<T>(object);
  return status;
}

/// An address as the interface takes it.
struct Sockaddr {
  SOCKADDR_INET value;
  ULONG bytes = 0;
  Sockaddr() { std::memset(&value, 0, sizeof value); }  // `{}` would zero the union's first, shorter member only
  Sockaddr(std::string_view text, USHORT port = 0) : Sockaddr() {
    Address address;
    EXPECT_TRUE(parse_address(std::string(text).c_str(), address)) << text;
    if (address.family == Address::Family::v4) {
      value.Ipv4.sin_family = SOFTNDK_AF_INET;
      std::memcpy(&value.Ipv4.sin_addr, address.octets.data(), 4);
      bytes = sizeof(SOCKADDR_IN);
    } else {
      value.Ipv6.sin6_family = SOFTNDK_AF_INET6;
      std::memcpy(&value.Ipv6.sin6_addr, address.octets.data(), 16);
      bytes = sizeof(SOCKADDR_IN6);
    }
    set_port(port);
  }
  void set_port(USHORT port) { value.Ipv4.sin_port = static_cast<USHORT>(port << 8 | port >> 8); }  // both families
  USHORT port() const { return static_cast<USHORT>(value.Ipv4.sin_port << 8 | value.Ipv4.sin_port >> 8); }
  Sockaddr with_port(USHORT port) const {
    Sockaddr other = *this;
    other.set_port(port);
    return other;
  }
  const SOCKADDR* get() const { return reinterpret_cast<const SOCKADDR*>(&value); }
  SOCKADDR* room() { return reinterpret_cast<SOCKADDR*>(&value); }
};

/// Of a connector, a listener or a shared endpoint.
template <class T>
Sockaddr local_address_of(const Object<T>& object) {
  Sockaddr address;
  address.bytes = sizeof(address.value);
  EXPECT_EQ(object.table()->NdkGetLocalAddress(object.get(), address.room(), &address.bytes), STATUS_SUCCESS);
  return address;
}

/// A system thread of the driver; its destructor waits for the end.
class DriverThread {
 public:
  explicit DriverThread(std::function<void()> body) : body_(std::move(body)) {
    EXPECT_EQ(PsCreateSystemThread(&handle_, THREAD_ALL_ACCESS, nullptr, nullptr, nullptr, &DriverThread::run, this),
              STATUS_SUCCESS);
  }
  ~DriverThread() { join(); }
  void join() {
    if (handle_ == nullptr) return;
    PVOID object = nullptr;
    EXPECT_EQ(ObReferenceObjectByHandle(handle_, 0, nullptr, KernelMode, &object, nullptr), STATUS_SUCCESS);
    EXPECT_EQ(KeWaitForSingleObject(object, Executive, KernelMode, FALSE, nullptr), STATUS_SUCCESS);
    ObDereferenceObject(object);
    ZwClose(std::exchange(handle_, nullptr));
  }

 private:
  static VOID run(PVOID context) { static_cast<DriverThread*>(context)->body_(); }
  std::function<void()> body_;
  HANDLE handle_ = nullptr;
};

}  // namespace softndk::stack
