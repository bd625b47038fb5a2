#pragma once
// What the objects of a FakeDevice have in common: they are counted, and end as the test says.
#include <atomic>
#include <vector>

#include "base/thread_safety.h"
#include "io/executor.h"
#include "ntrt/deferred.h"
#include "rdma/device.h"

namespace softndk::provider {

/// Runs `body` on a processor, as a device would call a sink, and returns when it has.
template <class Body>
void on_processor(Body&& body, unsigned index = 0) {
  struct Job : io::Task {
    explicit Job(Body& it) noexcept : Task(run), the_body(it) {}
    static void run(io::Task& task) noexcept {
      auto& job = static_cast<Job&>(task);
      job.the_body();
      job.done.open();
    }
    Body& the_body;
    ntrt::WaitGate done{"a job of the test"};
  } job(body);
  ntrt::processor(index).post(job);
  job.done.wait();
}

enum class CloseStyle : std::uint8_t {
  posted,  ///< soon, on a processor
  inside,  ///< inside close() already
  held,    ///< when the test calls end()
};

/// Sends one last event as the style wants it. Lives in its object, which the event may destroy.
class LastEvent : public io::Task {
 public:
  using Send = void (*)(void* object) noexcept;
  LastEvent(void* object, Send send) noexcept : Task(run), object_(object), send_(send) {}
  void close(CloseStyle style) {
    closed = true;
    if (style == CloseStyle::posted) ntrt::processor(0).post(*this);
    if (style == CloseStyle::inside) send_(object_);
  }
  void send() { send_(object_); }
  std::atomic<bool> closed{false};

 private:
  static void run(io::Task& task) noexcept { static_cast<LastEvent&>(task).send(); }
  void* object_;
  Send send_;
};

class FakeDevice;

/// Objects of one kind that live, oldest first.
template <class T>
class Living {
 public:
  void add(T* one) {
    MutexLock lock(mutex_);
    all_.push_back(one);
    ++made_;
  }
  void remove(T* one) {
    MutexLock lock(mutex_);
    std::erase(all_, one);
  }
  std::size_t count() const {
    MutexLock lock(mutex_);
    return all_.size();
  }
  std::size_t made() const {
    MutexLock lock(mutex_);
    return made_;
  }
  std::vector<T*> all() const {
    MutexLock lock(mutex_);
    return all_;
  }
  T& last() const {
    MutexLock lock(mutex_);
    return *all_.back();
  }

 private:
  mutable Mutex mutex_;
  std::vector<T*> all_;
  std::size_t made_ = 0;
};

}  // namespace softndk::provider
