#pragma once
// A record of what crosses the interface, for a timeline by thread: each call and each callback with its duration, each
// request from its call to its completion, each work request from its post to its result. The interposer writes it;
// while nobody records, that is one load for each call.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <type_traits>

#include "base/lazy_memory.h"
#include "wdk/ndkpi.h"

namespace softndk::verifier {

class Timeline {
 public:
  /// How many events a recording keeps: the first ones. What comes after is counted.
  static constexpr std::size_t kEventsMax = 1 << 20;

  enum class Kind : std::uint8_t { call, callback, request, work, result };
  struct Event {
    const char* name = "";          ///< constant text
    const void* object = nullptr;   ///< the consumer's; null: none
    const void* request = nullptr;  ///< work and result: the consumer's RequestContext
    std::uint64_t id = 0;           ///< request: its number
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;  ///< call and callback; request: 0 begins it, else ends it
    const void* thread = nullptr;
    const char* thread_name = "";
    NTSTATUS status = STATUS_SUCCESS;
    std::uint32_t octets = 0;  ///< of a result
    Kind kind = Kind::call;
    std::uint8_t object_type = 0;  ///< NDK_OBJECT_TYPE, as the object is gone when it is written
    bool complete = false;         ///< read and written atomically
  };

  /// From now on; false: memory is short. One recording at a time.
  static bool start() noexcept;
  /// Forgets it. While no call is under way.
  static void stop() noexcept;
  /// The one that records, or null.
  static Timeline* recording() noexcept { return recording_.load(std::memory_order_acquire); }  // partner: start

  static std::uint64_t now_ns() noexcept;
  std::uint64_t next_id() noexcept { return ids_.fetch_add(1, std::memory_order_relaxed) + 1; }
  /// `event` but for thread and completeness, which this fills in.
  void add(const Event& event) noexcept;

  /// In Chrome's trace format, which Perfetto reads: whatever is complete by now. False with errno: it cannot be
  /// written. Addresses come out as numbers in order of appearance, so equal runs give equal files.
  bool write(const char* path) const noexcept;

 private:
  static std::atomic<Timeline*> recording_;
  LazyMemory memory_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> ids_{0};
};

/// The function name in a slot's own spelling: "NdkSend".
template <auto slot>
struct SlotName {
  static constexpr std::string_view spelled() {
    std::string_view text = __PRETTY_FUNCTION__;
    text = text.substr(text.find("slot = "));
    text = text.substr(text.find("::") + 2);
    return text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"));
  }
  static constexpr std::size_t kBytes = spelled().size() + 1;
  struct Text {
    char text[kBytes] = {};
    constexpr Text() { spelled().copy(text, kBytes - 1); }
  };
  static constexpr Text kText{};
};
template <auto slot>
inline constexpr const char* slot_name = SlotName<slot>::kText.text;

/// A call or a callback, from here to the end of the scope.
class Span {
 public:
  Span(Timeline::Kind kind, const char* name, const NDK_OBJECT_HEADER* object) noexcept
      : timeline_(Timeline::recording()) {
    if (timeline_ == nullptr) return;
    ::new (&event_) Timeline::Event{.name = name, .object = object, .begin_ns = Timeline::now_ns(), .kind = kind};
    // Now: the call may be the one that ends the object.
    if (object != nullptr) event_.object_type = static_cast<std::uint8_t>(object->ObjectType);
  }
  ~Span() {
    if (timeline_ == nullptr) return;
    event_.end_ns = Timeline::now_ns();
    timeline_->add(event_);
  }
  /// It is not worth telling.
  void drop() noexcept { timeline_ = nullptr; }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  template <class Result>
  Result result(Result result) noexcept {
    if constexpr (std::is_same_v<Result, NTSTATUS>) {
      if (timeline_ != nullptr) event_.status = result;
    }
    return result;
  }

 private:
  Timeline* timeline_;
  union {
    Timeline::Event event_;  // none while nobody records
  };
};

/// A request that may pend: its beginning is told when it does, with the time before the call.
class RequestTrace {
 public:
  RequestTrace(const char* name, const NDK_OBJECT_HEADER* object) noexcept : timeline_(Timeline::recording()) {
    if (timeline_ == nullptr) return;
    ::new (&event_) Timeline::Event{.name = name,
                                    .object = object,
                                    .id = timeline_->next_id(),
                                    .begin_ns = Timeline::now_ns(),
                                    .kind = Timeline::Kind::request};
    if (object != nullptr) event_.object_type = static_cast<std::uint8_t>(object->ObjectType);
  }
  /// What its completion passes to completed(); 0: nobody records.
  std::uint64_t id() const noexcept { return timeline_ == nullptr ? 0 : event_.id; }
  void pended() noexcept {
    if (timeline_ != nullptr) timeline_->add(event_);
  }
  static void completed(const char* name, std::uint64_t id, NTSTATUS status) noexcept {
    Timeline* timeline = id == 0 ? nullptr : Timeline::recording();
    if (timeline == nullptr) return;
    timeline->add(
        {.name = name, .id = id, .end_ns = Timeline::now_ns(), .status = status, .kind = Timeline::Kind::request});
  }

 private:
  Timeline* const timeline_;
  union {
    Timeline::Event event_;
  };
};

/// A work request was posted (before the call), or could not be (after it).
void trace_work(const char* name, const NDK_OBJECT_HEADER* queue, PVOID request) noexcept;
void trace_result(const NDK_OBJECT_HEADER* cq, PVOID request, NTSTATUS status, std::uint32_t octets) noexcept;

}  // namespace softndk::verifier
