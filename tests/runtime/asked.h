#pragma once
#include <deque>

#include "ndk_consumer.h"

namespace softndk {

/// Requests that are under way at once, and what their calls returned.
class Asked {
 public:
  struct One {
    stack::Request request;
    NTSTATUS returned = STATUS_PENDING;
    NTSTATUS finish() { return request.finish(returned); }
  };
  template <class Call>
  One& operator()(Call call) {
    One& one = all_.emplace_back();
    one.returned = call(one.request);
    return one;
  }
  template <class T>
  void close(stack::Object<T>& object) {
    if (object) (*this)([&](stack::Request& request) { return object.begin_close(request); });
  }
  void finish_all() {
    for (One& one : all_)
      static_cast<void>(one.finish());
  }
  /// The adapter has been closed (R-CLS-13).
  void expect_all_done() {
    for (One& one : all_)
      EXPECT_TRUE(one.returned != STATUS_PENDING || one.request.is_done());
    finish_all();
  }

 private:
  std::deque<One> all_;
};

}  // namespace softndk
