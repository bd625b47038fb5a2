#pragma once
// Every allocation of the library that may fail goes through try_allocate, so that the simulator and a test build can
// make the n-th one fail (R-CRT-06 asks for STATUS_INSUFFICIENT_RESOURCES at every place that can run out).
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace softndk {

/// nullptr when memory is short or a fault was injected. Alignment is at least 16. Free with deallocate().
[[nodiscard]] void* try_allocate(std::size_t size_bytes, std::size_t alignment = 16) noexcept;
void deallocate(void* memory) noexcept;
/// Whole pages, zeroed, that cost what is touched of them. nullptr as above. Free with unmap(), all of it.
[[nodiscard]] void* try_map(std::size_t size_bytes) noexcept;
void unmap(void* memory, std::size_t size_bytes) noexcept;
/// How many results of these two have not been given back: equal before and after means that nothing leaked.
[[nodiscard]] std::int64_t allocations_alive() noexcept;

/// Asked before every fallible call; true = this one fails. `what` names the call ("allocate", "socket", ...).
/// Null switches it off. Meant for tests and the simulator; set it while no other thread allocates.
using FaultHook = bool (*)(void* context, const char* what) noexcept;
void set_fault_hook(FaultHook hook, void* context) noexcept;
namespace detail {
extern std::atomic<FaultHook> fault_hook;
bool ask_fault_hook(const char* what) noexcept;
}  // namespace detail
[[nodiscard]] inline bool fault_injected(const char* what) noexcept {
  return detail::fault_hook.load(std::memory_order_relaxed) != nullptr && detail::ask_fault_hook(what);
}

struct Deallocate {
  template <class T>
  void operator()(T* object) const noexcept {
    object->~T();
    deallocate(object);
  }
};
template <class T>
using Owned = std::unique_ptr<T, Deallocate>;

/// An object, or null when memory is short.
template <class T, class... Args>
[[nodiscard]] Owned<T> try_make(Args&&... args) noexcept {
  void* memory = try_allocate(sizeof(T), alignof(T));
  return Owned<T>(memory == nullptr ? nullptr : ::new (memory) T(std::forward<Args>(args)...));
}

/// Owns an implementation through its interface: made by make_interface, destroyed virtually, its memory given back to
/// deallocate() from where the whole object begins.
struct DestroyInterface {
  template <class T>
  void operator()(T* object) const noexcept {
    void* memory = dynamic_cast<void*>(object);
    object->~T();
    deallocate(memory);
  }
};
template <class T>
using OwnedInterface = std::unique_ptr<T, DestroyInterface>;

/// An implementation T of an interface, or null when memory is short. Converts to OwnedInterface<its interface>.
template <class T, class... Args>
[[nodiscard]] OwnedInterface<T> make_interface(Args&&... args) noexcept {
  void* memory = try_allocate(sizeof(T), alignof(T));
  return OwnedInterface<T>(memory == nullptr ? nullptr : ::new (memory) T(std::forward<Args>(args)...));
}

}  // namespace softndk
