#pragma once
// Waits that explain themselves: what a thread waits for, who set it last, and whose doing could end the wait.
#include "ntrt/object_tree.h"

namespace softndk::ntrt {

/// One line for each thread of a driver that is blocked in a wait: its name, what it waits for, since when, and where;
/// of an event also who set it last. Returns how many.
std::size_t report_waiting_threads(const LineSink& sink) noexcept;

/// The requests that pend, and whose completions could therefore set an event; first those whose context is near
/// `object`, as it is if both are parts of one structure. Returns how many.
std::size_t report_pending_requests(const LineSink& sink, const void* object = nullptr) noexcept;

/// What the log says when a driver's call has blocked for long: `call` and why, then the objects under `adapter` (the
/// consumer's or the provider's pointer; null: all), as an error, so that it is seen without a setting.
void explain_blocked_call(const void* adapter, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));

/// Lists all live objects as what `call` is about to wait for; nothing if there are none.
void explain_open_objects(const char* call) noexcept;

}  // namespace softndk::ntrt
