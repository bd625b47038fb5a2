// A timeline as Chrome trace JSON: complete events ("X") for calls and callbacks, pairs of "b" and "e" for what is
// under way in between, "M" for the threads' names.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>

#include "base/alloc.h"
#include "verifier/timeline.h"

namespace softndk::verifier {
namespace {

constexpr const char* kTypeNames[] = {"object", "adapter",         "qp",        "cq",       "mr", "mw",
                                      "pd",     "shared endpoint", "connector", "listener", "srq"};

/// Addresses as numbers, 1, 2, 3 in the order in which they are asked for. Without memory all are 0.
class Numbers {
 public:
  explicit Numbers(std::size_t addresses_max) {
    while (size_ < addresses_max * 2)
      size_ *= 2;
    if (!memory_.reserve(size_ * sizeof(Slot))) size_ = 0;
  }
  /// Whether it is asked for the first time is in `fresh`.
  std::uint32_t of(const void* address, bool& fresh) {
    fresh = false;
    if (address == nullptr || size_ == 0) return 0;
    auto* slots = reinterpret_cast<Slot*>(memory_.data());
    std::size_t at = (reinterpret_cast<std::uintptr_t>(address) >> 3) * 0x9E3779B97F4A7C15u >> 16 & (size_ - 1);
    while (slots[at].address != nullptr && slots[at].address != address)
      at = (at + 1) & (size_ - 1);
    fresh = slots[at].address == nullptr;
    if (fresh) slots[at] = {address, ++count_};
    return slots[at].number;
  }
  std::uint32_t of(const void* address) {
    bool fresh;
    return of(address, fresh);
  }

 private:
  struct Slot {
    const void* address;
    std::uint32_t number;
  };
  LazyMemory memory_;
  std::size_t size_ = 64;
  std::uint32_t count_ = 0;
};

class Writer {
 public:
  Writer(std::FILE* file, std::size_t events) : file_(file), threads_(events), objects_(events), requests_(events) {}

  void write(const Timeline::Event& event) {
    bool fresh = false;
    const std::uint32_t thread = threads_.of(event.thread, fresh);
    if (fresh) {
      std::fprintf(file_, "%s\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"",
                   comma(), thread);
      put_text(event.thread_name[0] == '\0' ? "host" : event.thread_name);  // threads of the program that hosts us
      std::fputs("\"}}", file_);
    }
    using Kind = Timeline::Kind;
    switch (event.kind) {
      case Kind::call:
        return slice(event, thread, "call");
      case Kind::callback:
        return slice(event, thread, "callback");
      case Kind::request: {
        const bool begins = event.end_ns == 0;
        begin(begins ? "b" : "e", "request", event.name, thread, begins ? event.begin_ns : event.end_ns);
        std::fprintf(file_, ",\"id\":\"r%llu\"", static_cast<unsigned long long>(event.id));
        return end(event, !begins);
      }
      case Kind::work:
      case Kind::result: {
        const bool begins = event.kind == Kind::work;
        begin(begins ? "b" : "e", "work request", "work request", thread, event.begin_ns);
        std::fprintf(file_, ",\"id\":\"w%u\"", requests_.of(event.request));
        return end(event, !begins);
      }
    }
  }

 private:
  const char* comma() { return first_ ? (first_ = false, "") : ","; }

  /// Names of ours and of threads: printable, but a driver may have named a thread.
  void put_text(const char* text) {
    for (; text != nullptr && *text != '\0'; ++text) {
      const unsigned char letter = static_cast<unsigned char>(*text);
      std::fputc(letter < 0x20 || letter == '"' || letter == '\\' || letter >= 0x7f ? '_' : letter, file_);
    }
  }

  void begin(const char* phase, const char* category, const char* name, std::uint32_t thread, std::uint64_t at_ns) {
    std::fprintf(file_, "%s\n{\"ph\":\"%s\",\"cat\":\"%s\",\"name\":\"%s\",\"pid\":1,\"tid\":%u,\"ts\":%llu.%03llu",
                 comma(), phase, category, name, thread, static_cast<unsigned long long>(at_ns / 1000),
                 static_cast<unsigned long long>(at_ns % 1000));
  }

  void end(const Timeline::Event& event, bool with_status) {
    std::fputs(",\"args\":{", file_);
    const char* separator = "";
    if (event.object != nullptr) {
      const std::size_t type = event.object_type < std::size(kTypeNames) ? event.object_type : 0;
      std::fprintf(file_, "\"object\":\"%s %u\"", kTypeNames[type], objects_.of(event.object));
      separator = ",";
    }
    if (event.kind == Timeline::Kind::work) std::fprintf(file_, "%s\"call\":\"%s\"", separator, event.name);
    if (event.kind == Timeline::Kind::result) std::fprintf(file_, "%s\"octets\":%u", separator, event.octets);
    if (event.kind == Timeline::Kind::work || event.kind == Timeline::Kind::result) separator = ",";
    if (with_status) std::fprintf(file_, "%s\"status\":\"0x%08x\"", separator, static_cast<unsigned>(event.status));
    std::fputs("}}", file_);
  }

  void slice(const Timeline::Event& event, std::uint32_t thread, const char* category) {
    begin("X", category, event.name, thread, event.begin_ns);
    const std::uint64_t took_ns = event.end_ns - event.begin_ns;
    std::fprintf(file_, ",\"dur\":%llu.%03llu", static_cast<unsigned long long>(took_ns / 1000),
                 static_cast<unsigned long long>(took_ns % 1000));
    end(event, true);
  }

  std::FILE* file_;
  Numbers threads_;
  Numbers objects_;
  Numbers requests_;
  bool first_ = true;
};

}  // namespace

bool Timeline::write(const char* path) const noexcept {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "we"), &std::fclose);
  if (file == nullptr) return false;
  const std::size_t added = count_.load();
  const std::size_t kept = std::min(added, kEventsMax);
  std::fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", file.get());
  Writer writer(file.get(), kept);
  for (std::size_t i = 0; i < kept; ++i) {
    auto& event = reinterpret_cast<Event*>(memory_.data())[i];
    if (std::atomic_ref(event.complete).load(std::memory_order_acquire)) writer.write(event);  // partner: add()
  }
  std::fprintf(file.get(), "\n],\"otherData\":{\"tool\":\"softndk\",\"events_dropped\":%zu}}\n", added - kept);
  return std::ferror(file.get()) == 0;
}

}  // namespace softndk::verifier
