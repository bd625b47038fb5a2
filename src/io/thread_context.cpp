#include <mutex>
#include <new>

#include "base/alloc.h"
#include "base/log.h"
#include "io/error.h"
#include "io/executor.h"

namespace softndk::io {
namespace {

// Contexts of adopted threads are recycled through this list and never freed (a late unpark may still name one).
struct AdoptedContext : ThreadContext {
  AdoptedContext* next_free = nullptr;
  AdoptedContext* next_ever = nullptr;
};
std::mutex g_mutex;
AdoptedContext* g_free = nullptr;
AdoptedContext* g_ever = nullptr;  // keeps every context reachable, so that a leak checker sees what is the case

/// Null when memory is short.
AdoptedContext* take() {
  std::lock_guard lock(g_mutex);
  if (AdoptedContext* context = g_free) {
    g_free = context->next_free;
    context->next_free = nullptr;
    return context;
  }
  auto* context = new (std::nothrow) AdoptedContext;
  if (context == nullptr) return nullptr;
  context->next_ever = g_ever;
  g_ever = context;
  return context;
}

void give_back(AdoptedContext* context) {
  std::lock_guard lock(g_mutex);
  for (auto& local : context->local)
    local = 0;
  context->name = "";
  context->next_free = g_free;
  g_free = context;
}

struct ThreadEnd {
  AdoptedContext* adopted = nullptr;
  ~ThreadEnd() {
    if (adopted != nullptr) give_back(adopted);
  }
};

thread_local ThreadEnd t_end;
thread_local ThreadContext* t_current = nullptr;

}  // namespace

ThreadContext& this_thread() noexcept {
  if (t_current != nullptr) return *t_current;
  t_end.adopted = take();
  SOFTNDK_CHECK(t_end.adopted != nullptr);  // a thread of the program's, and no memory left for it
  t_current = t_end.adopted;
  return *t_current;
}

SpareContext SpareContext::take() noexcept {
  SpareContext spare;
  if (!fault_injected("thread context")) spare.context_ = io::take();
  return spare;
}

SpareContext::~SpareContext() {
  if (context_ != nullptr) give_back(static_cast<AdoptedContext*>(context_));
}

void SpareContext::adopt() noexcept {
  t_end.adopted = static_cast<AdoptedContext*>(std::exchange(context_, nullptr));
  t_current = t_end.adopted;
}

void set_this_thread(ThreadContext* context) noexcept {
  t_current = context != nullptr ? context : t_end.adopted;
}

const char* to_string(IoError error) noexcept {
  switch (error) {
    case IoError::refused:
      return "refused";
    case IoError::network_unreachable:
      return "network unreachable";
    case IoError::host_unreachable:
      return "host unreachable";
    case IoError::timed_out:
      return "timed out";
    case IoError::reset:
      return "connection lost";
    case IoError::address_in_use:
      return "address in use";
    case IoError::address_not_local:
      return "not a local address";
    case IoError::already_connected:
      return "already connected";
    case IoError::no_resources:
      return "out of resources";
    case IoError::not_permitted:
      return "not permitted";
    case IoError::closed:
      return "closed";
  }
  return "?";
}

}  // namespace softndk::io
